import { expect, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { checkTable, fitEntries, type TableForm, tableCount } from '../../src/protocol/head-table.js';

const FORM: TableForm = { room: 400, rows: 'start', gaps: false };

const batch = (ids: readonly string[]) =>
  new EntryBatch({
    key: 'k',
    after: '0-0',
    ids: ids.join(' '),
    ends: Uint32Array.from(ids, (_, index) => index + 1),
    buffer: new ArrayBuffer(ids.length),
    offset: 0,
    trimmed: false,
  });
const ids = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}-0`);
const stream = (sid: string, cursor: string, count: number) => ({
  sid,
  cursor,
  batch: batch(ids(count)),
  gap: undefined,
});

test('entries fit up to the room, and all where nothing is listed', () => {
  const [listed] = fitEntries([stream('a', '0-0', 1000)], FORM);
  expect(listed).toBeGreaterThan(15);
  expect(listed).toBeLessThan(40);
  expect(fitEntries([stream('a', '0-0', 1000)], { ...FORM, rows: undefined })).toEqual([1000]);
});

test('streams take turns, the one that is furthest behind first', () => {
  const [a, b] = fitEntries([stream('a', '9-0', 500), stream('b', '1-0', 500)], FORM);
  expect(b! - a!).toBeGreaterThanOrEqual(0);
  expect(b! - a!).toBeLessThanOrEqual(1);
});

test('what can never fit is refused by a sentence that says what to do', () => {
  const cursors = Array(40).fill('$');
  expect(() => checkTable(cursors.map(String), cursors, FORM)).toThrow(
    /cursors of 40 streams .* fewer streams/,
  );
  expect(() => checkTable(['x'.repeat(400)], ['$'], FORM)).toThrow(/msgpack/);
  expect(() => checkTable(['a'], ['$'], FORM)).not.toThrow();
  expect(() => fitEntries([stream('x'.repeat(400), '0-0', 1)], FORM)).toThrow(/fewer streams/);
});

test('no more is read than fits, or than is packed at once', () => {
  expect(tableCount(['a'], FORM)).toBeLessThanOrEqual(40);
  expect(tableCount(['a'], { ...FORM, rows: undefined })).toBe(16_384);
  expect(tableCount(['a', 'b', 'c', 'd'], { ...FORM, rows: undefined })).toBe(4096);
});
