/** A follower's own reads by themselves: what is held when, how it goes on after failures, and where it ends. */
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CatchUpSource } from '../../../src/follow/catch-up/catch-up-source.js';
import { ReadSlots } from '../../../src/follow/catch-up/read-slots.js';
import { ReadWindow } from '../../../src/follow/catch-up/read-window.js';
import { HubStream } from '../../../src/follow/live/hub-stream.js';
import { Progress } from '../../../src/follow/progress.js';
import type { SourceListener } from '../../../src/follow/source.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { compareEntryIds } from '../../../src/protocol/entry-id.js';
import { Failure } from '../../../src/protocol/errors.js';
import { packBatches } from '../../../src/redis/stream-reads.js';
import type { Threads } from '../../../src/threads/threads.js';

const KEY = 'default:x';
const SLOTS = 4;

type RangeTask = Parameters<Threads['range']>[0];

/** Reads that the pool was asked for, to be answered by the test. */
interface Asked {
  readonly task: RangeTask;
  readonly after: string;
  answer(ids: readonly string[], trimmed?: boolean): Promise<void>;
  fail(failure: Failure): Promise<void>;
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function batchOf(after: string, ids: readonly string[], trimmed = false): EntryBatch {
  const payloads = ids.map((id) => Buffer.from(id));
  const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
  const read = { key: KEY, after, trimmed, ids: [...ids], payloads, bytes };
  return new EntryBatch(packBatches([read]).batches[0]!);
}

interface Wanted {
  readonly cursor?: string;
  readonly countsLosses?: boolean;
  readonly latest?: boolean;
  readonly until?: string;
  readonly share?: number;
}

/** @param tail up to here Redis has to be read; the hub holds what follows */
function newSource(tail = '10-0', slots = new ReadSlots(), wanted: Wanted = {}) {
  const { cursor = '0-0', countsLosses = false, latest = false, until, share } = wanted;
  const asked: Asked[] = [];
  const recycled: EntryBatch[] = [];
  const threads = {
    recycle: (batch: EntryBatch) => void recycled.push(batch),
    range: (task: RangeTask) =>
      new Promise<EntryBatch[]>((resolve, reject) => {
        const { after } = task.streams[0]!;
        asked.push({
          task,
          after,
          answer: (ids, trimmed) => {
            resolve([batchOf(after, ids, trimmed)]);
            return settle();
          },
          fail: (failure) => {
            reject(failure);
            return settle();
          },
        });
      }),
  } as unknown as Threads;
  const hub = new HubStream(KEY, tail);
  const progress = new Progress({ cursor, tail, isResumed: false, countsLosses, until });
  const listener = { onReady: vi.fn(), onFailed: vi.fn() } satisfies SourceListener;
  const window = new ReadWindow(share);
  const parts = { threads, hub, progress, window, slots, listener, countsLosses, latest };
  const source = new CatchUpSource(parts);
  onTestFinished(() => source.close());
  /** Sends up to so many entries. */
  const send = (count: number): string[] => {
    const batch = source.next();
    if (batch === undefined) return [];
    const ids = batch.ids.slice(source.entry, source.entry + count);
    progress.moveTo(ids.at(-1)!);
    source.consumed(source.entry + ids.length);
    return ids;
  };
  return { source, asked, hub, progress, listener, window, slots, send, recycled };
}

type Opened = ReturnType<typeof newSource>;

test('the next range is read once the client takes some of this one', async () => {
  const { source, asked, send } = newSource();
  expect(source.next()).toBeUndefined();
  await asked.shift()!.answer(['1-0', '2-0', '3-0']);
  expect(asked).toEqual([]);
  expect(send(1)).toEqual(['1-0']);
  expect(asked.map(({ after }) => after)).toEqual(['3-0']);
  await asked.shift()!.answer(['4-0']);
  expect([send(2), send(1)]).toEqual([['2-0', '3-0'], ['4-0']]);
});

test('it ends where the hub holds all that follows, and not before Redis was asked', async () => {
  const { source, asked, hub, send, progress } = newSource('5-0');
  source.next();
  await asked.shift()!.answer(['1-0', '5-0']);
  expect(send(2)).toEqual(['1-0', '5-0']);
  expect([source.next(), source.hasEnded, asked.length]).toEqual([undefined, true, 0]);

  const other = newSource('0-0');
  expect([other.source.next(), other.source.hasEnded]).toEqual([undefined, false]);
  await other.asked.shift()!.answer([]);
  expect([other.source.next(), other.source.hasEnded]).toEqual([undefined, true]);
  expect(compareEntryIds(progress.cursor, hub.startAfter)).toBe(0);
});

test('an id up to which nothing is left is passed over', async () => {
  const { source, asked, progress } = newSource('7-0');
  source.next();
  await asked.shift()!.answer([]);
  expect(progress.cursor).toBe('7-0');
  expect([source.next(), source.hasEnded]).toEqual([undefined, true]);
});

test('what was let go is read again from the cursor on, and what was asked for behind it is passed over', async () => {
  const { source, asked, send } = newSource();
  source.next();
  await asked.shift()!.answer(['1-0', '2-0', '3-0']);
  send(1);
  source.letGo();
  expect([source.held, send(1)]).toEqual([undefined, []]);
  await asked.shift()!.answer(['4-0']);
  expect(send(1)).toEqual([]);
  expect(asked.map(({ after }) => after)).toEqual(['1-0']);
  await asked.shift()!.answer(['2-0', '3-0']);
  expect(send(2)).toEqual(['2-0', '3-0']);
});

test('it asks again after a failure that may pass, and reports any other', async () => {
  const { source, asked, listener, send } = newSource();
  source.next();
  await asked.shift()!.fail(new Failure('redis_unavailable', 'away'));
  expect([source.next(), source.isPending, asked.length]).toEqual([undefined, true, 0]);
  await vi.waitFor(() => expect(listener.onReady).toHaveBeenCalled());
  source.next();
  await asked.shift()!.answer(['1-0']);
  expect(send(1)).toEqual(['1-0']);
  const failure = new Failure('wrong_type', 'no stream');
  await asked.shift()!.fail(failure);
  expect(listener.onFailed.mock.calls).toEqual([[failure]]);
});

test('a slot goes to the next in line: of one that has ended, and of one that was closed while it read', async () => {
  const slots = new ReadSlots();
  const sources = Array.from({ length: SLOTS + 3 }, () => newSource('1-0', slots));
  for (const { source } of sources) source.next();
  const [first, second, ...others] = sources as [Opened, Opened, ...Opened[]];
  const [waiting, left, last] = others.slice(-3) as [Opened, Opened, Opened];
  expect(sources.filter(({ asked }) => asked.length > 0)).toHaveLength(SLOTS);
  expect(sources.every(({ source }) => source.isPending)).toBe(true);

  await first.asked.shift()!.answer(['1-0']);
  first.send(1);
  expect(waiting.listener.onReady).not.toHaveBeenCalled();
  first.source.next();
  expect(waiting.listener.onReady).toHaveBeenCalledOnce();
  waiting.source.next();
  expect(waiting.asked).toHaveLength(1);

  left.source.close();
  second.source.close();
  expect(last.listener.onReady).not.toHaveBeenCalled();
  await second.asked.shift()!.answer(['1-0']);
  expect(second.listener.onReady).not.toHaveBeenCalled();
  expect(left.listener.onReady).not.toHaveBeenCalled();
  expect(last.listener.onReady).toHaveBeenCalledOnce();
});

describe('what Redis is asked', () => {
  test.each<[string, string, Wanted]>([
    ['none', 'the client had no entry yet', {}],
    ['presence', 'a loss is only counted', { cursor: '5-0' }],
    ['state', 'losses are reported', { cursor: '5-0', countsLosses: true }],
    ['none', 'what is skipped is no loss', { cursor: '5-0', latest: true }],
  ])('has the proof %s where %s', async (proof, _, wanted) => {
    const { source, asked, progress } = newSource('9-0', undefined, wanted);
    if (progress.cursor !== '0-0') progress.moveTo(progress.cursor);
    source.next();
    expect(asked[0]!.task).toMatchObject({ proof, latest: false, until: undefined });
  });

  test('goes to the last entry that is wanted', () => {
    const { source, asked } = newSource('9-0', undefined, { until: '7-0' });
    source.next();
    expect(asked[0]!.task.until).toBe('7-0');
  });

  test('is by the size of the entries that the hub has seen', () => {
    const { source, asked, hub } = newSource('1-0');
    hub.add(batchOf('1-0', ['2-0', '300-0']), true);
    source.next();
    expect(asked[0]!.task.expectedBytes).toBe(4);
  });

  test('is asked once at a time, and no more once all was sent', async () => {
    const { source, asked, progress } = newSource();
    expect([source.next(), source.next(), asked.length]).toEqual([undefined, undefined, 1]);
    await asked[0]!.answer(['1-0']);
    source.letGo();
    progress.finish();
    expect([source.next(), asked.length, source.isPending]).toEqual([undefined, 1, false]);
  });
});

describe('the range after the one that is sent', () => {
  test('is not read where the hub has what follows', async () => {
    const { asked, source, send } = newSource('3-0');
    source.next();
    await asked.shift()!.answer(['1-0', '3-0']);
    send(1);
    expect(asked).toEqual([]);
  });

  test('is read where the hub has it without a count of what was lost', async () => {
    const { asked, hub, source, send } = newSource('3-0', undefined, { countsLosses: true });
    hub.add(batchOf('3-0', ['4-0']), false);
    source.next();
    await asked.shift()!.answer(['1-0', '3-0']);
    send(1);
    expect(asked.map(({ after }) => after)).toEqual(['3-0']);
  });

  test('is read to the end once the time is over', async () => {
    const { asked, source, send, progress } = newSource('3-0', undefined, { until: '9-0' });
    progress.passUntil();
    source.next();
    await asked.shift()!.answer(['1-0', '3-0']);
    send(1);
    expect(asked.map(({ after }) => after)).toEqual(['3-0']);
    await asked.shift()!.answer([]);
    expect([send(1), progress.isFinished]).toEqual([['3-0'], false]);
    expect([source.next(), source.hasEnded]).toEqual([undefined, false]);
    expect(progress.isFinished).toBe(true);
  });

  test('is asked for once, with the first entry', async () => {
    const { asked, source, send } = newSource();
    source.next();
    await asked.shift()!.answer(['1-0', '2-0', '3-0']);
    send(1);
    await asked.shift()!.answer(['4-0']);
    send(1);
    expect(asked).toEqual([]);
  });

  test('is not read in a replay, where there is time', async () => {
    const { asked, source, send } = newSource('9-0', undefined, { share: 1000 });
    source.next();
    await asked.shift()!.answer(['1-0', '2-0']);
    send(1);
    expect(asked).toEqual([]);
  });

  test('comes when all of this one has left, whose memory is used again', async () => {
    const { asked, source, send, recycled, window } = newSource();
    source.next();
    await asked.shift()!.answer(['1-0', '2-0']);
    const first = source.held!;
    const size = window.size(false, 0).maxBytes;
    send(2);
    await asked.shift()!.answer(['3-0']);
    expect([recycled, source.held, window.size(false, 0).maxBytes]).toEqual([[], first, size]);
    expect(source.next()!.ids).toEqual(['3-0']);
    expect([recycled, window.size(false, 0).maxBytes]).toEqual([[first], 2 * size]);
  });
});

describe('an id up to which nothing is left', () => {
  test('is passed over with what was lost', async () => {
    const { source, asked, hub, progress } = newSource('7-0');
    source.next();
    await asked.shift()!.answer([], true);
    hub.add(batchOf('7-0', ['8-0']), true);
    expect(progress.cursor).toBe('7-0');
    expect(progress.gapBefore(hub.newest!, 0)).toEqual({ after: '0-0', resumedAt: '8-0', reason: 'trimmed' });
  });

  test('is not passed over where the cursor is there, or beyond', async () => {
    const { source, asked, progress } = newSource('7-0', undefined, { cursor: '7-0' });
    source.next();
    await asked.shift()!.answer([], true);
    expect(progress.gapBefore(batchOf('7-0', ['8-0']), 0)).toBeUndefined();
  });
});

describe('the newest entry', () => {
  const newest = (wanted: Wanted = {}, tail = '9-0') =>
    newSource(tail, undefined, { latest: true, ...wanted });

  test('is read alone', async () => {
    const { source, asked, send, progress } = newest();
    expect(source.newest(undefined)).toBeUndefined();
    expect(asked[0]!.task).toMatchObject({ latest: true, count: 1, until: undefined, proof: 'none' });
    await asked.shift()!.answer(['9-0']);
    expect([source.newest(undefined)!.ids, source.entry]).toEqual([['9-0'], 0]);
    progress.moveTo('9-0');
    source.consumed(1);
    // Nothing is read in advance of it.
    expect([asked.length, send(1)]).toEqual([0, []]);
    expect([source.newest(undefined), source.hasEnded]).toEqual([undefined, true]);
  });

  test('of the hub goes before', async () => {
    const { source, hub, asked, slots } = newest({ share: 1000 }, '1-0');
    source.newest(undefined);
    await asked.shift()!.answer(['1-0']);
    hub.add(batchOf('1-0', ['2-0']), true);
    expect(slots.used).toBe(1);
    expect([source.newest(undefined), source.hasEnded, slots.used]).toEqual([undefined, true, 0]);
  });

  test.each([
    ['beyond the limit', '1-5'],
    ['not beyond it', '2-0'],
  ])('of the hub that is %s', (_, limit) => {
    const { source, hub, asked } = newest({}, '1-0');
    hub.add(batchOf('1-0', ['2-0']), true);
    source.newest(limit);
    const isBeyond = limit === '1-5';
    expect([source.hasEnded, asked.length]).toEqual([!isBeyond, isBeyond ? 1 : 0]);
  });

  test('of the hub is no matter once the time is over, or where it was sent', () => {
    const over = newest({ until: '9-0' }, '1-0');
    over.hub.add(batchOf('1-0', ['2-0']), true);
    over.progress.passUntil();
    over.source.newest('9-0');
    expect([over.source.hasEnded, over.asked.length]).toEqual([false, 1]);
    const sent = newest({}, '1-0');
    sent.hub.add(batchOf('1-0', ['2-0']), true);
    sent.progress.moveTo('2-0');
    sent.source.newest(undefined);
    expect([sent.source.hasEnded, sent.asked.length]).toEqual([false, 1]);
  });

  test('that there is none of before the limit says nothing of what comes after', async () => {
    const { source, asked, progress } = newest();
    source.newest('5-0');
    expect(asked[0]!.task.until).toBe('5-0');
    await asked.shift()!.answer([]);
    expect(progress.cursor).toBe('0-0');
    source.newest(undefined);
    await asked.shift()!.answer([]);
    expect(progress.cursor).toBe('9-0');
  });

  test('up to the end that is wanted is the last once its time is over', async () => {
    const { source, asked, progress } = newest({ until: '5-0' });
    source.newest('5-0');
    await asked.shift()!.answer([]);
    // The hub has read further, and it was in none of that.
    expect([progress.cursor, progress.isFinished]).toEqual(['9-0', false]);

    const over = newest({ until: '5-0' });
    over.progress.passUntil();
    over.source.newest('4-0');
    await over.asked.shift()!.answer([]);
    expect(over.progress.isFinished).toBe(false);
    over.source.newest('5-0');
    await over.asked.shift()!.answer([]);
    expect(over.progress.isFinished).toBe(true);
  });

  describe('up to the limit of a replay', () => {
    async function hold(): Promise<ReturnType<typeof newest>> {
      const opened = newest({ share: 1000 });
      // What comes next, to know when that is due.
      opened.source.next();
      await opened.asked.shift()!.answer(['1-0', '3-0', '5-0']);
      return opened;
    }

    test('is the last of those that are held', async () => {
      const { source, asked } = await hold();
      expect([source.newest('4-0')!.ids[source.entry], asked.length]).toEqual(['3-0', 0]);
    });

    test('is none before the first', async () => {
      const { source, asked } = await hold();
      expect([source.newest('0-5'), asked.length]).toEqual([undefined, 0]);
      expect(source.held).toBeDefined();
    });

    test('is read where it may be behind what is held', async () => {
      const { source, asked } = await hold();
      expect([source.newest('5-0'), source.held]).toEqual([undefined, undefined]);
      expect(asked[0]!.task).toMatchObject({ latest: true, until: '5-0' });
    });

    test('is the last that is held where there is no limit', async () => {
      const { source } = await hold();
      expect(source.newest(undefined)!.ids[source.entry]).toBe('5-0');
    });
  });
});

describe('once it is closed', () => {
  test('nothing is asked again after a failure', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { source, asked, listener } = newSource();
    source.next();
    await asked.shift()!.fail(new Failure('internal', 'its thread has ended'));
    expect([source.isPending, listener.onFailed.mock.calls]).toEqual([true, []]);
    source.close();
    vi.advanceTimersByTime(1000);
    expect(listener.onReady).not.toHaveBeenCalled();
  });

  test('a failure is nobody’s matter, and its slot is free', async () => {
    const { source, asked, listener, slots } = newSource();
    source.next();
    source.close();
    expect(slots.used).toBe(1);
    await asked.shift()!.fail(new Failure('wrong_type', 'no stream'));
    expect([listener.onFailed.mock.calls, slots.used]).toEqual([[], 0]);
  });

  test('nothing is held', async () => {
    const { source, asked, slots } = newSource();
    source.next();
    await asked.shift()!.answer(['1-0']);
    expect([source.held?.ids, slots.used]).toEqual([['1-0'], 1]);
    source.close();
    expect([source.held, slots.used]).toEqual([undefined, 0]);
  });
});

test('a failure that may pass is tried again after a while', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { source, asked, listener } = newSource();
  source.next();
  await asked.shift()!.fail(new Failure('redis_unavailable', 'away'));
  vi.advanceTimersByTime(99);
  source.next();
  expect([asked.length, source.isPending, listener.onReady.mock.calls.length]).toEqual([0, true, 0]);
  vi.advanceTimersByTime(1);
  expect([source.isPending, listener.onReady.mock.calls.length]).toEqual([false, 1]);
});

test('in a replay what is held keeps no slot', async () => {
  const { source, asked, slots } = newSource('9-0', undefined, { share: 1000 });
  source.next();
  await asked.shift()!.answer(['1-0', '2-0']);
  expect(source.next()!.ids).toEqual(['1-0', '2-0']);
  expect(slots.used).toBe(0);
});

test('it goes on by itself after the thread that reads in advance has ended', async () => {
  const ports: MessagePort[] = [];
  const last = 30_000;
  const payload = Buffer.alloc(100);
  const range = async ({ streams, count, maxBytes }: RangeTask) => {
    const { after } = streams[0]!;
    const from = Number.parseInt(after, 10) + 1;
    const length = Math.min(count, Math.ceil(maxBytes / payload.length), last - from + 1);
    const ids = Array.from({ length }, (_, index) => `${from + index}-0`);
    const bytes = length * payload.length;
    const read = { key: KEY, after, trimmed: false, ids, payloads: ids.map(() => payload), bytes };
    return [new EntryBatch(packBatches([read]).batches[0]!)];
  };
  const threads = {
    recycle: () => {},
    takeSpare: () => undefined,
    watched: <T>(work: Promise<T>) => work,
    range,
    // It ends with what it was asked for.
    serveRanges: async ({ port }: { port: MessagePort }) => {
      ports.push(port);
      port.close();
    },
  } as unknown as Threads;
  const hub = new HubStream(KEY, `${last}-0`);
  const start = { cursor: '0-0', tail: `${last}-0`, isResumed: false, countsLosses: false, until: undefined };
  const progress = new Progress(start);
  const onFailed = vi.fn();
  const read: number[] = [];
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const pump = (): void => {
    for (let batch = source.next(); batch !== undefined; batch = source.next()) {
      read.push(...batch.ids.slice(source.entry).map((id) => Number.parseInt(id, 10)));
      progress.moveTo(batch.lastId);
      source.consumed(batch.length);
    }
    if (source.hasEnded) end();
  };
  const source: CatchUpSource = new CatchUpSource({
    threads,
    hub,
    progress,
    window: new ReadWindow(undefined),
    slots: new ReadSlots(),
    listener: { onReady: pump, onFailed },
    countsLosses: false,
    latest: false,
  });
  onTestFinished(() => source.close());
  pump();
  await ended;
  expect(read).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  expect(ports.length).toBeGreaterThan(0);
  expect(onFailed).not.toHaveBeenCalled();
});
