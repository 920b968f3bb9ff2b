import { describe, expect, test } from 'vitest';
import { formatBytes, formatLag, previewBytes, previewName } from '../../src/cli/preview.js';

describe('previewBytes', () => {
  test.each([
    ['hello', 'hello'],
    ['a\tb\n', 'a\\tb\\n'],
    ['', ''],
    ['x'.repeat(65), `${'x'.repeat(64)}…`],
    // The 64th byte is the first half of a character.
    [`${'x'.repeat(63)}éé`, `${'x'.repeat(63)}…`],
  ])('text %j', (text, shown) => {
    expect(previewBytes(Buffer.from(text))).toBe(shown);
  });

  test.each([
    [Buffer.from([0xff, 0xd8, 0xff]), '0xffd8ff'],
    [Buffer.from('\x1b[2J'), '0x1b5b324a'],
    [Buffer.from('\u202eabc'), '0xe280ae616263'],
    [Buffer.alloc(25, 0xff), `0x${'ff'.repeat(24)}…`],
    // Ends within a character, and nothing more comes.
    [Buffer.from([0x61, 0xc3]), '0x61c3'],
  ])('bytes %j in hex', (bytes, shown) => {
    expect(previewBytes(bytes)).toBe(shown);
  });
});

test('previewName takes the control characters out of a name', () => {
  expect(previewName('a\x1b[2Jb')).toBe('a�[2Jb');
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [61_400, '61.4 kB'],
  [3_020_000, '3.02 MB'],
  [5e9, '5.00 GB'],
])('formatBytes(%d) is %s', (bytes, shown) => {
  expect(formatBytes(bytes)).toBe(shown);
});

test.each([
  [12.4, '12 ms'],
  [-3, '-3 ms'],
  [3400, '3.4 s'],
  [126_000, '2.1 min'],
  [18_000_000, '5.0 h'],
])('formatLag(%d) is %s', (ms, shown) => {
  expect(formatLag(ms)).toBe(shown);
});
