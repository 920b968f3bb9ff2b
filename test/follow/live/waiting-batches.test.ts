import { beforeEach, expect, test } from 'vitest';
import { WaitingBatches } from '../../../src/follow/live/waiting-batches.js';
import { EntryBatch } from '../../../src/protocol/batch.js';

const MAX_BYTES = 8 * 1024 * 1024;
const ZEROS = new ArrayBuffer(MAX_BYTES);

let waiting: WaitingBatches;

beforeEach(() => {
  waiting = new WaitingBatches();
});

function add(ids: string, bytes = 0, isCounted = false): EntryBatch {
  const ends = Uint32Array.from(ids.split(' '), () => bytes);
  const batch = new EntryBatch({
    key: 'k',
    after: '0-0',
    ids,
    ends,
    buffer: ZEROS,
    offset: 0,
    trimmed: false,
  });
  waiting.add(batch, isCounted);
  return batch;
}

test('they go in the order in which they came, with what was said of them', () => {
  expect([waiting.isEmpty, waiting.first, waiting.shift()]).toEqual([true, undefined, undefined]);
  const [first, second] = [add('1-0', 1, true), add('2-0', 1)];
  expect([waiting.isEmpty, waiting.first]).toEqual([false, { batch: first, isCounted: true }]);
  expect([waiting.shift(), waiting.shift()]).toEqual([
    { batch: first, isCounted: true },
    { batch: second, isCounted: false },
  ]);
  expect([waiting.isEmpty, waiting.shift()]).toEqual([true, undefined]);
});

test('they are many beyond 8 MiB, until enough have gone', () => {
  add('1-0', MAX_BYTES);
  expect(waiting.areMany).toBe(false);
  add('2-0', 1);
  expect(waiting.areMany).toBe(true);
  waiting.shift();
  expect(waiting.areMany).toBe(false);
  add('3-0', MAX_BYTES);
  expect(waiting.areMany).toBe(true);
  waiting.shift();
  waiting.shift();
  waiting.shift();
  add('4-0', MAX_BYTES);
  expect(waiting.areMany).toBe(false);
});

test('those that end at an entry or before it are let go', () => {
  const first = add('1-0 2-0');
  add('3-0 5-0');
  const last = add('6-0');
  expect(waiting.dropUpTo('4-0')).toEqual([{ batch: first, isCounted: false }]);
  expect(waiting.dropUpTo('4-0')).toEqual([]);
  expect(waiting.first?.batch.ids).toEqual(['3-0', '5-0']);
  waiting.dropUpTo('5-0');
  expect(waiting.first?.batch).toBe(last);
  waiting.dropUpTo('9-0');
  expect(waiting.isEmpty).toBe(true);
});

test('all may be let go', () => {
  add('1-0', MAX_BYTES);
  add('2-0', 1);
  waiting.clear();
  expect([waiting.isEmpty, waiting.areMany]).toEqual([true, false]);
  add('3-0', MAX_BYTES);
  expect(waiting.areMany).toBe(false);
});
