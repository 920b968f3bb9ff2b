import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSurelyLonger, nestsTooDeep, parseJsonText } from '../../src/protocol/json-text.js';

/** A value inside so many arrays. */
const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

describe('a value is surely longer than', () => {
  test.each(['abc', '', 7, ['a', 1], [[1], [2, 3]], { a: 'b' }, { a: 1, bcd: ['e', { f: 2 }] }])(
    'any fewer bytes than its JSON has: %j',
    (value) => {
      const { length } = JSON.stringify(value);
      expect([isSurelyLonger(value, length - 1), isSurelyLonger(value, length)]).toEqual([true, false]);
    },
  );

  test('never more than its JSON has', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(30), (value, bytes) => {
        if (isSurelyLonger(value, bytes)) expect(JSON.stringify(value).length).toBeGreaterThan(bytes);
      }),
    );
  });

  test('what its parts have that it holds many times, in no time', () => {
    let value: unknown = 'x';
    for (let level = 0; level < 60; level++) value = [value, value];
    expect(isSurelyLonger(value, 100_000)).toBe(true);
  });

  test('a value may nest deeper than the stack goes', () => {
    let value: unknown = 'x';
    for (let level = 0; level < 100_000; level++) value = [value];
    expect(isSurelyLonger(value, 1_000_000)).toBe(false);
  });
});

describe('a value nests too deep', () => {
  test.each([
    ['text', 0, false],
    [null, 0, false],
    [[], 0, true],
    [{}, 0, true],
    [[], 1, false],
    [[1, { a: [] }], 2, true],
    [[1, { a: [] }], 3, false],
  ])('%j on %i levels: %s', (value, levels, is) => expect(nestsTooDeep(value, levels)).toBe(is));

  test('beyond 1000 levels', () => {
    expect([nestsTooDeep(nested(1000)), nestsTooDeep(nested(1001))]).toEqual([false, true]);
  });
});

describe('a JSON text', () => {
  test.each([
    ['{"a": [1]}', { a: [1] }],
    ['\uFEFF"text"', 'text'],
    ['\uFEFF\uFEFF1', null],
    ['{', null],
    ['', null],
  ])('%j is read as %j', (text, value) => expect(parseJsonText(text)).toEqual(value));

  test('may nest 1000 levels', () => {
    expect(parseJsonText(JSON.stringify(nested(1000)))).not.toBeNull();
    expect(parseJsonText(JSON.stringify(nested(1001)))).toBeNull();
  });

  test('may have 250 000 commas and brackets', () => {
    expect(parseJsonText(`[${'1,'.repeat(249_999)}1]`)).toHaveLength(250_000);
    expect(parseJsonText(`[${'1,'.repeat(250_000)}1]`)).toBeNull();
  });
});
