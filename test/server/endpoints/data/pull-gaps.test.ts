/** `gaps=1`: who was not sent entries, since Redis held them no more, is told so. */
import { describe, expect, test, vi } from 'vitest';
import { FaultProxy } from '../../../support/fault-proxy.js';
import { startForFile } from '../../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { stampedFrame } from '../../../support/stamped-frames.js';
import { type Framing, StreamFollower } from '../../../support/stream-follower.js';

const FRAMINGS = ['1', '0', 'msgpack'] as const;
const MIB = 1024 * 1024;

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const keyOf = (sid: string) => `default:${sid}`;

async function add(sid: string, ...ids: string[]): Promise<void> {
  for (const id of ids) await redis.client.xadd(keyOf(sid), id, 'd', stampedFrame(id, 0));
}

/** A stream of `1-0` to `9-0` whose first entries are gone, so that it begins with `first`. */
async function trimmedStream(first = 6): Promise<string> {
  const sid = freshSid();
  await add(sid, ...Array.from({ length: 9 }, (_, index) => `${index + 1}-0`));
  await redis.client.xtrim(keyOf(sid), 'MINID', '=', `${first}-0`);
  return sid;
}

const pull = (sids: string, query: string, framing?: Framing) =>
  StreamFollower.open(gateway, sids, `${query.includes('block=') ? '' : 'block=50&'}${query}`, framing);

const deletions = () => gateway.metric('stream_resets_total{reason="deleted"}');

/** Resolves once the gateway has seen that the stream is gone. */
async function remove(sid: string): Promise<void> {
  const before = await deletions();
  await redis.client.del(keyOf(sid));
  const patience = { timeout: 15_000, interval: 50 };
  await vi.waitFor(async () => expect(await deletions()).toBeGreaterThan(before), patience);
}

/** All that a follower is told until it has had so many entries, and was then told that there are no more. */
async function told(follower: StreamFollower, entries: number): Promise<StreamFollower['gaps']> {
  const { heartbeats } = follower;
  await follower.until(() => follower.entries.length >= entries);
  if (!follower.ws.url.includes('header=0')) await follower.until(() => follower.heartbeats > heartbeats);
  expect(follower.entries.length).toBe(entries);
  await follower.close();
  return follower.gaps;
}

const gap = (stream: string, at: number, after: string, resumed_at: string, reason: string) => ({
  at,
  stream,
  after,
  resumed_at,
  reason,
});

describe('entries that were trimmed', () => {
  test.each(FRAMINGS)(
    'after the last one that the client had: told before the first left, header=%s',
    async (framing) => {
      const sid = await trimmedStream();
      for (const query of ['', '&ack=0&max_fps=500', '&speed=1', '&until=9-0']) {
        const follower = await pull(sid, `gaps=1&last_entry_id=2-0${query}`, framing);
        await follower.until(() => follower.entries.length === 4);
        expect(follower.gaps).toEqual([gap(sid, 0, '2-0', '6-0', 'trimmed')]);
        await follower.close();
      }
    },
  );

  test("are nobody's loss who did not have any before, or none that are gone", async () => {
    const sid = await trimmedStream();
    for (const [query, entries] of [
      ['last_entry_id=0', 4],
      ['last_entry_id=-', 4],
      ['last_entry_id=2', 4],
      ['from=2', 4],
      ['from=2-0', 4],
      ['last_entry_id=2-18446744073709551615', 4],
      ['last_entry_id=6-0', 3],
      ['last_entry_id=9-0', 0],
      ['last_entry_id=2-0&latest=1', 1],
    ] as const) {
      expect([query, await told(await pull(sid, `gaps=1&${query}`), entries)]).toEqual([query, []]);
    }
    const whole = freshSid();
    await add(whole, '5-0', '6-0');
    expect(await told(await pull(whole, 'gaps=1&last_entry_id=0-0'), 2)).toEqual([]);
  });

  test('are not spoken of without gaps=1', async () => {
    const sid = await trimmedStream();
    for (const query of ['', '&gaps=0']) {
      expect(await told(await pull(sid, `last_entry_id=2-0${query}`), 4)).toEqual([]);
    }
  });

  test('all of them: told before the next that comes', async () => {
    const sid = await trimmedStream();
    await redis.client.xtrim(keyOf(sid), 'MAXLEN', '=', 0);
    const follower = await pull(sid, 'gaps=1&last_entry_id=2-0');
    await follower.until(() => follower.heartbeats > 0);
    expect(follower.gaps).toEqual([]);
    await add(sid, '10-0', '11-0');
    expect(await told(follower, 2)).toEqual([gap(sid, 0, '2-0', '10-0', 'trimmed')]);
  });

  test('of some of several streams, each by the name that its headers give it', async () => {
    const [cut, whole, other] = [await trimmedStream(), freshSid(), await trimmedStream(8)];
    await add(whole, '1-0', '2-0', '3-0');
    for (const [query, name] of [
      ['', (sid: string) => sid],
      ['&keep_device_id_in_stream_id=1', keyOf],
    ] as const) {
      const follower = await pull(
        `${cut}+${whole}+${other}`,
        `gaps=1&count=2&last_entry_id=3-0+1-0+4-0${query}`,
      );
      const gaps = await told(follower, 8);
      expect(gaps.map(({ at, ...rest }) => rest)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ stream: name(cut), after: '3-0', resumed_at: '6-0' }),
          expect.objectContaining({ stream: name(other), after: '4-0', resumed_at: '8-0' }),
        ]),
      );
      expect(gaps).toHaveLength(2);
      // Right before the message that goes on with it.
      for (const { at, resumed_at, stream } of gaps) {
        expect(follower.entries[at]).toMatchObject({ id: resumed_at, sid: stream });
      }
    }
  });

  test('with ack=1: the gap wants no ack of its own', async () => {
    const sid = await trimmedStream();
    const follower = await pull(sid, 'gaps=1&last_entry_id=2-0&ack=1&block=0');
    for (let taken = 1; taken <= 4; taken++) {
      await follower.until(() => follower.entries.length === taken);
      expect(follower.gaps).toHaveLength(1);
      follower.ws.send('ok');
    }
    await follower.close();
  });

  test('while a client did not take any: told where it goes on, once', async () => {
    const sid = freshSid();
    await add(sid, '1-0');
    const followers = await Promise.all(
      ['gaps=1', 'gaps=0'].map((query) => pull(sid, `${query}&last_entry_id=0&ack=1&block=0`)),
    );
    for (const follower of followers) await follower.until(() => follower.entries.length === 1);
    // More than the gateway keeps, which is read by then.
    const read = await gateway.metric('entries_read_total');
    for (let seq = 2; seq <= 30; seq++) {
      await redis.client.xadd(keyOf(sid), `${seq}-0`, 'd', stampedFrame('w', seq, MIB));
    }
    await expect.poll(() => gateway.metric('entries_read_total'), { timeout: 15_000 }).toBe(read + 29);
    await redis.client.xtrim(keyOf(sid), 'MAXLEN', '=', 3);
    for (const follower of followers) {
      while (follower.entries.at(-1)!.id !== '30-0') {
        const had = follower.entries.length;
        follower.ws.send('ok');
        await follower.until(() => follower.entries.length > had);
      }
    }
    const [asking, other] = followers as [StreamFollower, StreamFollower];
    const ids = asking.entries.map(({ id }) => id!);
    expect(ids.length).toBeLessThan(30);
    expect(asking.gaps).toEqual([gap(sid, 1, '1-0', ids[1]!, 'trimmed')]);
    expect([other.entries.map(({ id }) => id), other.gaps]).toEqual([ids, []]);
    await Promise.all(followers.map((follower) => follower.close()));
  });

  test('before a reader came to read them: told to each of those that keep up', async () => {
    const sid = freshSid();
    const followers = await Promise.all([
      ...FRAMINGS.map((framing) => pull(sid, 'gaps=1&block=0', framing)),
      pull(sid, 'block=0'),
      pull(sid, 'gaps=1&latest=1&block=0'),
    ]);
    // A transaction is one step to the reader: it wakes when the stream holds its last twenty entries.
    const write = async (from: number, to: number) => {
      const transaction = redis.client.multi();
      for (let ms = from; ms <= to; ms++) {
        transaction.xadd(keyOf(sid), 'MAXLEN', '=', 20, `${ms}-0`, 'd', stampedFrame('w', ms));
      }
      await transaction.exec();
      for (const follower of followers) {
        await follower.until(() => follower.entries.at(-1)?.stamp === `w#${to}`);
      }
    };
    await write(1, 5);
    await write(6, 55);
    await write(56, 70);
    // Not the first, of which none is gone: the stream began with it.
    const expected = [gap(sid, 5, '5-0', '36-0', 'trimmed')];
    expect(followers.map(({ gaps }) => gaps)).toEqual([expected, expected, expected, [], []]);
    await Promise.all(followers.map((follower) => follower.close()));
  });
});

test.each([
  ['more than are left', 49],
  ['few', 4],
])('the first loss of a quiet stream is told, when %s overrun it in one step', async (_name, more) => {
  // A reader thread that has only just connected, or that reads few entries at once, checks each of its streams.
  const others = Array.from({ length: 32 }, freshSid);
  const before = await pull(others.join('+'), 'block=0');
  for (let ms = 1; ms <= 8; ms++) for (const other of others) await add(other, `${ms}-0`);
  await before.until(() => before.entries.length === 8 * others.length);
  const sid = freshSid();
  await add(sid, '1-0');
  const live = () => gateway.metric('followers{state="live"}');
  const liveBefore = await live();
  const follower = await pull(sid, 'gaps=1&block=0');
  await expect.poll(live, { timeout: 15_000 }).toBeGreaterThan(liveBefore);
  const transaction = redis.client.multi();
  for (let ms = 2; ms <= 1 + more; ms++) {
    transaction.xadd(keyOf(sid), 'MAXLEN', '=', 2, `${ms}-0`, 'd', stampedFrame('w', ms));
  }
  await transaction.exec();
  await follower.until(() => follower.entries.length === 2);
  expect(follower.gaps).toEqual([gap(sid, 0, '1-0', `${more}-0`, 'trimmed')]);
  await Promise.all([before.close(), follower.close()]);
});

test('a stream of large entries that is overrun while it is followed: each loss is told', async () => {
  const sid = freshSid();
  const large = (ms: number) => stampedFrame('w', ms, 50_000);
  await redis.client.xadd(keyOf(sid), '1-0', 'd', large(1));
  const follower = await pull(sid, 'gaps=1&block=0');
  const expected: object[] = [];
  for (const [from, to] of [
    [2, 40],
    [41, 41],
    [42, 60],
  ] as const) {
    const transaction = redis.client.multi();
    for (let ms = from; ms <= to; ms++) {
      transaction.xadd(keyOf(sid), 'MAXLEN', '=', 5, `${ms}-0`, 'd', large(ms));
    }
    const had = follower.entries.length;
    await transaction.exec();
    await follower.until(() => follower.entries.at(-1)?.id === `${to}-0`);
    if (to > from) expected.push(gap(sid, had, `${from - 1}-0`, `${to - 4}-0`, 'trimmed'));
    expect(follower.gaps).toEqual(expected);
  }
  await follower.close();
});

test('a stream that is deleted and written again in one step while it is followed', async () => {
  const sid = freshSid();
  const follower = await pull(sid, 'gaps=1&block=0');
  await add(sid, '1-0', '2-0');
  await follower.until(() => follower.entries.length === 2);
  await redis.client
    .multi()
    .xadd(keyOf(sid), '3-0', 'd', stampedFrame('w', 3))
    .del(keyOf(sid))
    .xadd(keyOf(sid), '4-0', 'd', stampedFrame('w', 4))
    .exec();
  await follower.until(() => follower.entries.length === 3);
  expect(follower.gaps).toEqual([gap(sid, 2, '2-0', '4-0', 'trimmed')]);
  await add(sid, '5-0');
  await follower.until(() => follower.entries.length === 4);
  expect(follower.gaps).toHaveLength(1);
  await follower.close();
});

test('an entry that is deleted in the step that adds it', async () => {
  const sid = freshSid();
  const follower = await pull(sid, 'gaps=1&block=0');
  await add(sid, '1-0');
  await follower.until(() => follower.entries.length === 1);
  await redis.client
    .multi()
    .xadd(keyOf(sid), '2-0', 'd', stampedFrame('w', 2))
    .xdel(keyOf(sid), '2-0')
    .xadd(keyOf(sid), '3-0', 'd', stampedFrame('w', 3))
    .exec();
  await follower.until(() => follower.entries.length === 2);
  expect(follower.gaps).toEqual([gap(sid, 1, '1-0', '3-0', 'trimmed')]);
  await follower.close();
});

test('entries that are all deleted in the step that adds them end nothing, and are reported', async () => {
  const sid = freshSid();
  await add(sid, '1-0');
  const follower = await pull(sid, 'gaps=1&block=0');
  await add(sid, '2-0');
  await follower.until(() => follower.entries.length === 1);
  await redis.client
    .multi()
    .xadd(keyOf(sid), '3-0', 'd', stampedFrame('w', 3))
    .xdel(keyOf(sid), '3-0')
    .exec();
  await add(sid, '4-0');
  await follower.until(() => follower.entries.length === 2);
  expect(follower.gaps).toEqual([gap(sid, 1, '2-0', '4-0', 'trimmed')]);
  await follower.close();
});

test('entries that came and went while the gateway could not reach Redis are told', async () => {
  const proxy = await FaultProxy.start(redis);
  const cutOff = await startGatewayProcess({ REDIS_URL: proxy.url });
  try {
    const [sid, other] = [freshSid(), freshSid()];
    await add(sid, '1-0');
    const follower = await StreamFollower.open(cutOff, sid, 'gaps=1&block=0');
    const busy = await StreamFollower.open(cutOff, other, 'gaps=1&block=0');
    await add(sid, '2-0');
    await follower.until(() => follower.entries.length === 1);
    // The last that is read before the connection is lost.
    await add(other, '1-0');
    await busy.until(() => busy.entries.length === 1);
    proxy.isRefusing = true;
    proxy.cut();
    for (let ms = 3; ms <= 40; ms++) {
      await redis.client.xadd(keyOf(sid), 'MAXLEN', '=', 5, `${ms}-0`, 'd', stampedFrame('w', ms));
    }
    await add(other, '2-0');
    proxy.isRefusing = false;
    await Promise.all([
      follower.until(() => follower.entries.length === 6),
      busy.until(() => busy.entries.length === 2),
    ]);
    expect(follower.gaps).toEqual([gap(sid, 1, '2-0', '36-0', 'trimmed')]);
    expect(busy.gaps).toEqual([]);
    await Promise.all([follower.close(), busy.close()]);
  } finally {
    await cutOff.stop();
    await proxy.stop();
  }
});

test('a stream that holds few entries at a time, of which none is lost: nothing is told', async () => {
  for (const length of [1, 3]) {
    const sid = freshSid();
    await add(sid, '1-0');
    const follower = await pull(sid, 'gaps=1&block=0');
    for (let ms = 2; ms <= 30; ms++) {
      await redis.client.xadd(keyOf(sid), 'MAXLEN', '=', length, `${ms}-0`, 'd', stampedFrame('w', ms));
      await follower.until(() => follower.entries.length === ms - 1);
    }
    expect(follower.gaps).toEqual([]);
    // One more at once than it holds.
    const transaction = redis.client.multi();
    for (let ms = 31; ms <= 31 + length; ms++) {
      transaction.xadd(keyOf(sid), 'MAXLEN', '=', length, `${ms}-0`, 'd', stampedFrame('w', ms));
    }
    await transaction.exec();
    await follower.until(() => follower.entries.length === 29 + length);
    expect(follower.gaps).toEqual([gap(sid, 29, '30-0', '32-0', 'trimmed')]);
    await follower.close();
  }
});

describe('a stream that was deleted, and made anew', () => {
  test('is told before its new first entry, with latest too', async () => {
    const sid = freshSid();
    const followers = await Promise.all([
      ...FRAMINGS.map((framing) => pull(sid, 'gaps=1&block=0', framing)),
      pull(sid, 'gaps=1&latest=1&block=0'),
      pull(sid, 'block=0'),
    ]);
    await add(sid, '100-0');
    for (const follower of followers) await follower.until(() => follower.entries.length === 1);
    await remove(sid);
    await add(sid, '1-0');
    for (const follower of followers) await follower.until(() => follower.entries.length === 2);
    await add(sid, '2-0');
    for (const follower of followers) await follower.until(() => follower.entries.length === 3);
    const expected = [gap(sid, 1, '100-0', '1-0', 'deleted')];
    expect(followers.map(({ gaps }) => gaps)).toEqual([expected, expected, expected, expected, []]);
    await Promise.all(followers.map((follower) => follower.close()));
  });
});

describe('REST: x-gap', () => {
  const get = async (sids: string, query: string) => {
    const response = await fetch(`${gateway.http}/data/${sids}?${query}`);
    await response.arrayBuffer();
    return response.headers;
  };

  test('says what is gone since the cursor', async () => {
    const [cut, whole] = [await trimmedStream(), freshSid()];
    await add(whole, '2-0', '5-0');
    const headers = await get(`${cut}+${whole}`, 'gaps=1&last_entry_id=2-0');
    const gaps = [{ stream: cut, after: '2-0', resumed_at: '6-0', reason: 'trimmed' }];
    expect(JSON.parse(headers.get('x-gap')!)).toEqual(gaps);
    const next = await get(`${cut}+${whole}`, `gaps=1&last_entry_id=${headers.get('x-last-entry-id')}`);
    expect([next.get('x-gap'), next.get('x-last-entry-id')]).toEqual(['[]', '7-0+5-0']);
  });

  test('says nothing where nothing was lost, and is not there without gaps=1', async () => {
    const sid = await trimmedStream();
    for (const query of ['last_entry_id=0', 'last_entry_id=2', 'from=2-0', 'last_entry_id=2-0&latest=1']) {
      expect([query, (await get(sid, `gaps=1&${query}`)).get('x-gap')]).toEqual([query, '[]']);
    }
    expect((await get(sid, 'gaps=1&block=-1')).get('x-gap')).toBe('[]');
    expect((await get(sid, 'last_entry_id=2-0')).has('x-gap')).toBe(false);
  });

  test('names streams in any script', async () => {
    const sid = '流';
    await add(sid, '1-0', '2-0', '3-0');
    await redis.client.xtrim(keyOf(sid), 'MAXLEN', '=', 1);
    const headers = await get(encodeURIComponent(sid), 'gaps=1&last_entry_id=1-0');
    expect(JSON.parse(headers.get('x-gap')!)).toMatchObject([{ stream: sid, after: '1-0' }]);
  });

  test('tells a read that waits of a stream that is deleted meanwhile', async () => {
    const sid = freshSid();
    await add(sid, '100-0');
    const waiting = get(sid, 'gaps=1&block=20000');
    await vi.waitFor(async () => expect(await gateway.metric('waiting_reads')).toBeGreaterThan(0), {
      timeout: 15_000,
      interval: 50,
    });
    await remove(sid);
    await add(sid, '1-0');
    const gaps = [{ stream: sid, after: '100-0', resumed_at: '1-0', reason: 'deleted' }];
    expect(JSON.parse((await waiting).get('x-gap')!)).toEqual(gaps);
  });
});
