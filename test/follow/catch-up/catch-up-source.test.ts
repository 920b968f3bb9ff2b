/** A follower's own reads by themselves: what is held when, how it goes on after failures, and where it ends. */
import type { MessagePort } from 'node:worker_threads';
import { expect, onTestFinished, test, vi } from 'vitest';
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
  readonly after: string;
  answer(ids: readonly string[]): Promise<void>;
  fail(failure: Failure): Promise<void>;
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

function batchOf(after: string, ids: readonly string[]): EntryBatch {
  const payloads = ids.map((id) => Buffer.from(id));
  const bytes = payloads.reduce((sum, { length }) => sum + length, 0);
  const read = { key: KEY, after, trimmed: false, ids: [...ids], payloads, bytes };
  return new EntryBatch(packBatches([read]).batches[0]!);
}

/** @param tail up to here Redis has to be read; the hub holds what follows */
function newSource(tail = '10-0', slots = new ReadSlots()) {
  const asked: Asked[] = [];
  const threads = {
    recycle: () => {},
    range: ({ streams }: RangeTask) =>
      new Promise<EntryBatch[]>((resolve, reject) => {
        const { after } = streams[0]!;
        asked.push({
          after,
          answer: (ids) => {
            resolve([batchOf(after, ids)]);
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
  const start = { cursor: '0-0', tail, isResumed: false, countsLosses: false, until: undefined };
  const progress = new Progress(start);
  const listener = { onReady: vi.fn(), onFailed: vi.fn() } satisfies SourceListener;
  const window = new ReadWindow(undefined);
  const parts = { threads, hub, progress, window, slots, listener, countsLosses: false, latest: false };
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
  return { source, asked, hub, progress, listener, slots, send };
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
