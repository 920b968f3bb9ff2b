import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matchesAll, matchGlob } from '../../src/access/globs.js';

test.each([
  ['cam', 'cam', true],
  ['cam', 'cam1', false],
  ['cam', 'Cam', false],
  ['cam*', 'cam', true],
  ['cam*', 'cam1', true],
  ['cam*', 'xcam1', false],
  ['*cam', 'front cam', true],
  ['*cam', 'cams', false],
  ['*a*b*', 'xxaxxbxx', true],
  ['*a*b*', 'xxbxxaxx', false],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*ab', 'aab', true],
  ['*', '', true],
  ['**', '', true],
  ['*', ':event:device.meta', true],
  ['', '', true],
  ['', 'x', false],
  ['x', '', false],
  ['cam?', 'cam1', false],
  ['cam?', 'cam?', true],
  ['[ab]', 'a', false],
  ['[ab]', '[ab]', true],
  ['a.c', 'abc', false],
  ['\\*', '\\x', true],
  ['é*', 'é漢😀', true],
])('%s on %s: %s', (glob, text, expected) => {
  expect(matchGlob(glob, text)).toBe(expected);
});

test('as a regular expression would have it', () => {
  const few = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 12 });
  fc.assert(
    fc.property(few, few, (glob, text) => {
      const oracle = new RegExp(`^${glob.replaceAll('*', '[^]*')}$`);
      expect(matchGlob(glob, text)).toBe(oracle.test(text));
    }),
    { numRuns: 5000 },
  );
});

test('no glob takes long', () => {
  const start = performance.now();
  expect(matchGlob(`${'a*'.repeat(255)}b`, 'a'.repeat(512))).toBe(false);
  expect(matchGlob(`${'*a'.repeat(255)}b`, 'a'.repeat(512))).toBe(false);
  expect(performance.now() - start).toBeLessThan(1000);
});

test('all names', () => {
  expect(['*', '**', 'a*', '*a', '', 'a'].map(matchesAll)).toEqual([true, true, false, false, true, false]);
});
