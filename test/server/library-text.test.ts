import { expect, test } from 'vitest';
import { libraryText } from '../../src/server/library-text.js';

test.each(['', 'plain', '[["cam","1-0",0]]', '\u0000\u007f'])('%j is given as it is', (text) => {
  expect(libraryText(text)).toBe(text);
});

test.each([
  ['é', 'c3a9'],
  ['\u0080', 'c280'],
  ['plain, then ü', '706c61696e2c207468656e20c3bc'],
  ['漢😀', 'e6bca2f09f9880'],
])('%s is given as UTF-8', (text, hex) => {
  expect(Buffer.from(libraryText(text)).toString('hex')).toBe(hex);
  expect(libraryText(text)).toBeInstanceOf(Uint8Array);
});
