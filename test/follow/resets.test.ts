/** Streams that are deleted, made anew, renamed, flushed or back in an older state are followed on. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.js';
import { startForFile } from '../support/gateway-fixture.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { type Framing, StreamFollower } from '../support/stream-follower.js';

/** Until a reset is noticed that nothing but the readers' own looks reveals. */
const NOTICED = { timeout: 5000, interval: 20 };

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const keyOf = (sid: string) => `default:${sid}`;

/** Adds entries that are stamped with their ids. */
async function add(sid: string, ...ids: string[]): Promise<void> {
  for (const id of ids) await redis.client.xadd(keyOf(sid), id, 'd', stampedFrame(id, streams));
}

const idsOf = (follower: StreamFollower) => follower.entries.map(({ id }) => id);

const resets = (reason: string, of = gateway) => of.metric(`stream_resets_total{reason="${reason}"}`);

/** Resolves once one more reset is counted for that reason than there were before `act`. */
async function counted(reason: string, act: () => Promise<unknown>): Promise<void> {
  const before = await resets(reason);
  await act();
  await vi.waitFor(async () => expect(await resets(reason)).toBe(before + 1), NOTICED);
}

/** Followers of all kinds, which all have the entry `id`. */
async function followAll(sid: string, id: string): Promise<StreamFollower[]> {
  const kinds: readonly (readonly [query: string, framing: Framing])[] = [
    ['block=0', '1'],
    ['block=0&count=10', 'msgpack'],
    ['block=0&latest=1', '1'],
  ];
  const followers = await Promise.all(
    kinds.map(([query, framing]) => StreamFollower.open(gateway, sid, `${query}&last_entry_id=0`, framing)),
  );
  for (const follower of followers) await follower.until(() => idsOf(follower).at(-1) === id);
  return followers;
}

/** Each has the new stream's entries, once and in order, after what it had; with `latest` at least its last. */
async function expectNew(followers: readonly StreamFollower[], had: number, ids: string[]): Promise<void> {
  for (const follower of followers) {
    await follower.until(() => follower.entries.length > had && idsOf(follower).at(-1) === ids.at(-1));
    const got = idsOf(follower).slice(had);
    if (follower.ws.url.includes('latest')) expect(got).toEqual(ids.filter((id) => got.includes(id)));
    else expect(got).toEqual(ids);
    expect(follower.isClosed).toBe(false);
    await follower.close();
  }
}

test('deleted, and begun anew with smaller ids after that was noticed', async () => {
  const sid = freshSid();
  await add(sid, '100-0');
  const followers = await followAll(sid, '100-0');
  await counted('deleted', () => redis.client.del(keyOf(sid)));
  // Once: it is not there, and not lost again and again.
  await add(sid, '1-0', '1-1', '2-0');
  await expectNew(followers, 1, ['1-0', '1-1', '2-0']);
  expect(await resets('recreated')).toBe(0);
});

test('deleted and made anew with smaller ids at once', async () => {
  const sid = freshSid();
  await add(sid, '100-0');
  const followers = await followAll(sid, '100-0');
  await counted('recreated', () =>
    redis.client
      .multi()
      .del(keyOf(sid))
      .xadd(keyOf(sid), '1-0', 'd', stampedFrame('a', 0))
      .xadd(keyOf(sid), '2-0', 'd', stampedFrame('a', 1))
      .exec(),
  );
  await add(sid, '3-0');
  await expectNew(followers, 1, ['1-0', '2-0', '3-0']);
});

test('made anew with one entry of the very id and bytes of an old one', async () => {
  const sid = freshSid();
  const payload = stampedFrame('same', 0);
  const followers = await Promise.all(
    ['1', 'msgpack'].map((framing) => StreamFollower.open(gateway, sid, 'block=0', framing as Framing)),
  );
  // Live, so that the gateway still has them.
  for (const id of ['1-0', '2-0']) await redis.client.xadd(keyOf(sid), id, 'd', payload);
  for (const follower of followers) await follower.until(() => follower.entries.length === 2);
  await counted('recreated', () =>
    redis.client.multi().del(keyOf(sid)).xadd(keyOf(sid), '1-0', 'd', payload).exec(),
  );
  for (const follower of followers) {
    await follower.until(() => follower.entries.length === 3);
    expect(idsOf(follower)).toEqual(['1-0', '2-0', '1-0']);
    await follower.close();
  }
});

test('another stream is renamed to it', async () => {
  const [sid, other] = [freshSid(), freshSid()];
  await add(sid, '100-0');
  await add(other, '5-0', '6-0');
  const followers = await followAll(sid, '100-0');
  await counted('recreated', () => redis.client.rename(keyOf(other), keyOf(sid)));
  await add(sid, '7-0');
  await expectNew(followers, 1, ['5-0', '6-0', '7-0']);
});

test('it is renamed, and made anew', async () => {
  const [sid, other] = [freshSid(), freshSid()];
  await add(sid, '100-0');
  const followers = await followAll(sid, '100-0');
  await counted('deleted', () => redis.client.rename(keyOf(sid), keyOf(other)));
  await add(sid, '1-0');
  await expectNew(followers, 1, ['1-0']);
});

test('all entries are trimmed or deleted: the stream is still itself', async () => {
  const sid = freshSid();
  await add(sid, '100-0', '101-0');
  const followers = await followAll(sid, '101-0');
  const had = followers[0]!.entries.length;
  const before = [await resets('deleted'), await resets('recreated')];
  await redis.client.xtrim(keyOf(sid), 'MAXLEN', 0);
  // So long that each stream was looked at.
  const witness = freshSid();
  await add(witness, '5-0');
  const [other] = await followAll(witness, '5-0');
  await redis.client.del(keyOf(witness));
  await vi.waitFor(async () => expect(await resets('deleted')).toBe(before[0]! + 1), NOTICED);
  await add(sid, '102-0');
  for (const follower of followers.slice(0, 2)) {
    await follower.until(() => follower.entries.length === had + 1);
    expect(idsOf(follower)).toEqual(['100-0', '101-0', '102-0']);
  }
  expect([await resets('deleted'), await resets('recreated')]).toEqual([before[0]! + 1, before[1]]);
  await Promise.all([...followers, other!].map((follower) => follower.close()));
});

test('who comes right after it was made anew is sent the new stream, and nothing of the old', async () => {
  for (let time = 0; time < 10; time++) {
    const sid = freshSid();
    await add(sid, '100-0');
    const old = await StreamFollower.open(gateway, sid, 'block=0');
    await add(sid, '101-0');
    await old.until(() => old.entries.length === 1);
    await redis.client
      .multi()
      .del(keyOf(sid))
      .xadd(keyOf(sid), '1-0', 'd', stampedFrame('a', 0))
      .xadd(keyOf(sid), '2-0', 'd', stampedFrame('a', 1))
      .exec();
    const [all, some, next] = await Promise.all([
      StreamFollower.open(gateway, sid, 'block=0&last_entry_id=0'),
      StreamFollower.open(gateway, sid, 'block=0&last_entry_id=1-0'),
      StreamFollower.open(gateway, sid, 'block=0'),
    ]);
    await add(sid, '3-0');
    for (const [follower, ids] of [
      [old, ['101-0', '1-0', '2-0', '3-0']],
      [all, ['1-0', '2-0', '3-0']],
      [some, ['2-0', '3-0']],
      [next, ['3-0']],
    ] as const) {
      await follower.until(() => idsOf(follower).at(-1) === '3-0');
      expect(idsOf(follower)).toEqual(ids);
      await follower.close();
    }
  }
});

test('a cursor ahead of its stream is taken at its word, and counted', async () => {
  const sid = freshSid();
  await add(sid, '5-0');
  const before = await resets('ahead');
  const follower = await StreamFollower.open(gateway, sid, 'block=0&last_entry_id=7-0');
  expect(await resets('ahead')).toBe(before + 1);
  await add(sid, '6-0', '7-0', '7-1');
  await follower.until(() => follower.entries.length === 1);
  expect(idsOf(follower)).toEqual(['7-1']);
  await follower.close();
});

test('a REST read that waits is answered with the new stream', async () => {
  const sid = freshSid();
  await add(sid, '100-0');
  const waiting = fetch(`${gateway.http}/data/${sid}?block=20000&count=10`);
  await vi.waitFor(async () => expect(await gateway.metric('waiting_reads')).toBeGreaterThan(0), NOTICED);
  await counted('deleted', () => redis.client.del(keyOf(sid)));
  await redis.client.xadd(keyOf(sid), '1-0', 'd', 'new');
  const answer = await waiting;
  expect([await answer.text(), answer.headers.get('x-last-entry-id')]).toEqual(['new', '1-0']);
});

test('a flush: every stream is noticed, however many there are', async () => {
  const own = await startRedis();
  const flushed = await startGatewayProcess({ REDIS_URL: own.url });
  try {
    const sids = Array.from({ length: 1000 }, (_, index) => index.toString(36));
    const fill = async (id: string) => {
      const pipeline = own.client.pipeline();
      for (const sid of sids) pipeline.xadd(keyOf(sid), id, 'd', stampedFrame(sid, 0));
      await pipeline.exec();
    };
    await fill('100-0');
    const followers = await Promise.all(
      [sids.slice(0, 500), sids.slice(500)].map((half) =>
        StreamFollower.open(flushed, half.join('+'), 'block=0&last_entry_id=0'),
      ),
    );
    for (const follower of followers) await follower.until(() => follower.entries.length === 500);
    await own.client.flushall();
    await vi.waitFor(async () => expect(await resets('deleted', flushed)).toBe(1000), {
      timeout: 10_000,
      interval: 50,
    });
    await fill('1-0');
    for (const follower of followers) {
      await follower.until(() => follower.entries.length === 1000);
      expect(new Set(follower.entries.slice(500).map(({ sid, id }) => `${sid} ${id}`)).size).toBe(500);
      await follower.close();
    }
  } finally {
    await flushed.stop();
    await own.stop();
  }
});

describe('a Redis that comes back', () => {
  test('without its data is followed on from the beginning, be the ids smaller or the same', async () => {
    for (const id of ['1-0', '99-0']) {
      const own = await startRedis();
      const proxy = await FaultProxy.start(own);
      const poor = await startGatewayProcess({ REDIS_URL: proxy.url });
      try {
        await own.client.xadd(keyOf('x'), '99-0', 'd', stampedFrame('w', 0));
        const follower = await StreamFollower.open(poor, 'x', 'block=0&last_entry_id=0');
        await own.client.xadd(keyOf('x'), '100-0', 'd', stampedFrame('w', 1));
        await follower.until(() => follower.entries.length === 2);
        // The pool may have read it for the follower before the reader came to it, who looks after the end.
        await expect.poll(() => poor.metric('entries_read_total')).toBe(1);
        proxy.isRefusing = true;
        own.process.kill('SIGKILL');
        await once(own.process, 'exit');
        await own.restart();
        // Before the gateway is back.
        await own.client.xadd(keyOf('x'), id, 'd', stampedFrame('w', 2));
        proxy.isRefusing = false;
        await follower.until(() => follower.entries.length === 3);
        await own.client.xadd(keyOf('x'), '99-1', 'd', stampedFrame('w', 3));
        await follower.until(() => follower.entries.length === 4);
        expect(follower.entries.map(({ stamp }) => stamp)).toEqual(['w#0', 'w#1', 'w#2', 'w#3']);
        expect(await resets('recreated', poor)).toBe(1);
        await follower.close();
      } finally {
        await poor.stop();
        await proxy.stop();
        await own.stop();
      }
    }
  });

  test('in an older state is followed on from the end of that', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sg-older-'));
    const own = await startRedis('--dir', folder, '--dbfilename', 'older.rdb');
    const proxy = await FaultProxy.start(own);
    const older = await startGatewayProcess({ REDIS_URL: proxy.url });
    try {
      const write = (id: string) => own.client.xadd(keyOf('x'), id, 'd', stampedFrame(id, 0));
      for (const id of ['97-0', '98-0', '99-0']) await write(id);
      const followers = await Promise.all([
        StreamFollower.open(older, 'x', 'block=0&last_entry_id=0&count=10'),
        StreamFollower.open(older, 'x', 'block=0'),
      ]);
      await write('100-0');
      await own.client.save();
      for (const id of ['101-0', '102-0']) await write(id);
      for (const follower of followers) await follower.until(() => idsOf(follower).at(-1) === '102-0');
      proxy.isRefusing = true;
      own.process.kill('SIGKILL');
      await once(own.process, 'exit');
      await own.restart();
      expect(await own.client.xlen(keyOf('x'))).toBe(4);
      proxy.isRefusing = false;
      await vi.waitFor(async () => expect(await resets('shortened', older)).toBe(1), NOTICED);
      // An id that was given once already, and new ones.
      for (const id of ['101-0', '101-1', '103-0']) await write(id);
      for (const [index, had] of [
        ['97-0', '98-0', '99-0', '100-0', '101-0', '102-0'],
        ['100-0', '101-0', '102-0'],
      ].entries()) {
        const follower = followers[index]!;
        await follower.until(() => idsOf(follower).at(-1) === '103-0');
        expect(idsOf(follower)).toEqual([...had, '101-0', '101-1', '103-0']);
        await follower.close();
      }
    } finally {
      await older.stop();
      await proxy.stop();
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
