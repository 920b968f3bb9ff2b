/** Ranges one after the other: which are asked for, which come from a thread that reads in advance. */
import type { MessagePort } from 'node:worker_threads';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type RangeQuestion, RangeSequence } from '../../../src/follow/catch-up/range-sequence.js';
import { ReadWindow } from '../../../src/follow/catch-up/read-window.js';
import { EntryBatch, type PackedBatch } from '../../../src/protocol/batch.js';
import { Failure } from '../../../src/protocol/errors.js';
import type { Threads } from '../../../src/threads/threads.js';
import type { RangesTask, RangeWish } from '../../../workers/messages.js';

const KEY = 'k';
const MIB = 1024 * 1024;
/** One entry of that size is all that is read at once at first. */
const FULL_BYTES = 256 * 1024;
const MOST_AHEAD_BYTES = 8 * MIB;

type RangeTask = Parameters<Threads['range']>[0];

let asked: RangeTask[];
/** What the pool answers next. */
let answers: EntryBatch[];
let whileAsked: () => void;
/** Threads that read in advance. */
let readers: Reader[];
let window: ReadWindow;
let ranges: RangeSequence;

class Reader {
  readonly task: Omit<RangesTask, 'type'>;
  readonly wishes: RangeWish[] = [];
  isClosed = false;

  constructor(task: Omit<RangesTask, 'type'>) {
    this.task = task;
    task.port.on('message', (wish: RangeWish) => this.wishes.push(wish));
    task.port.on('close', () => {
      this.isClosed = true;
    });
  }

  bring(batch: PackedBatch): void {
    (this.task.port as MessagePort).postMessage({ batch });
  }
}

beforeEach(() => {
  [asked, answers, readers] = [[], [], []];
  whileAsked = () => {};
  const threads = {
    watched: (work: unknown) => work,
    range: async (task: RangeTask) => {
      asked.push(task);
      await Promise.resolve();
      whileAsked();
      return [answers.shift()!];
    },
    serveRanges: async (task: Omit<RangesTask, 'type'>) => void readers.push(new Reader(task)),
    takeSpare: () => undefined,
  } as unknown as Threads;
  window = new ReadWindow(undefined);
  ranges = new RangeSequence(threads, KEY, window, 'state');
  onTestFinished(() => ranges.close());
});

/** Entries of some bytes in all, after `after`-0. */
function packed(after: number, last: number, bytes: number): PackedBatch {
  const length = last - after;
  const ids = Array.from({ length }, (_, index) => `${after + 1 + index}-0`).join(' ');
  const ends = Uint32Array.from({ length }, (_, index) => Math.floor((bytes * (index + 1)) / length));
  return {
    key: KEY,
    after: `${after}-0`,
    ids,
    ends,
    buffer: new ArrayBuffer(bytes),
    offset: 0,
    trimmed: false,
  };
}

function read(after: number, more: Partial<RangeQuestion> = {}): Promise<EntryBatch | undefined> {
  const question = { until: undefined, latest: false, proof: 'none', entryBytes: 0, ...more } as const;
  return ranges.read({ after: `${after}-0`, ...question });
}

/** Has the pool read a range of all that may be read at once. */
async function readFull(after: number, last: number, more: Partial<RangeQuestion> = {}): Promise<Reader> {
  answers.push(new EntryBatch(packed(after, last, FULL_BYTES)));
  await read(after, more);
  expect(readers).not.toEqual([]);
  return readers.at(-1)!;
}

const untilClosed = (reader: Reader) => vi.waitFor(() => expect(reader.isClosed).toBe(true));
const ends = (batch: EntryBatch | undefined) => batch && [batch.ids[0], batch.lastId];

test('a range is read by what is known of its entries', async () => {
  answers.push(new EntryBatch(packed(0, 4, 400)), new EntryBatch(packed(4, 4, 0)));
  expect(ends(await read(0, { entryBytes: 7, until: '9-0', proof: 'presence' }))).toEqual(['1-0', '4-0']);
  expect(asked[0]).toEqual({
    ...new ReadWindow(undefined).size(false, 7),
    streams: [{ key: KEY, after: '0-0' }],
    latest: false,
    until: '9-0',
    proof: 'presence',
  });
  expect(await read(4, { entryBytes: 7 })).toHaveLength(0);
  expect(asked[1]!.expectedBytes).toBe(100);
  expect(readers).toEqual([]);
});

describe('what follows a full range', () => {
  test('is read in advance, with proof, and comes from there', async () => {
    const reader = await readFull(0, 2, { until: '9-0' });
    expect(reader.task).toMatchObject({ key: KEY, after: '2-0', until: '9-0', proof: 'state' });
    reader.bring(packed(2, 4, FULL_BYTES));
    expect(ends(await read(2))).toEqual(['3-0', '4-0']);
    reader.bring(packed(4, 6, FULL_BYTES));
    expect(ends(await read(4))).toEqual(['5-0', '6-0']);
    expect([asked.length, readers.length]).toEqual([1, 1]);
    await vi.waitFor(() => expect(reader.wishes).toHaveLength(3));
    expect(reader.isClosed).toBe(false);
  });

  test('is measured as any range is', async () => {
    const reader = await readFull(0, 2);
    reader.bring(packed(2, 6, FULL_BYTES));
    await read(2);
    expect(window.size(false, 0).expectedBytes).toBe(FULL_BYTES / 4);
  });

  test('is not read in advance at the end', async () => {
    const reader = await readFull(0, 2);
    reader.bring(packed(2, 4, FULL_BYTES - 1));
    expect(ends(await read(2))).toEqual(['3-0', '4-0']);
    await untilClosed(reader);
    answers.push(new EntryBatch(packed(4, 5, 1)));
    expect(ends(await read(4))).toEqual(['5-0', '5-0']);
    expect(readers).toHaveLength(1);
  });

  test('is asked for where there was nothing in advance', async () => {
    const reader = await readFull(0, 2);
    reader.bring(packed(2, 2, 0));
    answers.push(new EntryBatch(packed(2, 3, 1)));
    expect(ends(await read(2))).toEqual(['3-0', '3-0']);
    await untilClosed(reader);
    expect(asked).toHaveLength(2);
  });

  test('is not read in advance any more where entries are very large', async () => {
    const reader = await readFull(0, 2);
    reader.bring(packed(2, 3, MOST_AHEAD_BYTES + 1));
    expect(ends(await read(2))).toEqual(['3-0', '3-0']);
    await untilClosed(reader);
    answers.push(new EntryBatch(packed(3, 4, MOST_AHEAD_BYTES + 1)));
    await read(3);
    expect(readers).toHaveLength(1);
  });

  test('is let go where something else is read', async () => {
    const reader = await readFull(0, 2);
    answers.push(new EntryBatch(packed(1, 2, 1)));
    expect(ends(await read(1))).toEqual(['2-0', '2-0']);
    await untilClosed(reader);
    expect(asked.map(({ streams }) => streams[0]!.after)).toEqual(['0-0', '1-0']);
  });

  test('is not what is newest', async () => {
    const reader = await readFull(0, 2);
    answers.push(new EntryBatch(packed(8, 9, FULL_BYTES)));
    expect(ends(await read(2, { latest: true }))).toEqual(['9-0', '9-0']);
    await untilClosed(reader);
    expect(asked[1]).toMatchObject({ latest: true, count: 1 });
    // Nothing follows that.
    expect(readers).toHaveLength(1);
  });

  test('is read no more once it is let go, also by one that waits for it', async () => {
    const reader = await readFull(0, 2);
    const next = read(2);
    ranges.letGo();
    expect(await next).toBeUndefined();
    await untilClosed(reader);
    const again = await readFull(2, 4);
    expect(readers).toEqual([reader, again]);
  });

  test('is read no more once all is over, nor begun', async () => {
    const reader = await readFull(0, 2);
    ranges.close();
    await untilClosed(reader);
    answers.push(new EntryBatch(packed(2, 4, FULL_BYTES)));
    whileAsked = () => ranges.close();
    await read(2);
    expect(readers).toHaveLength(1);
  });

  test('fails where its thread does', async () => {
    const reader = await readFull(0, 2);
    (reader.task.port as MessagePort).postMessage({
      failure: new Failure('redis_unavailable', 'away').body,
    });
    await expect(read(2)).rejects.toMatchObject({ code: 'redis_unavailable' });
  });
});
