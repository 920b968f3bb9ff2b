/** How much is read at once for a client, by what it was seen to take. */
import { describe, expect, test } from 'vitest';
import { ReadWindow } from '../../../src/follow/catch-up/read-window.js';
import { EntryBatch } from '../../../src/protocol/batch.js';

const KIB = 1024;
const MIB = 1024 * KIB;

function batchOf(entries: number, bytes: number): EntryBatch {
  const ids = Array.from({ length: entries }, (_, index) => `${index + 1}-0`).join(' ');
  const ends = Uint32Array.from({ length: entries }, (_, index) => (bytes / entries) * (index + 1));
  const buffer = new ArrayBuffer(bytes);
  return new EntryBatch({ key: 'k', after: '0-0', ids, ends, buffer, offset: 0, trimmed: false });
}

const bytesOf = (window: ReadWindow) => window.size(false, 0).maxBytes;

describe('the bytes', () => {
  test('double while the client takes all, up to a bound', () => {
    const window = new ReadWindow(undefined);
    const sizes = Array.from({ length: 6 }, () => {
      const bytes = bytesOf(window);
      window.grow();
      return bytes / KIB;
    });
    expect(sizes).toEqual([256, 512, 1024, 2048, 4096, 4096]);
  });

  test('are half of it where the client takes nothing, down to a bound, and grow again', () => {
    const window = new ReadWindow(undefined);
    const sizes = Array.from({ length: 4 }, () => {
      const bytes = bytesOf(window);
      window.shrink();
      return bytes / KIB;
    });
    expect(sizes).toEqual([256, 128, 64, 64]);
    window.grow();
    expect(bytesOf(window)).toBe(128 * KIB);
  });

  test('are no more than may be held in a replay, until that has caught up', () => {
    const window = new ReadWindow(100 * KIB);
    window.grow();
    expect(bytesOf(window)).toBe(100 * KIB);
    window.share = undefined;
    expect(bytesOf(window)).toBe(512 * KIB);
  });
});

test('one entry is read where the newest is wanted, and else many', () => {
  const window = new ReadWindow(undefined);
  expect([window.size(true, 0).count, window.size(false, 0).count]).toEqual([1, 10_000]);
});

test('an entry is expected to be like those read last, or like those that others read, or large', () => {
  const window = new ReadWindow(undefined);
  const expected = (known: number) => window.size(false, known).expectedBytes;
  expect([expected(0), expected(300)]).toEqual([64 * KIB, 300]);
  window.measure(batchOf(4, 400));
  expect([expected(0), expected(300)]).toEqual([100, 100]);
  // Nothing was there, which says nothing of entries.
  window.measure(batchOf(0, 0));
  expect(expected(300)).toBe(100);
});

test('what follows is read in advance unless that is very large, or there is time', () => {
  const window = new ReadWindow(undefined);
  const [large, larger] = [batchOf(1, 8 * MIB), batchOf(1, 8 * MIB + 1)];
  expect([window.mayReadAhead(large), window.mayReadAhead(larger)]).toEqual([true, false]);
  expect(new ReadWindow(MIB).mayReadAhead(batchOf(1, 1))).toBe(false);
});
