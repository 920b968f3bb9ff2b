import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packStored, type StoredEntry } from '../../src/append/stored-entries.js';
import { EntryBatch } from '../../src/protocol/batch.js';

/** A small payload lies within a slab, a large one in a buffer with room behind it. */
const payloads = fc.record({
  bytes: fc.uint8Array({ maxLength: 20 }),
  at: fc.nat(10),
  isLarge: fc.boolean(),
});

function storedEntry(
  { bytes, at, isLarge }: { bytes: Uint8Array; at: number; isLarge: boolean },
  index: number,
) {
  const id = `${index + 1}-0`;
  const { length } = bytes;
  if (!isLarge) {
    const slab = Buffer.concat([Buffer.alloc(at, 'x'), bytes, Buffer.from('yy')]);
    return { id, payload: { slab, at, length } };
  }
  const large = new Uint8Array(length + 7).fill(120);
  large.set(bytes);
  return { id, payload: { large: large.buffer, length } };
}

test('the entries are the same, in batches that follow one another', () => {
  fc.assert(
    fc.property(fc.array(payloads, { maxLength: 12 }), (given) => {
      const entries: StoredEntry[] = given.map(storedEntry);
      let last = '0-5';
      let index = 0;
      for (const packed of packStored('k', last, entries)) {
        const batch = new EntryBatch(packed);
        expect(batch).toMatchObject({ key: 'k', after: last, trimmed: false });
        expect(batch.length).toBeGreaterThan(0);
        last = batch.lastId;
        batch.ids.forEach((id, place) => {
          expect(id).toBe(entries[index]!.id);
          expect(Buffer.from(batch.payload(place))).toEqual(Buffer.from(given[index]!.bytes));
          index++;
        });
      }
      expect(index).toBe(entries.length);
    }),
  );
});

test('small ones come together and are copied, large ones alone and are not', () => {
  const entry = (index: number, isLarge: boolean) =>
    storedEntry({ bytes: Buffer.from(`${index}`), at: 3, isLarge }, index);
  const entries = [false, false, true, true, false].map((isLarge, index) => entry(index, isLarge));
  const batches = packStored('k', '0-0', entries);
  expect(batches.map(({ after, ids }) => [after, ids])).toEqual([
    ['0-0', '1-0 2-0'],
    ['2-0', '3-0'],
    ['3-0', '4-0'],
    ['4-0', '5-0'],
  ]);
  const larges = entries.map(({ payload }) => ('large' in payload ? payload.large : undefined));
  expect([batches[1]!.buffer, batches[2]!.buffer]).toEqual([larges[2], larges[3]]);
  expect(batches[1]!.buffer).toBe(larges[2]);
  // Followers that are behind keep alive no more than that.
  expect([batches[0], batches[3]].map((batch) => batch!.buffer.byteLength)).toEqual([2, 1]);
});
