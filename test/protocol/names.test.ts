import { describe, expect, test } from 'vitest';
import { checkDeviceId, checkPrefix, checkStreamId, checkWritable } from '../../src/protocol/names.js';

const LONGEST = 'x'.repeat(512);

const BAD_EVERYWHERE = [
  ['', 'empty'],
  [`${LONGEST}x`, '513 bytes'],
  ['é'.repeat(257), '514 bytes'],
  ['a+b', "'+'"],
  ['a\u0000', 'control character'],
  ['a\nb', 'control character'],
  ['\r', 'control character'],
  ['a\u001f', 'control character'],
  ['a\u007f', 'control character'],
  ['a\u0080', 'control character'],
  ['a\u009f', 'control character'],
  ['\ud800', 'must be valid Unicode'],
  ['a\udc00b', 'must be valid Unicode'],
] as const;

const GOOD_EVERYWHERE = [
  'a',
  '0',
  ' ',
  'a b',
  LONGEST,
  'é'.repeat(256),
  '漢字',
  '😀',
  'a/b',
  '..',
  'a?b#c%d',
  '*',
  '[x]\\{y}',
  '"\'`',
  '__proto__',
  '\u00a0',
];

describe.each([
  ['device id', checkDeviceId],
  ['stream id', checkStreamId],
  ['prefix', checkPrefix],
] as const)('%s', (what, check) => {
  test.each(BAD_EVERYWHERE.filter(([name]) => what !== 'prefix' || name !== ''))(
    'refuses %j: %s',
    (name, fault) => {
      expect(() => check(name)).toThrow(
        expect.objectContaining({ code: 'bad_name', message: expect.stringContaining(fault) }),
      );
      expect(() => check(name)).toThrow(`the ${what}`);
    },
  );

  test.each(GOOD_EVERYWHERE)('takes %j', (name) => {
    expect(() => check(name)).not.toThrow();
  });
});

test("a ':' ends the device's part, so no device id holds one", () => {
  for (const id of ['a:b', ':', 'a:']) {
    expect(() => checkDeviceId(id)).toThrow(
      expect.objectContaining({ code: 'bad_name', message: expect.stringContaining("':'") }),
    );
  }
  expect(() => checkStreamId('a:b')).not.toThrow();
  expect(() => checkPrefix('a:')).not.toThrow();
});

test('a prefix may be empty', () => {
  expect(() => checkPrefix('')).not.toThrow();
});

test('system streams are not written', () => {
  for (const id of [':event:device.meta', ':', ':x']) {
    expect(() => checkWritable(id)).toThrow(
      expect.objectContaining({ code: 'reserved_name', message: expect.stringContaining(`'${id}'`) }),
    );
  }
  expect(() => checkWritable('a:b')).not.toThrow();
});
