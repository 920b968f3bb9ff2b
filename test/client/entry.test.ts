import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeEntries, nameMoment } from '../../src/client/entry.js';

const ID = '1700000000000-7';

describe('decodeEntries', () => {
  test('gives back what was put together, with the time of the id', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.uint8Array())), (parts) => {
        const message = encode(parts.map(([stream, data]) => [stream, ID, data]));
        expect(decodeEntries(message)).toEqual(
          parts.map(([stream, data]) => ({ stream, id: ID, time: 1_700_000_000_000, data })),
        );
      }),
    );
  });

  test('a heartbeat has no entries', () => {
    expect(decodeEntries(encode([]))).toEqual([]);
  });

  test.each([
    [null],
    [{}],
    ['text'],
    [[1]],
    [[['a', ID]]],
    [[['a', ID, 'text']]],
    [[['a', 1, new Uint8Array()]]],
  ])('refuses %j', (value) => {
    expect(() => decodeEntries(encode(value))).toThrow('[sid, id, bytes]');
  });

  test('refuses bytes that are no MessagePack', () => {
    expect(() => decodeEntries(new Uint8Array([0xc1]))).toThrow('[sid, id, bytes]');
    expect(() => decodeEntries(encode([['a', ID, new Uint8Array(9)]]).subarray(0, 12))).toThrow(
      '[sid, id, bytes]',
    );
  });
});

test.each([
  [undefined, undefined],
  [1_700_000_000_000, '1700000000000'],
  [new Date(0), '1970-01-01T00:00:00.000Z'],
  [ID, ID],
])('the moment %s goes as %s', (moment, text) => {
  expect(nameMoment(moment)).toBe(text);
});
