import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holdsAtMost } from '../../src/protocol/json-bounds.js';

/** Makes a text long enough to be looked at, without a change of what it holds. */
const long = (text: string) => `${' '.repeat(5000)}${text}`;

/** How deep a value nests, and what it costs: the same as the function tells from the text. */
function measure(value: unknown): { levels: number; marks: number } {
  if (typeof value !== 'object' || value === null) return { levels: 0, marks: 0 };
  const inner = Object.values(value).map(measure);
  const commas = Math.max(inner.length - 1, 0);
  const colons = Array.isArray(value) ? 0 : inner.length;
  return {
    levels: 1 + Math.max(0, ...inner.map(({ levels }) => levels)),
    marks: 1 + commas + 12 * colons + inner.reduce((sum, { marks }) => sum + marks, 0),
  };
}

test('tells exactly what the parsed value holds', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
      const text = long(JSON.stringify(value, null, indent));
      const { levels, marks } = measure(value);
      expect(holdsAtMost(text, levels, marks)).toBe(true);
      if (levels > 0) expect(holdsAtMost(text, levels - 1, marks)).toBe(false);
      if (marks > 0) expect(holdsAtMost(text, levels, marks - 1)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

describe('marks in strings count for nothing', () => {
  test.each(['"[[[[,,,,"', '"\\"[[[["', '"\\\\"', '"\\\\\\"[[["', '"{{{:::"', '"unfinished [[['])(
    '%s',
    (text) => {
      expect(holdsAtMost(long(text), 0, 0)).toBe(true);
    },
  );
  test('those behind one do', () => expect(holdsAtMost(long('"\\\\"[['), 1, 9)).toBe(false));
});

test('any text is looked at to its end', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('"', '\\', '[', '{', ']', '}', ',', ':', 'a', '漢') }),
      (text) => {
        expect(typeof holdsAtMost(long(text), 3, 20)).toBe('boolean');
      },
    ),
  );
});

test('of short texts nothing is asked', () => expect(holdsAtMost('['.repeat(4096), 1, 1)).toBe(true));

test('a megabyte takes a few milliseconds', () => {
  const text = `[${'"a",'.repeat(250_000)}1]`;
  const begin = process.cpuUsage().user;
  for (let round = 0; round < 10; round++) holdsAtMost(text, 10, 1_000_000);
  expect((process.cpuUsage().user - begin) / 10_000).toBeLessThan(50);
});
