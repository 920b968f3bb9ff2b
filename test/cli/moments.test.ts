import { expect, test } from 'vitest';
import { parseMomentOption } from '../../src/cli/moments.js';

const NOW = 1_700_000_000_000;

test.each([
  ['now', '1700000000000'],
  ['10m', '1699999400000'],
  ['2h', '1699992800000'],
  ['2023-11-14T22:13:20Z', '1700000000000'],
  ['1700000000000', '1700000000000'],
  ['1700000000000-7', '1700000000000-7'],
])('%s is %s', (text, moment) => {
  expect(parseMomentOption(text, NOW)).toBe(moment);
});

test.each(['', 'yesterday', '10x', '-5', '1-2-3', '99999w'])('%j is none', (text) => {
  expect(() => parseMomentOption(text, NOW)).toThrow('ISO 8601');
});
