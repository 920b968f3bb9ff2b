/** Ranges read in advance. The thread's part runs in this one, on a Redis of its own; the port is a real one. */
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { isFull, RangePort, type RangeSize } from '../../../src/follow/catch-up/range-port.js';
import { RangeSequence } from '../../../src/follow/catch-up/range-sequence.js';
import { ReadWindow } from '../../../src/follow/catch-up/read-window.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { ServerReads } from '../../../src/redis/key-reads.js';
import { type Proof, RangeReader } from '../../../src/redis/range-reader.js';
import { parseRedisUrl } from '../../../src/redis/target.js';
import type { Threads } from '../../../src/threads/threads.js';
import { RangeServer } from '../../../workers/range-server.js';
import { redisForTest } from '../../support/for-test.js';
import { costOf } from '../../support/redis-cost.js';
import type { TestRedis } from '../../support/redis-server.js';

const KEY = 'default:x';
const BYTES = 100;
/** So many ranges at most are read at a time, of all ports. */
const AT_ONCE = 4;

async function newThreads(redis: TestRedis) {
  const connection = new ServerReads(parseRedisUrl(redis.url), 'pool');
  onTestFinished(() => connection.close());
  const reader = new RangeReader(connection);
  const server = new RangeServer(reader);
  const ports: MessagePort[] = [];
  const threads: Pick<Threads, 'range' | 'serveRanges' | 'watched' | 'takeSpare' | 'recycle'> = {
    range: async (task) => (await reader.read(task)).map((packed) => new EntryBatch(packed)),
    serveRanges: async (task) => {
      ports.push(task.port);
      server.serve({ type: 'ranges', ...task });
    },
    watched: (work) => work,
    takeSpare: () => undefined,
    recycle: () => {},
  };
  return { threads: threads as Threads, ports, reader };
}

/** Adds entries up to `last`-0, after those that there are. */
async function fill(redis: TestRedis, last: number, first = 1): Promise<void> {
  const pipeline = redis.client.pipeline();
  for (let id = first; id <= last; id++) pipeline.xadd(KEY, `${id}-0`, 'd', `${id}`.padEnd(BYTES));
  await pipeline.exec();
}

const sizeOf = (count: number): RangeSize => ({ count, maxBytes: 1_000_000, expectedBytes: BYTES });

function portOf(threads: Threads, size: RangeSize, after = '0-0', until?: string, proof: Proof = 'state') {
  const port = new RangePort(threads, { key: KEY, after, until, proof }, size);
  onTestFinished(() => port.close());
  return port;
}

/** Until Redis was asked for so many ranges. */
const untilRead = (redis: TestRedis, ranges: number) =>
  vi.waitFor(async () =>
    expect(await redis.client.info('commandstats')).toContain(`cmdstat_xrange:calls=${ranges},`),
  );

const numbersOf = (batch: EntryBatch | undefined) => batch?.ids.map((id) => Number.parseInt(id, 10));

describe('a port', () => {
  test('brings one range after the other, to the end', async () => {
    const redis = await redisForTest();
    await fill(redis, 10);
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(4));
    const expected = [
      [[1, 2, 3, 4], false],
      [[5, 6, 7, 8], false],
      [[9, 10], true],
      [[], true],
    ];
    for (const [numbers, isAtEnd] of expected) {
      expect(numbersOf(await port.next(sizeOf(4)))).toEqual(numbers);
      expect(port.isAtEnd).toBe(isAtEnd);
    }
    expect(port.after).toBe('10-0');
  });

  test('has the next range read before it is asked for, and none beyond', async () => {
    const redis = await redisForTest();
    await fill(redis, 100);
    const { threads } = await newThreads(redis);
    const { calls } = await costOf(redis.client, async () => {
      const port = portOf(threads, sizeOf(10));
      const first = await port.next(sizeOf(10));
      expect(numbersOf(first)).toHaveLength(10);
      await untilRead(redis, 2);
      await delay(50);
    });
    expect(calls.xrange).toBe(2);
  });

  test('judges each range by the size that was wished for it', async () => {
    const redis = await redisForTest();
    await fill(redis, 20);
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(2));
    for (const [following, numbers] of [
      [8, [1, 2]],
      [100, [3, 4, 5, 6, 7, 8, 9, 10]],
      [1, [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]],
    ] as const) {
      expect(numbersOf(await port.next(sizeOf(following)))).toEqual(numbers);
      expect(port.isAtEnd).toBe(numbers.length === 10);
    }
  });

  test('goes no further than until, and tells of what was trimmed', async () => {
    const redis = await redisForTest();
    await fill(redis, 20);
    await redis.client.xtrim(KEY, 'MAXLEN', 10);
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(4), '5-0', '16-0');
    const first = await port.next(sizeOf(4));
    expect([numbersOf(first), first!.trimmed]).toEqual([[11, 12, 13, 14], true]);
    const last = await port.next(sizeOf(4));
    expect([numbersOf(last), last!.trimmed]).toEqual([[15, 16], false]);
  });

  test('that only counts losses looks for none while its ranges follow one another soon', async () => {
    const redis = await redisForTest();
    await fill(redis, 20);
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => now.mockRestore());
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(4), '1-0', undefined, 'presence');
    await untilRead(redis, 1);
    // The next one is read at once, and the one after it a while later.
    const first = await port.next(sizeOf(4));
    await untilRead(redis, 2);
    await redis.client.xtrim(KEY, 'MAXLEN', 5);
    now.mockReturnValue(1000);
    const second = await port.next(sizeOf(4));
    const third = await port.next(sizeOf(4));
    expect([numbersOf(first), first!.trimmed]).toEqual([[2, 3, 4, 5], false]);
    expect([numbersOf(second), second!.trimmed]).toEqual([[6, 7, 8, 9], false]);
    expect([numbersOf(third), third!.trimmed]).toEqual([[16, 17, 18, 19], true]);
  });

  test('that only counts losses does not have the entry before each range read again', async () => {
    const redis = await redisForTest();
    for (let id = 1; id <= 8; id++) await redis.client.xadd(KEY, `${id}-0`, 'd', Buffer.alloc(10_000));
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => now.mockRestore());
    const { threads } = await newThreads(redis);
    const { bytes, calls } = await costOf(redis.client, async () => {
      const size = { ...sizeOf(2), expectedBytes: 10_000 };
      const port = portOf(threads, size, '2-0', undefined, 'presence');
      for (const numbers of [
        [3, 4],
        [5, 6],
      ])
        expect(numbersOf(await port.next(size))).toEqual(numbers);
      await untilRead(redis, 3);
    });
    expect(Math.round(bytes / 10_000)).toBe(6);
    expect(calls).toEqual({ xrange: 3 });
  });

  test('that is closed gives up what is asked for, and reads no more', async () => {
    const redis = await redisForTest();
    await fill(redis, 100);
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(10));
    await port.next(sizeOf(10));
    const next = port.next(sizeOf(10));
    port.close();
    // It may have come before, and what is under way then is read to its end.
    expect([undefined, 11]).toContain(numbersOf(await next)?.[0]);
    await delay(50);
    const { calls } = await costOf(redis.client, () => delay(50));
    expect(calls.xrange).toBeUndefined();
  });

  test('fails where Redis does', async () => {
    const redis = await redisForTest();
    await redis.client.set(KEY, 'no stream');
    const { threads } = await newThreads(redis);
    const port = portOf(threads, sizeOf(10));
    for (let time = 0; time < 2; time++) {
      await expect(port.next(sizeOf(10))).rejects.toMatchObject({ code: 'wrong_type' });
    }
  });

  test('fails where its thread ends', async () => {
    const redis = await redisForTest();
    await fill(redis, 1);
    const { threads, ports } = await newThreads(redis);
    const port = portOf(threads, sizeOf(10));
    await port.next(sizeOf(10));
    ports[0]!.close();
    await port.next(sizeOf(10)).then(
      (batch) => expect(numbersOf(batch)).toEqual([]),
      () => {},
    );
    await expect(port.next(sizeOf(10))).rejects.toMatchObject({ code: 'internal' });
  });
});

test('a thread reads for few ports at a time, and for all of them in turn', async () => {
  const redis = await redisForTest();
  await fill(redis, 40);
  const { threads, reader } = await newThreads(redis);
  let reading = 0;
  let most = 0;
  const read = reader.read.bind(reader);
  reader.read = async (request) => {
    most = Math.max(most, ++reading);
    try {
      return await read(request);
    } finally {
      reading--;
    }
  };
  const ports = Array.from({ length: 20 }, () => portOf(threads, sizeOf(10)));
  for (let from = 1; from <= 31; from += 10) {
    const batches = await Promise.all(ports.map((port) => port.next(sizeOf(10))));
    for (const batch of batches) expect(numbersOf(batch)![0]).toBe(from);
  }
  expect(most).toBe(AT_ONCE);
});

describe('a sequence of ranges', () => {
  const FIRST_BYTES = 256 * 1024;

  async function newSequence(redis: TestRedis, entryBytes = BYTES) {
    const { threads, ports } = await newThreads(redis);
    const window = new ReadWindow(undefined);
    const ranges = new RangeSequence(threads, KEY, window, 'state');
    onTestFinished(() => ranges.close());
    const read = (after: string) =>
      ranges.read({ after, until: undefined, latest: false, proof: 'none', entryBytes });
    return { ranges, window, read, ports };
  }

  /** Entries of whole ranges, and of nothing more. */
  const FULL = Math.ceil(FIRST_BYTES / BYTES);

  test('does not take what was not there in advance for what is not there', async () => {
    const redis = await redisForTest();
    await fill(redis, FULL);
    const { read, ports } = await newSequence(redis);
    const first = await read('0-0');
    expect(first).toHaveLength(FULL);
    // What follows is being read, and there is nothing yet.
    await untilRead(redis, 2);
    await fill(redis, FULL + 5, FULL + 1);
    const second = await read(first!.lastId);
    expect(numbersOf(second)).toEqual([1, 2, 3, 4, 5].map((index) => FULL + index));
    expect(ports).toHaveLength(1);
  });

  test('has ranges of large entries read in advance too, which end a little beyond their size', async () => {
    const LARGE = 300_000;
    const redis = await redisForTest();
    for (let id = 1; id <= 60; id++) await redis.client.xadd(KEY, `${id}-0`, 'd', Buffer.alloc(LARGE));
    const { read, ports, window } = await newSequence(redis, LARGE);
    let largest = 0;
    for (let after = '0-0'; after !== '60-0'; ) {
      const batch = await read(after);
      expect(batch!.after).toBe(after);
      after = batch!.lastId;
      largest = Math.max(largest, batch!.bytes.length);
      // Its client takes all of it.
      window.grow();
    }
    // As much as is ever read at once, and the rest of the entry that was begun.
    expect(largest).toBe(Math.ceil((4 * 1024 * 1024) / LARGE) * LARGE);
    expect(ports).toHaveLength(1);
  });

  test('does not have entries read in advance of which a few are more than all that is read at once', async () => {
    const LARGE = 9 * 1024 * 1024;
    const redis = await redisForTest();
    for (let id = 1; id <= 3; id++) await redis.client.xadd(KEY, `${id}-0`, 'd', Buffer.alloc(LARGE));
    const { read, ports } = await newSequence(redis, LARGE);
    expect(numbersOf(await read('0-0'))).toEqual([1]);
    expect(numbersOf(await read('1-0'))).toEqual([2]);
    expect(ports).toEqual([]);
  });

  test('that was let go reads where it is asked to', async () => {
    const redis = await redisForTest();
    await fill(redis, 3 * FULL);
    const { read, ranges } = await newSequence(redis);
    await read('0-0');
    ranges.letGo();
    expect(numbersOf(await read('10-0'))![0]).toBe(11);
    expect(numbersOf(await read('5-0'))![0]).toBe(6);
  });
});

test.each([
  [1, 100, true],
  [2, 100, false],
  [2, 50, true],
])('of at most %i entries and %i bytes, one entry of 50 is all: %s', (count, maxBytes, expected) => {
  const batch = new EntryBatch({
    key: KEY,
    after: '0-0',
    ids: '1-0',
    ends: Uint32Array.of(50),
    buffer: new ArrayBuffer(50),
    offset: 0,
    trimmed: false,
  });
  expect(isFull(batch, { count, maxBytes, expectedBytes: 1 })).toBe(expected);
});
