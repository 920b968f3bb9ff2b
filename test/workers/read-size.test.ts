/** Of how many streams, and how many entries of each, a read may bring. */
import { expect, test } from 'vitest';
import { ReadSize } from '../../workers/read-size.js';

const MIB = 1024 * 1024;

/** What a read may bring in all, if each stream has as many entries as it asks for. */
function expectedBytes(size: ReadSize): number {
  size.settle(size.streams);
  return size.streams * size.count * size.entryBytes;
}

test('a read of as many streams as it may be of brings about 8 MiB at most', () => {
  const size = new ReadSize();
  expect([size.streams, expectedBytes(size)]).toEqual([8, 8 * MIB]);
  for (let reads = 0; reads < 100; reads++) size.learn(10_000, 10);
  expect(size.streams).toBe(1000);
  expect(expectedBytes(size)).toBeLessThanOrEqual(8 * MIB);
  // Larger entries count at once.
  size.learn(3 * MIB, 1);
  expect([size.streams, size.count]).toEqual([1, 8]);
  size.settle(1);
  expect(size.count).toBe(2);
});

test('one stream is read, however large its entries are', () => {
  const size = new ReadSize();
  size.learn(100 * MIB, 1);
  expect(size.streams).toBe(1);
  for (let drops = 0; drops < 30; drops++) size.shrink();
  expect(size.streams).toBe(1);
  size.settle(1);
  expect(size.count).toBe(1);
});
