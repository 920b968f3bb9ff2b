/** Every entry after a follower's cursor, in order, each once: while many write, at any pace, of any size. */
import { randomInt } from 'node:crypto';
import { Packr } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { type Stored, storedEntries } from '../support/stored-entries.js';
import { type Framing, StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const MIB = 1024 * 1024;
const seqOf = (stamp: string) => Number(stamp.split('#')[1]);

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '1000000' });

/** What a follower got of each stream; raw frames have no ids. */
function told(follower: StreamFollower, sid: string, stored: readonly Stored[]): string[] {
  return follower.entries
    .filter((entry) => entry.sid === sid || entry.sid === undefined)
    .map(({ id, stamp }, index) => `${id ?? stored[index]?.id} ${stamp}`);
}

const held = (stored: readonly Stored[]) => stored.map(({ id, stamp }) => `${id} ${stamp}`);

/** Each writer's frames of a stream in the order in which it sent them. */
function expectWritersInOrder(stored: readonly Stored[]): void {
  const last = new Map<string, number>();
  for (const { stamp } of stored) {
    const [writer, seq] = stamp.split('#') as [string, string];
    expect(Number(seq)).toBeGreaterThan(last.get(writer) ?? -1);
    last.set(writer, Number(seq));
  }
}

describe('while eight producers write', () => {
  const sids = ['busy-a', 'busy-b'];
  const frames = 100;
  const followers: { name: string; sids: string[]; follower: StreamFollower }[] = [];
  const stored = new Map<string, Stored[]>();

  beforeAll(async () => {
    const writers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => StreamWriter.open(gateway, '', `w${index}`)),
    );
    // Of all sizes, 24 MB in all: more than the system's buffers hold for a client that does not read.
    const sizes = [0, 100, 3000, 15_000, 17_000, 60_000, 70_000, 300_000];
    const total = writers.length * frames;
    const waiting: { acks: number; resolve: () => void }[] = [];
    let acked = 0;
    const write = async (writer: StreamWriter, lane: number) => {
      const { outcome } = await writer.send(sizes[(lane + acked) % sizes.length]! / 2, sids[acked % 2]);
      expect(outcome).toMatch(/^\d+-\d+$/);
      acked++;
      for (const { acks, resolve } of waiting) if (acked >= acks) resolve();
    };
    /** Resolves once that share of all frames was written. */
    const at = (share: number) => {
      const acks = Math.floor(total * share);
      if (acked >= acks) return Promise.resolve();
      return new Promise<void>((resolve) => waiting.push({ acks, resolve }));
    };

    const join = async (name: string, of: string[], query: string, framing: Framing, isSlow: boolean) => {
      const follower = await StreamFollower.open(gateway, of.join('+'), `last_entry_id=0&${query}`, framing);
      followers.push({ name: `${name}${isSlow ? ', slow' : ''}`, sids: of, follower });
      if (!isSlow) return;
      // Reads a little, then nothing while the writers go on, again and again.
      for (const share of [0.55, 0.7, 0.85]) {
        const resumed = at(share);
        follower.pause();
        await resumed;
        follower.resume();
        const before = follower.entries.length;
        await follower.until(() => follower.entries.length > before);
      }
    };
    const joining = [false, true].flatMap((isSlow) => [
      at(0.2).then(() => join('header=1, count=1', [sids[0]!], '', '1', isSlow)),
      at(0.25).then(() => join('header=1, count=100', [sids[0]!], 'count=100', '1', isSlow)),
      at(0.3).then(() => join('header=0', [sids[0]!], '', '0', isSlow)),
      at(0.35).then(() => join('header=msgpack, count=1', [sids[0]!], '', 'msgpack', isSlow)),
      at(0.4).then(() => join('header=msgpack, count=100', [sids[0]!], 'count=100', 'msgpack', isSlow)),
      at(0.45).then(() => join('two streams, count=1', sids, '', '1', isSlow)),
      at(0.5).then(() => join('two streams, count=100', sids, 'count=100', '1', isSlow)),
    ]);
    await Promise.all([
      ...joining,
      ...writers.map(async (writer, index) => {
        const lane = async () => {
          while (writer.sent.length < frames) await write(writer, index);
        };
        await Promise.all([lane(), lane(), lane(), lane()]);
      }),
    ]);
    for (const sid of sids) stored.set(sid, await storedEntries(redis.client, `default:${sid}`));
    await Promise.all(writers.map((writer) => writer.close()));
  });

  test('what was acknowledged is stored, in the order sent', () => {
    const all = [...stored.values()].flat();
    expect(new Set(all.map(({ stamp }) => stamp)).size).toBe(all.length);
    expect(all.length).toBe(8 * frames);
    for (const entries of stored.values()) expectWritersInOrder(entries);
  });

  test.each(
    [false, true].flatMap((isSlow) =>
      [
        'header=1, count=1',
        'header=1, count=100',
        'header=0',
        'header=msgpack, count=1',
        'header=msgpack, count=100',
        'two streams, count=1',
        'two streams, count=100',
      ].map((name) => `${name}${isSlow ? ', slow' : ''}`),
    ),
  )('a follower that joins sees every entry once and in order: %s', async (wanted) => {
    const { follower, sids: of } = followers.find(({ name }) => name === wanted)!;
    const expected = of.reduce((sum, sid) => sum + stored.get(sid)!.length, 0);
    await follower.until(() => follower.entries.length >= expected);
    await follower.close();
    for (const sid of of) expect(told(follower, sid, stored.get(sid)!)).toEqual(held(stored.get(sid)!));
    expect(follower.entries.length).toBe(expected);
  });
});

test('fifty followers that come and go with cursors of all kinds miss nothing in between', async () => {
  const sids = ['churn-a', 'churn-b', 'churn-c'];
  const writers = await Promise.all(sids.map((sid) => StreamWriter.open(gateway, sid, `to-${sid}`)));
  let isDone = false;
  const writing = writers.map((writer) =>
    writer.sendWhile(
      () => !isDone,
      (seq) => [20, 500, 20_000][seq % 3]!,
      4,
    ),
  );
  const sessions: { follower: StreamFollower; cursors: string[]; sids: string[]; sentBy: number[] }[] = [];
  const attend = async () => {
    for (let round = 0; round < 4; round++) {
      const of = randomInt(4) === 0 ? [0, 1] : [randomInt(3)];
      const cursors = of.map((index) => {
        const { acked, sent } = writers[index]!;
        if (acked === 0) return '$';
        const known = sent[randomInt(acked)]!.outcome as string;
        return ['0', '$', '$', known, known, known.split('-')[0]!][randomInt(6)]!;
      });
      const framing = (['1', 'msgpack'] as const)[randomInt(2)]!;
      const query = `last_entry_id=${cursors.join('+')}&count=${[1, 3, 100][randomInt(3)]}`;
      const path = of.map((index) => sids[index]).join('+');
      const follower = await StreamFollower.open(gateway, path, query, framing);
      const sentBy = of.map((index) => writers[index]!.sent.length);
      const enough = randomInt(1, 150);
      await follower.until(() => follower.entries.length >= enough);
      if (randomInt(2) === 0) follower.ws.terminate();
      else await follower.close();
      sessions.push({ follower, cursors, sids: of.map((index) => sids[index]!), sentBy });
    }
  };
  await Promise.all(Array.from({ length: 50 }, attend));
  isDone = true;
  await Promise.all(writing);

  const stored = await Promise.all(sids.map((sid) => storedEntries(redis.client, `default:${sid}`)));
  for (const session of sessions) {
    expect(session.follower.fault).toBeUndefined();
    session.sids.forEach((sid, index) => {
      const entries = stored[sids.indexOf(sid)]!;
      const cursor = session.cursors[index]!;
      const got = told(session.follower, sid, entries);
      if (got.length === 0) return;
      const first = entries.findIndex(({ id, stamp }) => `${id} ${stamp}` === got[0]);
      expect([cursor, got]).toEqual([cursor, held(entries).slice(first, first + got.length)]);
      if (cursor === '0') expect(first).toBe(0);
      else if (cursor === '$') {
        // All that was sent once it was open.
        expect(first).toBeLessThanOrEqual(
          entries.findIndex(({ stamp }) => stamp.endsWith(`#${session.sentBy[index]}`)),
        );
      } else {
        const id = cursor.includes('-') ? cursor : `${cursor}-0`;
        const exact = entries.findIndex((entry) => entry.id === id);
        if (exact >= 0) expect(first).toBe(exact + 1);
      }
    });
  }
  await Promise.all(writers.map((writer) => writer.close()));
});

describe('a frame over MAX_PAYLOAD_BYTES', () => {
  const limit = 100_000;
  let strict: GatewayProcess;

  beforeAll(async () => {
    strict = await startGatewayProcess({ REDIS_URL: redis.url, MAX_PAYLOAD_BYTES: String(limit) });
  });

  afterAll(async () => {
    await strict.stop();
  });

  test.each([
    ['1', '[]'],
    ['0', undefined],
    ['msgpack', undefined],
  ])('by one byte is closed with 1009 and the reason, header=%s', async (framing, header) => {
    const sid = `limit-${framing}`;
    const socket = await TestSocket.open(`${strict.ws}/data/${sid}/push?ack=1&header=${framing}`);
    const send = (bytes: number) => {
      if (header !== undefined) socket.send(header);
      const payload = Buffer.alloc(bytes, 7);
      // The head of a MessagePack bin of 5 bytes counts too.
      if (framing === 'msgpack') socket.send(new Packr().pack(payload.subarray(5)));
      else socket.send(payload);
    };
    send(limit);
    expect(await socket.receiveJson()).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    send(limit + 1);
    expect(await socket.closed).toEqual({
      code: 1009,
      reason: `a frame of ${limit + 1} bytes is too large (MAX_PAYLOAD_BYTES=${limit})`,
    });
    expect(await redis.client.xlen(`default:${sid}`)).toBe(1);
  });
});

test('trimming overtakes a slow follower: it goes on with the oldest entry left, and that is counted', async () => {
  const trimming = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '20' });
  try {
    const sid = 'overtaken';
    const writer = await StreamWriter.open(trimming, sid, 'w');
    const follower = await StreamFollower.open(trimming, sid, 'block=0');
    await writer.send(MIB);
    await follower.until(() => follower.entries.length === 1);
    const before = await trimming.metric('followers_overtaken_total');
    follower.pause();
    // Twenty are more than the gateway keeps, and the rest far more than the system's buffers hold.
    while (writer.sent.length < 60) await writer.send(MIB);
    const left = await storedEntries(redis.client, `default:${sid}`);
    follower.resume();
    await follower.until(() => follower.entries.at(-1)!.stamp === left.at(-1)!.stamp);
    expect(follower.entries.length).toBeLessThan(writer.sent.length);
    expect(told(follower, sid, left).slice(-left.length)).toEqual(held(left));
    const seqs = follower.entries.map(({ stamp }) => Number(stamp.split('#')[1]));
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(await trimming.metric('followers_overtaken_total')).toBeGreaterThan(before);
    await Promise.all([writer.close(), follower.close()]);
  } finally {
    await trimming.stop();
  }
});

test('entries that were trimmed before a live reader came to read them are counted as lost', async () => {
  const before = await gateway.metric('followers_overtaken_total');
  const follower = await StreamFollower.open(gateway, 'outpaced', 'block=0');
  let written = 0;
  // A transaction is one step to the reader: it wakes when the stream holds its last twenty entries.
  const write = async (entries: number) => {
    const transaction = redis.client.multi();
    for (let index = 0; index < entries; index++) {
      const frame = stampedFrame('w', written++);
      transaction.xadd('default:outpaced', 'MAXLEN', '=', 20, '*', 'd', frame);
    }
    await transaction.exec();
    await follower.until(() => follower.entries.at(-1)?.stamp === `w#${written - 1}`);
  };
  for (let turn = 0; turn < 10; turn++) {
    await write(5);
    await write(50);
    await write(15);
  }
  const gaps = follower.entries.filter(
    ({ stamp }, index) => index > 0 && seqOf(stamp) !== seqOf(follower.entries[index - 1]!.stamp) + 1,
  );
  expect(gaps).toHaveLength(10);
  // Without `gaps=1` a stream is looked at when it is quiet, so that several losses may count once, and what was
  // found is told with the next entries.
  const count = async () => {
    await write(1);
    return gateway.metric('followers_overtaken_total');
  };
  await expect.poll(count, { timeout: 10_000, interval: 100 }).toBeGreaterThan(before);
  await follower.close();
  const counted = (await gateway.metric('followers_overtaken_total')) - before;
  expect(counted).toBeGreaterThan(0);
  expect(counted).toBeLessThanOrEqual(10);
});
