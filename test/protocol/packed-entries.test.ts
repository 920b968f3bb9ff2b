import { describe, expect, test } from 'vitest';
import { readPacked } from '../../src/protocol/packed-entries.js';

const MAX_ENTRIES = 10;

/** What a message in hexadecimal digits holds, payloads as text. */
function read(hex: string): unknown {
  const packed = readPacked(Buffer.from(hex, 'hex'), MAX_ENTRIES);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  if (packed instanceof Uint8Array) return text(packed);
  return packed.map(({ sid, time, payload }) => [sid, time, text(payload)]);
}

const failing = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const NOT_PACKED = failing('bad_body', 'does not parse as MessagePack');
const NO_MESSAGE = failing('bad_body', 'must be a MessagePack bin or an array');
const NO_ENTRY = failing('bad_body', 'an entry must be [sid or null, time or null, bin]');
const NO_SID = failing('bad_header', 'a stream id must be a string or null');
const NO_TIME = failing('bad_header', "an entry's time must be");

/** One entry of which a part is spelled otherwise. */
const entry = ({ list = '91', parts = '93', sid = 'a178', time = 'c0', payload = 'c40161' }) =>
  `${list}${parts}${sid}${time}${payload}`;

/** That many bytes, all of them an `x`. */
const x = (count: number) => '78'.repeat(count);

describe('a producer may use any spelling that its library has for', () => {
  test.each([
    ['the list', { list: 'dc0001' }],
    ['the list', { list: 'dd00000001' }],
    ['an entry', { parts: 'dc0003' }],
    ['an entry', { parts: 'dd00000003' }],
    ['a stream id', { sid: 'd90178' }],
    ['a stream id', { sid: 'da000178' }],
    ['a stream id', { sid: 'db0000000178' }],
    ['a payload', { payload: 'c5000161' }],
    ['a payload', { payload: 'c60000000161' }],
  ])('%s: %o', (_what, part) => {
    expect(read(entry(part))).toEqual([['x', null, 'a']]);
  });

  test.each([
    ['00', 0],
    ['7f', 127],
    ['ff', -1],
    ['e0', -32],
    ['cc80', 128],
    ['cdff80', 65_408],
    ['ceff000080', 4_278_190_208],
    ['cfffffffffffffff80', '18446744073709551488'],
    ['d080', -128],
    ['d18000', -32_768],
    ['d280000000', -2_147_483_648],
    ['d38000000000000000', '-9223372036854775808'],
    ['ca40a00000', 5],
    ['cb4014000000000000', 5],
    ['cb3ff8000000000000', 1.5],
    ['a3352d36', '5-6'],
    ['d903352d36', '5-6'],
  ])('a time: %s', (time, value) => {
    expect(read(entry({ time }))).toEqual([['x', value, 'a']]);
  });

  test('a message that is one payload', () => {
    expect(read('c400')).toBe('');
    expect(read('c40161')).toBe('a');
    expect(read('c5000161')).toBe('a');
    expect(read('c60000000161')).toBe('a');
  });
});

describe('is as long as it says', () => {
  test.each([
    [`a0`, 0],
    [`bf${x(31)}`, 31],
    [`d920${x(32)}`, 32],
    [`d9ff${x(255)}`, 255],
    [`da0100${x(256)}`, 256],
  ])('a stream id: %.8s…', (sid, length) => {
    expect(read(entry({ sid }))).toEqual([['x'.repeat(length), null, 'a']]);
  });

  test.each([
    ['c5', '0100', 256],
    ['c5', 'ffff', 65_535],
    ['c6', '00010000', 65_536],
  ])('a payload: %s%s', (format, size, length) => {
    expect(read(entry({ payload: `${format}${size}${x(length)}` }))).toEqual([
      ['x', null, 'x'.repeat(length)],
    ]);
  });

  test('a list, up to the limit', () => {
    const list = (count: number) =>
      `dc${count.toString(16).padStart(4, '0')}${'93a178c0c40161'.repeat(count)}`;
    expect(read('90')).toEqual([]);
    expect(read(list(MAX_ENTRIES))).toHaveLength(MAX_ENTRIES);
    expect(() => read(list(MAX_ENTRIES + 1))).toThrow(
      failing('bad_header', 'the frame has 11 entries; at most 10 are allowed'),
    );
  });

  test('payloads are views of the message', () => {
    const message = Buffer.from(entry({}), 'hex');
    const [first] = readPacked(message, MAX_ENTRIES) as { payload: Uint8Array }[];
    message[message.length - 1] = 0x62;
    expect(first!.payload).toEqual(Buffer.from('b'));
  });

  test('a message within a larger buffer', () => {
    const buffer = Buffer.from(`ffff${entry({})}ffff`, 'hex');
    const message = new Uint8Array(buffer.buffer, buffer.byteOffset + 2, buffer.length - 4);
    expect(readPacked(message, MAX_ENTRIES)).toMatchObject([{ sid: 'x', time: null }]);
  });
});

// The format bytes right before and behind those that are taken.
describe('is refused', () => {
  test.each(['', '91', '9193', '9193a1', '9193a178', '9193a178c0', '9193a178c0c4', '9193a178c0c402'])(
    'cut short: %s',
    (hex) => expect(() => read(hex)).toThrow(NOT_PACKED),
  );

  test.each(['cc', 'cd00', 'ce000000', 'cf00000000000000', 'd0', 'ca000000', 'cb00000000000000'])(
    'cut short in a time: %s',
    (time) => expect(() => read(entry({ time, payload: '' }))).toThrow(NOT_PACKED),
  );

  test.each([`${entry({})}00`, 'c4016100', '9000'])('with bytes left over: %s', (hex) => {
    expect(() => read(hex)).toThrow(NOT_PACKED);
  });

  test('a list that promises more elements than there are bytes', () => {
    expect(() => read('ddffffffff')).toThrow(NOT_PACKED);
    // Of as many bytes as elements, the first is looked at.
    expect(() => read('91c0')).toThrow(NO_ENTRY);
    expect(() => read('92c0')).toThrow(NOT_PACKED);
  });

  test.each(['8f', 'a0', 'c3', 'c7000078', 'db00000000', 'de0000', '00', 'c0'])('no message: %s', (hex) => {
    expect(() => read(hex)).toThrow(NO_MESSAGE);
  });

  test.each(['92', '94', '90', 'c0', '83', 'dc0002', 'dd00000004'])('no entry: %s', (parts) => {
    expect(() => read(entry({ parts }))).toThrow(NO_ENTRY);
  });

  test.each(['c0', 'c30161', 'c70061', 'a161', '61', '91'])('no payload: %s', (payload) => {
    expect(() => read(entry({ payload }))).toThrow(NO_ENTRY);
  });

  test.each([
    ['a1ff', 'bytes that are no UTF-8, of which different ones would name the same stream'],
    ['d901ff', 'the same with a length'],
    ['9f', 'a list'],
    ['c178', 'the byte that is never used'],
    ['d80078', 'bytes of another type'],
    ['dc000178', 'a list with a length'],
    ['c40178', 'a payload'],
    ['05', 'a number'],
  ])('no stream id: %s, %s', (sid) => {
    expect(() => read(entry({ sid }))).toThrow(NO_SID);
  });

  test.each(['80', '9f', 'c2', 'c3', 'c9', 'd400ff', 'd8', 'dc0000', 'df', 'a1ff', 'c40135'])(
    'no time: %s',
    (time) => {
      expect(() => read(entry({ time }))).toThrow(NO_TIME);
    },
  );
});
