import { describe, expect, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { AFTER_LAST } from '../../src/protocol/entry-id.js';
import {
  asciiJson,
  checkTable,
  fitEntries,
  type TableForm,
  tableCount,
} from '../../src/protocol/head-table.js';
import { describeGap, type Gap } from '../../src/protocol/pull-message.js';

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

test.each([undefined, 'start', 'end'] as const)(
  'of one stream as many fit as beside one without entries, rows %s',
  (rows) => {
    const alone = stream('a', '0-0', 30);
    const empty = { ...stream('b', '0-0', 0), batch: undefined };
    for (let room = 100; room < 900; room++) {
      const both = { room: room + empty.cursor.length + 1, rows, gaps: false };
      let expected: number | undefined;
      try {
        expected = fitEntries([alone, empty], both)[0];
      } catch {
        // No entry has room.
      }
      const fitAlone = () => fitEntries([alone], { ...both, room });
      if (expected === undefined) expect(fitAlone).toThrow(refusal(/fewer streams/));
      else expect(fitAlone()).toEqual([expected]);
    }
  },
);

test('streams take turns, the one that is furthest behind first', () => {
  const [a, b] = fitEntries([stream('a', '9-0', 500), stream('b', '1-0', 500)], FORM);
  expect(b! - a!).toBeGreaterThanOrEqual(0);
  expect(b! - a!).toBeLessThanOrEqual(1);
});

test('what can never fit is refused by a sentence that says what to do', () => {
  const cursors = Array(40).fill('$');
  expect(() => checkTable(cursors.map(String), cursors, FORM)).toThrow(
    refusal(/cursors of 40 streams .* fewer streams/),
  );
  expect(() => checkTable(['x'.repeat(400)], ['$'], FORM)).toThrow(refusal(/msgpack/));
  expect(() => checkTable(['a'], ['$'], FORM)).not.toThrow();
  expect(() => fitEntries([stream('x'.repeat(400), '0-0', 1)], FORM)).toThrow(refusal(/fewer streams/));
});

test('no more is read than fits, or than is packed at once', () => {
  expect(tableCount(['a'], FORM)).toBeLessThanOrEqual(40);
  expect(tableCount(['a'], { ...FORM, rows: undefined })).toBe(16_384);
  expect(tableCount(['a', 'b', 'c', 'd'], { ...FORM, rows: undefined })).toBe(4096);
});

test('beyond ASCII all is escaped', () => {
  expect(asciiJson(['aé~', '漢\u007f'])).toBe('["a\\u00e9~","\\u6f22\\u007f"]');
});

/** A chai matcher of text also takes `throw undefined`. */
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'bad_parameter', message: expect.stringMatching(message) });

describe('to the byte', () => {
  const GAP: Gap = { after: '0-0', resumedAt: '1-0', reason: 'trimmed' };

  /** The lines of the head that are the table's, with so many entries `1-0`, `2-0`, … of each stream in it. */
  function headLength(
    counts: Readonly<Record<string, number>>,
    { gaps = [], offset = 0 }: { gaps?: readonly object[]; offset?: number } = {},
  ): number {
    const sids = Object.keys(counts);
    const cursors = sids.map((sid) => `${counts[sid]}-0`).join('+');
    const rows = sids.flatMap((sid) => ids(counts[sid]!).map((id) => [sid, id, offset]));
    return `x-last-entry-id: ${cursors}\r\nx-offsets: ${asciiJson(rows)}\r\nx-gap: ${asciiJson(gaps)}\r\n`
      .length;
  }
  /** A separator is reckoned behind the last, too: of cursors, and of rows. */
  const SPARE = 2;

  test.each([1, 2, 8, 9])('%i entries fit where the head has room for them', (count) => {
    const room = headLength({ a: count }) + SPARE;
    const streams = [stream('a', '0-0', 9)];
    expect(fitEntries(streams, { ...FORM, room })).toEqual([count]);
    const less = () => fitEntries(streams, { ...FORM, room: room - 1 });
    if (count === 1) expect(less).toThrow(refusal(/fewer streams/));
    else expect(less()).toEqual([count - 1]);
  });

  test('offsets are reckoned with the digits of all bytes that were read', () => {
    const room = headLength({ a: 3 }, { offset: 20 }) + SPARE;
    expect(fitEntries([stream('a', '0-0', 20)], { ...FORM, room })).toEqual([3]);
    expect(fitEntries([stream('a', '0-0', 20)], { ...FORM, room: room - 1 })).toEqual([2]);
  });

  test('a name beyond ASCII takes what it takes escaped', () => {
    const room = headLength({ 漢: 3 }) + SPARE;
    expect(fitEntries([stream('漢', '0-0', 9)], { ...FORM, room })).toEqual([3]);
    expect(fitEntries([stream('漢', '0-0', 9)], { ...FORM, room: room - 1 })).toEqual([2]);
  });

  test('a gap before the first entry takes room once, if gaps are asked for', () => {
    const lossy = { ...stream('a', '0-0', 9), gap: GAP };
    const room = headLength({ a: 3 }, { gaps: [describeGap('a', GAP)] }) + SPARE + 1;
    expect(fitEntries([lossy], { ...FORM, gaps: true, room })).toEqual([3]);
    expect(fitEntries([lossy], { ...FORM, gaps: true, room: room - 1 })).toEqual([2]);
    expect(fitEntries([lossy], { ...FORM, room: headLength({ a: 3 }) + SPARE })).toEqual([3]);
    expect(
      fitEntries([stream('a', '0-0', 9)], { ...FORM, gaps: true, room: headLength({ a: 3 }) + SPARE }),
    ).toEqual([3]);
  });

  test('of an odd number of entries the stream that is furthest behind has one more', () => {
    const streams = [stream('a', '0-9', 4), stream('b', '0-1', 4)];
    const room = headLength({ a: 1, b: 2 }) + SPARE;
    expect(fitEntries(streams, { ...FORM, room })).toEqual([1, 2]);
    expect(fitEntries(streams, { ...FORM, room: room - 1 })).toEqual([1, 1]);
  });

  test('what one stream leaves is for the others', () => {
    const empty = { ...stream('c', '0-0', 0), batch: undefined };
    const streams = [stream('a', '0-9', 1), stream('b', '0-1', 4), empty];
    const room = headLength({ a: 1, b: 3, c: 0 }) + SPARE;
    expect(fitEntries(streams, { ...FORM, room })).toEqual([1, 3, 0]);
  });

  test('where nothing was read the cursors fit or not', () => {
    const empty = { ...stream('a', '5-0', 0), batch: undefined };
    const room = 'x-last-entry-id: 5-0+\r\nx-offsets: []\r\nx-gap: []\r\n'.length;
    expect(fitEntries([empty], { ...FORM, room })).toEqual([0]);
    expect(() => fitEntries([empty], { ...FORM, room: room - 1 })).toThrow(
      refusal(/cursors of 1 streams take about 4 bytes/),
    );
  });

  test('so many are read', () => {
    // A row takes 14 bytes at least: ["a","0-1",0],
    expect(tableCount(['a'], FORM)).toBe(Math.ceil(400 / 14));
    expect(tableCount(['a', 'long name'], { ...FORM, room: 1400 })).toBe(50);
    expect(tableCount(['a', 'b'], FORM)).toBe(16);
    expect(tableCount(['a', 'b', 'c'], { ...FORM, room: 1e9 })).toBe(Math.ceil(16_384 / 3));
  });

  const names = 'x-last-entry-id: \r\nx-offsets: []\r\nx-gap: []\r\n'.length;
  const row = `["a","${AFTER_LAST}",${'0'.repeat(10)}],`.length;
  const gap =
    `${asciiJson(describeGap('a', { after: AFTER_LAST, resumedAt: AFTER_LAST, reason: 'trimmed' }))},`.length;
  const long = '1'.repeat(30);
  test.each([
    ['a cursor', ['a'], ['5-0'], undefined, false, 18],
    ['the newest entry', ['a'], ['$'], undefined, false, 18],
    ['a long cursor', ['a'], [long], undefined, false, 31],
    ['two cursors', ['a', 'a'], ['$', long], undefined, false, 18 + 31],
    ['a row', ['a'], ['$'], 'start', false, 18 + row],
    ['a gap', ['a'], ['$'], undefined, true, 18 + gap],
    ['a row and a gap', ['a'], ['$'], 'start', true, 18 + row + gap],
  ] as const)('room is needed for %s', (_, sids, cursors, rows, gaps, bytes) => {
    const room = names + AFTER_LAST.length + bytes;
    expect(() => checkTable(sids, cursors, { room, rows, gaps })).not.toThrow();
    expect(() => checkTable(sids, cursors, { room: room - 1, rows, gaps })).toThrow(
      refusal(/head, which has room for/),
    );
  });
});
