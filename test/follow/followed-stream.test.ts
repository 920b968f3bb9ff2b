/** One stream of a follower by itself: where its entries come from, and what is sent of them. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ReadSlots } from '../../src/follow/catch-up/read-slots.js';
import { FollowedStream, type FollowerStream, type FollowRequest } from '../../src/follow/followed-stream.js';
import { type FollowerCounters, followerCounters } from '../../src/follow/follower-context.js';
import { Hub } from '../../src/follow/live/hub.js';
import type { Run } from '../../src/follow/run.js';
import { EntryBatch } from '../../src/protocol/batch.js';
import { Failure } from '../../src/protocol/errors.js';
import { packBatches } from '../../src/redis/stream-reads.js';
import type { ReaderThread } from '../../src/threads/reader-thread.js';
import type { Threads } from '../../src/threads/threads.js';

const KEY = 'k';
const FIRST_BYTES = 256 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
const LINGER_MS = 2000;

type RangeTask = Parameters<Threads['range']>[0];

let hub: Hub;
let counters: FollowerCounters;
let reader: string[];
/** Reads that the pool was asked for. */
let asked: { readonly task: RangeTask; answer(ids: readonly string[], trimmed?: boolean): Promise<void> }[];
let fail: (failure: Failure) => void;
let slots: ReadSlots;
let ready: number;
let failures: Failure[];
let streams: FollowedStream[];

beforeEach(() => {
  [reader, asked, failures, streams] = [[], [], [], []];
  ready = 0;
  slots = new ReadSlots();
  counters = followerCounters();
  hub = new Hub();
  const note =
    (what: string) =>
    (...words: unknown[]) =>
      reader.push(`${what} ${words.join(' ')}`);
  hub.attach([
    { streams: 0, follow: note('follow'), unfollow: note('unfollow'), count: note('count') } as never,
  ] as unknown as ReaderThread[]);
});

afterEach(() => {
  for (const stream of streams) stream.close();
  hub.close();
  vi.useRealTimers();
});

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function batchOf(after: string, ids: readonly string[], trimmed = false, bytesEach = 1): EntryBatch {
  const payloads = ids.map(() => Buffer.alloc(bytesEach));
  const read = { key: KEY, after, trimmed, ids: [...ids], payloads, bytes: ids.length * bytesEach };
  return new EntryBatch(packBatches([read]).batches[0]!);
}

const threads = {
  recycle: () => {},
  range: (task: RangeTask) =>
    new Promise<EntryBatch[]>((resolve, reject) => {
      fail = reject;
      asked.push({
        task,
        answer: (ids, trimmed) => {
          resolve([batchOf(task.streams[0]!.after, ids, trimmed)]);
          return settle();
        },
      });
    }),
} as unknown as Threads;

interface Wanted extends Partial<FollowRequest>, Partial<FollowerStream> {
  readonly payer?: { take(streams: number): void; give(streams: number): void };
}

/** @param cursor where it begins @param tail where the stream ends, as the client was told */
function follow(cursor: string, tail: string, { payer, isResumed, ...more }: Wanted = {}): FollowedStream {
  const follower = {
    slots,
    onReady: () => void ready++,
    onFailed: (failure: Failure) => void failures.push(failure),
  };
  const stream = new FollowedStream(
    { hub, threads, counters, payer },
    follower,
    3,
    { key: KEY, cursor, tail, ...(isResumed !== undefined && { isResumed }) },
    { latest: false, until: undefined, share: undefined, gaps: false, ...more },
  );
  streams.push(stream);
  return stream;
}

/** The reader brings entries. */
const bring = (after: string, ids: readonly string[], trimmed = false) =>
  hub.onEntries(batchOf(after, ids, trimmed), true);

const lose = (last: string) => hub.onLost({ key: KEY, generation: 0, last, newest: undefined });

const idsOf = (run: Run | undefined) => run?.batch.ids.slice(run.from, run.to);

/** Sends the next message. @returns its ids */
function send(stream: FollowedStream, count = 1, limit?: string): readonly string[] | undefined {
  const run = stream.next(count, limit);
  if (run !== undefined) stream.sent(run);
  return idsOf(run);
}

describe('the hub', () => {
  test('counts the stream for its client', () => {
    const payer = { take: vi.fn(), give: vi.fn() };
    follow('1-0', '1-0', { payer });
    expect(payer.take.mock.calls).toEqual([[1]]);
  });

  test.each([
    ['wants to know of them', { gaps: true }, [`follow ${KEY} 1-0  false`, `count ${KEY} true`]],
    ['does not', {}, [`follow ${KEY} 1-0  false`]],
    ['skips entries', { gaps: true, latest: true }, [`follow ${KEY} 1-0  false`]],
  ])('looks for losses where the client %s', (_, wanted, told) => {
    follow('1-0', '1-0', wanted);
    expect(reader).toEqual(told);
  });

  test.each([
    ['2-0', 0],
    ['3-0', 0],
    ['3-1', 1],
  ])('counts a cursor of %s ahead of the end 3-0: %i', (cursor, ahead) => {
    follow(cursor, '3-0');
    expect(hub.resets.ahead).toBe(ahead);
  });

  test('says that there are entries, and that the stream is another, or is none', () => {
    follow('1-0', '1-0');
    bring('1-0', ['2-0']);
    expect(ready).toBe(1);
    lose('0-0');
    expect(ready).toBe(2);
    const failure = new Failure('wrong_type', 'no stream');
    hub.onEvicted(KEY, failure);
    expect(failures).toEqual([failure]);
  });

  test('is left once the stream is closed, which says nothing any more', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const stream = follow('0-0', '1-0');
    stream.next(1);
    stream.close();
    bring('1-0', ['2-0']);
    await asked[0]!.answer(['1-0']);
    expect([ready, hub.followers(KEY), slots.used]).toEqual([0, 0, 0]);
    vi.advanceTimersByTime(LINGER_MS);
    expect(hub.size).toBe(0);
  });
});

describe('what Redis holds already', () => {
  test('is read first, then the hub goes on', async () => {
    const stream = follow('0-0', '3-0');
    bring('3-0', ['4-0']);
    expect(send(stream)).toBeUndefined();
    await asked[0]!.answer(['1-0', '3-0']);
    expect([send(stream, 2), send(stream), send(stream)]).toEqual([['1-0', '3-0'], ['4-0'], undefined]);
    expect(asked).toHaveLength(1);
  });

  test('cannot be read: the follower ends', async () => {
    const stream = follow('0-0', '3-0');
    stream.next(1);
    const failure = new Failure('wrong_type', 'no stream');
    fail(failure);
    await settle();
    expect(failures).toEqual([failure]);
  });

  test('is still to come until it was sent, and the client counts as catching up', async () => {
    const stream = follow('0-0', '3-0');
    const state = () => [stream.isBehind, stream.isCatchingUp, stream.isPending, stream.heldBytes];
    expect(state()).toEqual([false, false, false, 0]);
    stream.next(1);
    expect(state()).toEqual([true, true, true, 0]);
    await asked[0]!.answer(['1-0', '3-0']);
    expect(state()).toEqual([false, true, false, 2]);
    expect([send(stream, 2), send(stream)]).toEqual([['1-0', '3-0'], undefined]);
    expect(state()).toEqual([false, false, false, 0]);
  });

  test('is still to come where the hub has not read all that there was at the request', () => {
    const first = follow('3-0', '3-0');
    const second = follow('5-0', '5-0');
    expect([first.isBehind, second.isBehind]).toEqual([false, true]);
    bring('3-0', ['4-0']);
    expect(second.isBehind).toBe(true);
    bring('4-0', ['5-0']);
    expect(second.isBehind).toBe(false);
    bring('5-0', ['6-0']);
    expect(second.isBehind).toBe(false);
  });

  test('is let go where the client does not take it, and read again in smaller parts', async () => {
    const stream = follow('0-0', '9-0');
    expect(stream.giveUp()).toBe(false);
    stream.next(1);
    expect(asked[0]!.task.maxBytes).toBe(FIRST_BYTES);
    await asked.shift()!.answer(['1-0', '2-0']);
    expect([stream.giveUp(), stream.heldBytes]).toEqual([true, 0]);
    expect(stream.next(1)).toBeUndefined();
    expect([asked[0]!.task.maxBytes, asked[0]!.task.streams]).toEqual([
      FIRST_BYTES / 2,
      [{ key: KEY, after: '0-0' }],
    ]);
  });

  test('is let go for a while, and read again as before', async () => {
    const stream = follow('0-0', '9-0');
    stream.next(1);
    await asked.shift()!.answer(['1-0', '2-0']);
    stream.letGo();
    expect(stream.heldBytes).toBe(0);
    stream.next(1);
    expect(asked[0]!.task.maxBytes).toBe(FIRST_BYTES);
  });
});

test('a stream that is another one while it is read is read no more, and leaves its place to others', async () => {
  const stream = follow('0-0', '3-0');
  stream.next(1);
  expect(slots.used).toBe(1);
  lose('0-0');
  await asked[0]!.answer(['1-0']);
  expect([slots.used, send(stream)]).toEqual([0, undefined]);
});

describe('a message', () => {
  test('has as many entries as it may, or as there are in a batch', () => {
    const stream = follow('1-0', '1-0');
    bring('1-0', ['2-0', '3-0', '4-0']);
    bring('4-0', ['5-0']);
    expect([send(stream, 2), send(stream, 2), send(stream, 2), send(stream, 2)]).toEqual([
      ['2-0', '3-0'],
      ['4-0'],
      ['5-0'],
      undefined,
    ]);
    expect(counters).toMatchObject({ entries: 4, skipped: 0, trimmed: 0 });
  });

  test('may be several small ones, whole, unless there is a limit', () => {
    const stream = follow('1-0', '1-0');
    bring('1-0', ['2-0', '3-0', '4-0', '5-0', '6-0']);
    expect(idsOf(stream.next(2, undefined, 2))).toEqual(['2-0', '3-0', '4-0', '5-0']);
    expect(idsOf(stream.next(2, undefined, 9))).toHaveLength(5);
    expect(idsOf(stream.next(2, '9-0', 9))).toEqual(['2-0', '3-0']);
    expect(stream.next(2)).toMatchObject({ index: 3, from: 0, to: 2 });
  });

  test('goes up to the limit', () => {
    const stream = follow('1-0', '1-0');
    bring('1-0', ['2-0', '3-0', '4-0']);
    expect([send(stream, 9, '1-9'), send(stream, 9, '3-0'), send(stream, 9, '3-5')]).toEqual([
      undefined,
      ['2-0', '3-0'],
      undefined,
    ]);
    expect(send(stream, 9, '4-0')).toEqual(['4-0']);
  });

  test('is the others’ too where they are about to be sent the same', () => {
    const [stream, other] = [follow('1-0', '1-0'), follow('1-0', '1-0')];
    const isShared = (count: number, limit?: string) => stream.next(count, limit)?.isShared;
    bring('1-0', ['2-0', '3-0', '4-0']);
    expect([isShared(2), isShared(9), isShared(2, '2-0'), isShared(2, '3-0')]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    bring('4-0', ['5-0']);
    expect(isShared(2)).toBe(false);
    send(stream, 9);
    expect(isShared(1)).toBe(true);
    other.close();
    expect(isShared(1)).toBe(false);
  });

  test('says what was lost before it, which is counted once if it was trimmed', () => {
    const stream = follow('1-0', '1-0');
    bring('1-0', ['2-0']);
    send(stream);
    bring('2-0', ['5-0', '6-0'], true);
    const run = stream.next(1)!;
    expect(run.gap).toEqual({ after: '2-0', resumedAt: '5-0', reason: 'trimmed' });
    stream.sent(run);
    const next = stream.next(1)!;
    expect([next.gap, counters.trimmed]).toEqual([undefined, 1]);
    stream.sent(next);
    lose('0-0');
    bring('0-0', ['1-0', '2-0']);
    const after = stream.next(1)!;
    expect(after.gap).toEqual({ after: '6-0', resumedAt: '1-0', reason: 'deleted' });
    stream.sent(after);
    expect([stream.next(1)!.gap, counters.trimmed]).toEqual([undefined, 1]);
  });
});

describe('the newest entry alone', () => {
  test('is sent, and what was skipped is counted', () => {
    follow('1-0', '1-0');
    bring('1-0', ['2-0', '3-0', '4-0']);
    const stream = follow('4-0', '4-0', { latest: true });
    expect(stream.next(9)).toBeUndefined();
    bring('4-0', ['5-0', '6-0']);
    bring('6-0', ['7-0']);
    expect([send(stream, 9), counters.skipped, send(stream)]).toEqual([['7-0'], 2, undefined]);
    bring('7-0', ['8-0']);
    expect([send(stream), counters.skipped]).toEqual([['8-0'], 2]);
  });

  test('of a stream that is another one now skips nothing of the old one', () => {
    const stream = follow('4-0', '4-0', { latest: true });
    bring('4-0', ['5-0', '6-0', '7-0']);
    lose('0-0');
    bring('0-0', ['1-0']);
    const run = stream.next(1)!;
    expect([idsOf(run), run.gap]).toEqual([['1-0'], { after: '4-0', resumedAt: '1-0', reason: 'deleted' }]);
    stream.sent(run);
    expect(counters.skipped).toBe(0);
  });

  test('is nobody’s but its own client’s where that is the only one', () => {
    const stream = follow('1-0', '1-0', { latest: true });
    bring('1-0', ['2-0']);
    expect(stream.next(1)!.isShared).toBe(false);
    follow('2-0', '2-0');
    expect(stream.next(1)!.isShared).toBe(true);
  });

  test('that was stored before is read, and not counted as skipping', async () => {
    const stream = follow('0-0', '3-0', { latest: true });
    stream.next(1);
    expect(asked[0]!.task).toMatchObject({ latest: true, streams: [{ key: KEY, after: '0-0' }] });
    await asked[0]!.answer(['3-0']);
    expect([send(stream), counters.skipped, counters.entries]).toEqual([['3-0'], 0, 1]);
  });

  test('up to an id is looked for in Redis once the hub is past that', async () => {
    const stream = follow('1-0', '1-0', { latest: true, until: '3-0' });
    bring('1-0', ['2-0', '3-0']);
    expect(send(stream, 1, '3-0')).toEqual(['3-0']);
    expect(asked).toEqual([]);
    bring('3-0', ['4-0']);
    expect(stream.next(1, '3-0')).toBeUndefined();
    expect(asked[0]!.task).toMatchObject({
      latest: true,
      until: '3-0',
      streams: [{ key: KEY, after: '3-0' }],
    });
    await asked[0]!.answer([]);
    expect(stream.isFinished).toBe(true);
  });
});

describe('no entry after an id', () => {
  test('is sent, and then all is', () => {
    const stream = follow('1-0', '1-0', { until: '3-0' });
    bring('1-0', ['2-0', '3-0', '4-0']);
    expect([send(stream), send(stream), stream.isFinished]).toEqual([['2-0'], ['3-0'], false]);
    expect([send(stream), stream.isFinished]).toEqual([undefined, true]);
  });

  test('may come once its time is over: Redis is asked for the rest', async () => {
    const stream = follow('1-0', '1-0', { until: '3-0' });
    bring('1-0', ['2-0']);
    stream.passUntil();
    stream.next(1);
    expect(asked[0]!.task).toMatchObject({ until: '3-0', streams: [{ key: KEY, after: '1-0' }] });
    await asked[0]!.answer(['2-0']);
    expect(send(stream)).toEqual(['2-0']);
    stream.next(1);
    await asked.at(-1)!.answer([]);
    expect(stream.isFinished).toBe(true);
  });

  test('what is held stays where Redis is read already', async () => {
    const stream = follow('0-0', '9-0', { until: '3-0' });
    stream.next(1);
    await asked[0]!.answer(['1-0']);
    stream.passUntil();
    expect([stream.heldBytes, send(stream)]).toEqual([1, ['1-0']]);
    expect(asked.map(({ task }) => task.streams[0]!.after)).toEqual(['0-0', '1-0']);
  });

  test('nor from the hub once the stream is another one then', () => {
    const stream = follow('1-0', '1-0', { until: '3-0' });
    stream.passUntil();
    stream.next(1);
    lose('0-0');
    stream.next(1);
    expect(asked.map(({ task }) => task.streams[0]!.after)).toEqual(['1-0', '0-0']);
  });
});

describe('in a replay', () => {
  const SHARE = 1000;

  test('what comes next is looked up, and stays the same until it was sent or has gone', () => {
    const stream = follow('1-0', '1-0', { share: SHARE });
    expect(stream.peek()).toBeUndefined();
    bring('1-0', ['2-0', '3-0']);
    expect([stream.peek(), stream.peek()]).toEqual(['2-0', '2-0']);
    expect([send(stream), stream.peek()]).toEqual([['2-0'], '3-0']);
    lose('0-0');
    expect(stream.peek()).toBeUndefined();
    bring('0-0', ['1-0']);
    expect(stream.peek()).toBe('1-0');
    // The clock has not come there.
    expect([send(stream, 1, '0-5'), stream.peek()]).toEqual([undefined, '1-0']);
  });

  test('that has gone is not what comes next', async () => {
    const stream = follow('0-0', '9-0', { share: SHARE });
    stream.peek();
    await asked.shift()!.answer(['1-0']);
    expect(stream.peek()).toBe('1-0');
    stream.letGo();
    // It is read again.
    expect([send(stream), stream.peek()]).toEqual([undefined, undefined]);
    await asked.shift()!.answer(['2-0']);
    expect(stream.peek()).toBe('2-0');
  });

  test('little is held, and once it is over as much as else', async () => {
    const stream = follow('0-0', '9-0', { share: SHARE });
    stream.next(1);
    expect(asked[0]!.task.maxBytes).toBe(SHARE);
    await asked.shift()!.answer(['1-0', '2-0']);
    stream.endReplay();
    expect(stream.heldBytes).toBe(2);
    send(stream, 2);
    expect(asked[0]!.task.maxBytes).toBeGreaterThan(SHARE);
    expect(asked[0]!.task.maxBytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  test('of the newest entries what was held for it is not the newest once it is over', async () => {
    const stream = follow('0-0', '9-0', { share: SHARE, latest: true });
    stream.peek();
    await asked.shift()!.answer(['1-0', '2-0']);
    stream.endReplay();
    expect(stream.heldBytes).toBe(0);
  });
});

test('a stream that the hub has gone far beyond is read from Redis for a while', async () => {
  const stream = follow('1-0', '1-0');
  bring('1-0', ['2-0']);
  expect(send(stream)).toEqual(['2-0']);
  const large = batchOf('2-0', ['3-0'], false, 9 * 1024 * 1024);
  hub.onEntries(large, true);
  hub.onEntries(batchOf('3-0', ['4-0']), true);
  expect(stream.next(1)).toBeUndefined();
  expect(asked[0]!.task.streams).toEqual([{ key: KEY, after: '2-0' }]);
  await asked[0]!.answer(['3-0']);
  expect([send(stream), send(stream)]).toEqual([['3-0'], ['4-0']]);
});
