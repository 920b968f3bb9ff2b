import { expect, test } from 'vitest';
import { matchesTag, readTags } from '../../src/protocol/entity-tags.js';

const matches = (header: string, tag: string) => {
  const tags = readTags(header);
  return tags !== undefined && matchesTag(tags, tag);
};

test('no header says nothing', () => {
  expect(readTags('')).toBeUndefined();
});

test.each([
  ['"1-0"', true],
  ['W/"1-0"', true],
  ['"2-0","1-0"', true],
  ['"2-0" , W/"1-0" ', true],
  ['*', true],
  [' * ', true],
  ['"*"', false],
  ['1-0', false],
  ['"11-0"', false],
  ['"1-0', false],
  [',', false],
])('%s', (header, expected) => {
  expect(matches(header, '1-0')).toBe(expected);
});

test('a header of any length is read in time', () => {
  const begun = performance.now();
  for (const header of ['"'.repeat(60_000), 'W/'.repeat(30_000), `"${'a'.repeat(60_000)}`])
    matches(header, '1-0');
  expect(performance.now() - begun).toBeLessThan(2000);
});
