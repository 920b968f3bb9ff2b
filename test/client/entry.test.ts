import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitBatch } from '../../src/client/entry.js';

const ID = '1700000000000-0';

describe('splitBatch', () => {
  test('cuts the payload where each entry starts, the last to the end', () => {
    const header = JSON.stringify([
      ['a', ID, 0],
      ['b', ID, 5],
      ['a', ID, 5],
    ]);
    const entries = splitBatch(header, Buffer.from('helloworld'));
    expect(entries.map(({ sid, data }) => [sid, data.toString()])).toEqual([
      ['a', 'hello'],
      ['b', ''],
      ['a', 'world'],
    ]);
  });

  test('a heartbeat has no entries', () => {
    expect(splitBatch('[]', Buffer.alloc(0))).toEqual([]);
  });

  test('gives back what was put together', () => {
    const parts = fc.array(fc.tuple(fc.string(), fc.uint8Array()));
    fc.assert(
      fc.property(parts, (entries) => {
        let start = 0;
        const header = entries.map(([sid, data]) => {
          const place = [sid, ID, start];
          start += data.length;
          return place;
        });
        const payload = Buffer.concat(entries.map(([, data]) => data));
        const split = splitBatch(JSON.stringify(header), payload);
        expect(split.map(({ sid, data }) => [sid, Uint8Array.from(data)])).toEqual(entries);
      }),
    );
  });

  test.each(['', 'null', '{}', '[1]', '[["a", 0]]', '[["a", "1-0", "0"]]', '[["a", "1-0", 0.5]]'])(
    'refuses the header %s',
    (header) => {
      expect(() => splitBatch(header, Buffer.alloc(4))).toThrow('[[sid, id, start], …]');
    },
  );

  test.each([
    [[['a', ID, 5]]],
    [[['a', ID, -1]]],
    [
      [
        ['a', ID, 3],
        ['a', ID, 1],
      ],
    ],
  ])('refuses offsets that do not fit a payload of four bytes: %j', (header) => {
    expect(() => splitBatch(JSON.stringify(header), Buffer.alloc(4))).toThrow('does not fit');
  });
});
