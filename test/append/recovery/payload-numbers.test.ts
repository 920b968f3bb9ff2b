import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { PayloadNumbers } from '../../../src/append/recovery/payload-numbers.js';

const bytes = (text: string) => Buffer.from(text);

test('the same bytes have the same number, and others another', () => {
  const numbers = new PayloadNumbers();
  expect(['a', 'b', 'a', '', 'ab', ''].map((text) => numbers.numberOf(bytes(text)))).toEqual([
    0, 1, 0, 2, 3, 2,
  ]);
});

test('those of one checksum are told apart', () => {
  expect(crc32('plumless')).toBe(crc32('buckeroo'));
  const numbers = new PayloadNumbers();
  const texts = ['plumless', 'buckeroo'];
  expect(texts.map((text) => numbers.numberOf(bytes(text)))).toEqual([0, 1]);
  expect(texts.map((text) => numbers.find(bytes(text)))).toEqual([0, 1]);
});

test('what has no number is not found, and gets none by that', () => {
  const numbers = new PayloadNumbers();
  numbers.numberOf(bytes('a'));
  expect(['b', 'ab'].map((text) => numbers.find(bytes(text)))).toEqual([undefined, undefined]);
  expect(numbers.numberOf(bytes('b'))).toBe(1);
});
