import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyGlob } from '../../src/catalog/key-glob.js';
import { controlForFile } from '../support/control.js';

const { redis } = await controlForFile();

const matches = (pattern: string, key: string) => new KeyGlob(pattern).matches(key);

test('a pattern means what it means to Redis', async () => {
  const unit = fc.constantFrom('a', 'b', 'c', '*', '*', '?', '[', ']', '^', '-', '\\', 'é');
  const pattern = fc.string({ unit, maxLength: 10 });
  const key = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', ']', '-', '\\', 'é'),
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(pattern, fc.uniqueArray(key, { minLength: 1, maxLength: 12 }), async (glob, keys) => {
      // Redis compares the ends of a range as C's char, which has a sign on some platforms only.
      fc.pre(!/é-|-é/.test(glob));
      await redis.client.flushdb();
      await redis.client.mset(keys.flatMap((name) => [name, '']));
      const expected = (await redis.client.keys(glob)).sort();
      expect(keys.filter((name) => matches(glob, name)).sort()).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

describe('what keys begin with', () => {
  test.each([
    ['cam:*', 'cam:'],
    ['cam', 'cam'],
    ['c\\*m?', 'c*m'],
    ['*', ''],
    ['[ab]', ''],
    ['é?', 'é'],
    ['', ''],
  ])('%j: %j', (pattern, start) => {
    expect(new KeyGlob(pattern).literalStart).toBe(start);
  });
});

describe('a part that is looked for', () => {
  test('may have 31 characters beside wildcards', () => {
    const part = `a?${'b'.repeat(29)}`;
    expect(matches(`*${part}*`, `xxaxx${part}`)).toBe(true);
    expect(matches(`*${part}*`, `xxaxx${part.slice(1)}`)).toBe(false);
    expect(() => new KeyGlob(`*${part}b*`)).toThrow(
      "match: between two '*' a part with '?' or '[…]' may have at most 31 characters, not 32",
    );
  });

  test('may have any length without, and at the ends', () => {
    const long = 'ab'.repeat(200);
    expect(matches(`?${long}*${long}*${long}?`, `x${long}${long}${long}x`)).toBe(true);
  });
});
