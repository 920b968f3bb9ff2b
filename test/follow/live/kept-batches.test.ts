/** What the hub keeps of all streams together stays within its bound, however batches come and go. */
import { beforeEach, expect, test } from 'vitest';
import { HubStream } from '../../../src/follow/live/hub-stream.js';
import { KeptBatches } from '../../../src/follow/live/kept-batches.js';
import { EntryBatch } from '../../../src/protocol/batch.js';

const MIB = 1024 * 1024;
const MAX_TOTAL_BYTES = 64 * MIB;
/** What a batch takes besides its payloads. */
const OVERHEAD = 512;
/** What all payloads lie in: to make them would take most of the time. */
const ZEROS = new ArrayBuffer(8 * MIB);

let kept: KeptBatches;

beforeEach(() => {
  kept = new KeptBatches();
});

function add(stream: HubStream, number: number, bytes: number): void {
  const ids = `${number}-0`;
  const ends = Uint32Array.of(bytes);
  const after = `${number - 1}-0`;
  const packed = { key: stream.key, after, ids, ends, buffer: ZEROS, offset: 0, trimmed: false };
  kept.add(stream, new EntryBatch(packed), true);
}

/** Fills the bound with batches of streams of their own. @returns these, the oldest first */
function fill(name: string): HubStream[] {
  return Array.from({ length: 20 }, (_, index) => {
    const stream = new HubStream(`${name}${index}`, '0-0');
    add(stream, 1, 4 * MIB);
    return stream;
  });
}

test('the oldest batches of all go first', () => {
  const streams = fill('a');
  // 16 batches of 4 MiB would be the whole, but for what they take besides.
  expect(streams.map(({ length }) => length)).toEqual([...new Array(5).fill(0), ...new Array(15).fill(1)]);
  expect(kept.bytes).toBe(15 * (4 * MIB + OVERHEAD));
});

test('the same after thousands of small ones have come and gone', () => {
  const before = fill('a');
  const busy = new HubStream('busy', '0-0');
  // The list of arrivals is swept out on the way.
  for (let number = 1; number <= 5000; number++) {
    add(busy, number, 1);
    if (busy.length > 10) kept.clear(busy);
  }
  const after = fill('b');
  expect(kept.bytes).toBeLessThanOrEqual(MAX_TOTAL_BYTES);
  expect(before.map(({ length }) => length)).toEqual(new Array(20).fill(0));
  expect(after.map(({ length }) => length)).toEqual([...new Array(5).fill(0), ...new Array(15).fill(1)]);
});
