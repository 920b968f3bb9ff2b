import fc from 'fast-check';
import { pack } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import {
  AUTO_ID,
  countEntries,
  entryId,
  MAX_HEADER_BYTES,
  type PushEntry,
  type PushRules,
  splitPayload,
  unpackEntries,
} from '../../src/protocol/push-message.js';

const LATEST = 1_700_000_000_000;
const MAX_ENTRIES = 16_384;

const rules = (...sids: string[]): PushRules => ({ sids, latestTime: LATEST });
const ONE = rules('s');

/** The header as it is, and the payload as text; each entry as `sid id payload`. */
function split(header: unknown, payload: string, given = ONE): string[] {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  return splitPayload(text, Buffer.from(payload), given).map(show);
}

function unpack(value: unknown, given = ONE): string[] {
  return unpackEntries(pack(value), given).map(show);
}

const show = ({ sid, id, payload }: PushEntry) => `${sid} ${id} ${Buffer.from(payload)}`;

const failing = (code: string, message: string | RegExp = '') =>
  expect.objectContaining({
    code,
    message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
  });

describe('a JSON header', () => {
  describe.each([
    ['of one stream', ONE],
    ['of streams named by their entries', rules('*')],
    ['of several streams', rules('a', 'b')],
  ])('%s', (_, given) => {
    test.each([
      [[['x', 3]], 'abc', ['x * abc']],
      [
        [
          ['x', 1],
          ['y', 3],
        ],
        'abc',
        ['x * a', 'y * bc'],
      ],
      [
        [
          ['x', 0],
          ['y', 1],
        ],
        'abc',
        ['x * a', 'y * bc'],
      ],
      [
        [
          ['x', null, 1],
          ['x', 5, 2],
          ['y', '6-7', 3],
        ],
        'abc',
        ['x * a', 'x 5-* b', 'y 6-7 c'],
      ],
      [
        [
          ['x', 2],
          ['x', 7, 3],
        ],
        'abc',
        ['x * ab', 'x 7-* c'],
      ],
      [
        [
          ['a', 3],
          ['a', 3],
          ['a', 3],
        ],
        'abc',
        ['a * abc', 'a * ', 'a * '],
      ],
      [
        [
          ['__proto__', 1],
          ['constructor', 2],
          ['', 3],
        ],
        'abc',
        ['__proto__ * a', 'constructor * b', ' * c'],
      ],
    ])('%j', (header, payload, entries) => {
      expect(split(header, payload, given)).toEqual(entries);
    });
  });

  test.each([
    // Ends.
    [[3], 'abc', ['s * abc']],
    [[1, 2, 3], 'abc', ['s * a', 's * b', 's * c']],
    [[1, 1, 3, 3], 'abc', ['s * a', 's * ', 's * bc', 's * ']],
    // Starts.
    [[0], 'abc', ['s * abc']],
    [[0, 1, 2], 'abc', ['s * a', 's * b', 's * c']],
    [[0, 0, 3, 3], 'abc', ['s * ', 's * abc', 's * ', 's * ']],
    // The payload as it is.
    [[], 'abc', ['s * abc']],
    // Nothing at all.
    [[], '', ['s * ']],
    [[0], '', ['s * ']],
    [[0, 0], '', ['s * ', 's * ']],
    // The stream of the path, named or not.
    [[[null, 3]], 'abc', ['s * abc']],
    [[[null, 9, 3]], 'abc', ['s 9-* abc']],
    [[1, [null, 2], ['t', 3]], 'abc', ['s * a', 's * b', 't * c']],
  ])('of one stream: %j over %j', (header, payload, entries) => {
    expect(split(header, payload)).toEqual(entries);
  });

  test.each([
    [
      [1, 3],
      ['a * a', 'b * bc'],
    ],
    [
      [0, 1],
      ['a * a', 'b * bc'],
    ],
    [
      [0, 3],
      ['a * abc', 'b * '],
    ],
    [
      [1, ['c', 3]],
      ['a * a', 'c * bc'],
    ],
  ])('of two streams: %j', (header, entries) => {
    expect(split(header, 'abc', rules('a', 'b'))).toEqual(entries);
  });

  test.each([
    ['[3.0]', ['s * abc']],
    ['[1e0,0.3e1]', ['s * a', 's * bc']],
    ['[30e-1]', ['s * abc']],
    ['[-0]', ['s * abc']],
    [' [\n1 ,\t3 ]\r\n', ['s * a', 's * bc']],
    ['[["\\u0073",3]]', ['s * abc']],
  ])('a whole number is one in any spelling: %s', (header, entries) => {
    expect(split(header, 'abc')).toEqual(entries);
  });

  test('entries are views of the payload', () => {
    const payload = Buffer.from('abc');
    const [first, second] = splitPayload('[1,3]', payload, ONE);
    payload.write('xyz');
    expect(show(first!)).toBe('s * x');
    expect(show(second!)).toBe('s * yz');
  });
});

describe('a JSON header is refused', () => {
  const WHOLE = 'an offset must be a whole number';
  const ELEMENT = 'a header element must be';
  const ENDS = "the last offset must be the payload's length, 3 bytes, not";

  test.each([
    // Offsets that are no offsets.
    ['[-1]', WHOLE],
    ['[1.5]', WHOLE],
    ['[2.9999]', WHOLE],
    ['[1e-1]', WHOLE],
    ['[9007199254740992]', WHOLE],
    ['[1e308]', WHOLE],
    ['[1e999]', WHOLE],
    ['[-1e999]', WHOLE],
    ['[18446744073709551616]', WHOLE],
    ['[["s","3"]]', WHOLE],
    ['[["s",null]]', WHOLE],
    ['[["s",true]]', WHOLE],
    ['[["s",[3]]]', WHOLE],
    ['[["s",null,null]]', WHOLE],
    ['[["s",5,"3"]]', WHOLE],
    // Elements that are no elements.
    ['["3"]', ELEMENT],
    ['[null]', ELEMENT],
    ['[true]', ELEMENT],
    ['[{}]', ELEMENT],
    ['[{"0":"s","1":3,"length":2}]', ELEMENT],
    ['[{"__proto__":[]}]', ELEMENT],
    ['[[]]', ELEMENT],
    ['[[3]]', ELEMENT],
    ['[["s"]]', ELEMENT],
    ['[["s",null,3,3]]', ELEMENT],
    ['[3,null]', ELEMENT],
    // Stream ids that are none.
    ['[[5,3]]', 'a stream id must be'],
    ['[[true,3]]', 'a stream id must be'],
    ['[[["s"],3]]', 'a stream id must be'],
    ['[[{},null,3]]', 'a stream id must be'],
    // No JSON array.
    ['', 'does not parse as JSON'],
    ['[', 'does not parse as JSON'],
    ['[3,]', 'does not parse as JSON'],
    ['[03]', 'does not parse as JSON'],
    ['[+3]', 'does not parse as JSON'],
    ['[0x3]', 'does not parse as JSON'],
    ['[NaN]', 'does not parse as JSON'],
    ['[3] x', 'does not parse as JSON'],
    ["[['s',3]]", 'does not parse as JSON'],
    ['\ufeff[3]', 'does not parse as JSON'],
    ['{}', 'must be a JSON array'],
    ['{"length":1,"0":3}', 'must be a JSON array'],
    ['3', 'must be a JSON array'],
    ['"[3]"', 'must be a JSON array'],
    ['null', 'must be a JSON array'],
    // Bytes left over, or past the end.
    ['[2]', `${ENDS} 2`],
    ['[4]', `${ENDS} 4`],
    ['[1,2]', ENDS],
    ['[1,4]', ENDS],
    ['[9007199254740991]', ENDS],
    ['[5,3]', "at most the payload's length, 3 bytes, not 5"],
    ['[0,4]', "at most the payload's length, 3 bytes, not 4"],
    // Backwards.
    ['[2,1,3]', 'must not go backwards, but'],
    ['[0,2,1]', 'must not go backwards, but'],
    ['[1,0]', ENDS],
    ['[1,0,3]', 'must not go backwards, but'],
  ])('%s', (header, message) => {
    expect(() => split(header, 'abc')).toThrow(failing('bad_header', message));
  });

  test.each([
    ['null', 'null'],
    ['true', 'true'],
    ['1.5', '1.5'],
    ['"3"', "'3'"],
    [`"${'x'.repeat(64)}"`, `'${'x'.repeat(64)}'`],
    [`"${'x'.repeat(65)}"`, `'${'x'.repeat(64)}…'`],
    ['[3]', 'an array'],
    ['{"a":3}', 'an object'],
  ])('and the sentence shows what was given: %.20s', (value, shown) => {
    expect(() => split(`[["s",${value}]]`, 'abc')).toThrow(
      expect.objectContaining({ message: `${WHOLE} of bytes from 0, not ${shown}` }),
    );
  });

  test('where it holds a million nested arrays', () => {
    const deep = '['.repeat(500_000) + ']'.repeat(500_000);
    expect(() => split(deep, '')).toThrow(failing('bad_header', 'none of which nests deeper'));
  });

  test('where one element takes as long to parse as many entries', () => {
    const wide = `[[${'1,'.repeat(70_000)}1]]`;
    expect(() => split(wide, '')).toThrow(failing('bad_header', 'may have at most 16384 entries'));
  });

  test.each([
    [rules('*'), '[3]'],
    [rules('*'), '[]'],
    [rules('*'), '[[null,3]]'],
    [rules('a', 'b'), '[]'],
    [rules('a', 'b'), '[[null,3]]'],
    [rules('a', 'b'), '[[null,null,3]]'],
  ])('where an entry of %j has no stream: %s', (given, header) => {
    expect(() => split(header, 'abc', given)).toThrow(failing('bad_header', 'must name its stream'));
  });

  test.each(['[3]', '[1,2,3]', '[["a",1],3,3]'])(
    'of two streams with another number of offsets: %s',
    (header) => {
      expect(() => split(header, 'abc', rules('a', 'b'))).toThrow(
        failing('bad_header', /one offset for each of 2 streams, not [13]$/),
      );
    },
  );
});

describe('the size of a header', () => {
  test('16 384 entries are taken, one more is not', () => {
    const ends = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    const payload = Buffer.alloc(MAX_ENTRIES + 1, 'x');
    const entries = splitPayload(JSON.stringify(ends(MAX_ENTRIES)), payload.subarray(1), ONE);
    expect(entries).toHaveLength(MAX_ENTRIES);
    expect(entries.every((entry) => entry.payload.length === 1)).toBe(true);
    expect(() => splitPayload(JSON.stringify(ends(MAX_ENTRIES + 1)), payload, ONE)).toThrow(
      failing('bad_header', '16385 entries; at most 16384 are allowed'),
    );
  });

  test('a MiB is taken, one byte more is not', () => {
    const header = '[3]'.padEnd(MAX_HEADER_BYTES);
    expect(split(header, 'abc')).toEqual(['s * abc']);
    expect(() => split(`${header} `, 'abc')).toThrow(failing('bad_header', 'at most 1048576 bytes'));
  });
});

describe('countEntries', () => {
  test.each([
    ['[]', 1],
    ['[3]', 1],
    ['[1,2,3]', 3],
    ['[["x",1],null,{}]', 3],
    ['{}', 1],
    ['5', 1],
    ['not JSON', 1],
    ['', 1],
    [JSON.stringify(new Array(MAX_ENTRIES + 5).fill(1)), MAX_ENTRIES],
    [`[1,2]${' '.repeat(MAX_HEADER_BYTES)}`, 1],
  ])('%.20s is owed %i', (header, acks) => {
    expect(countEntries(header)).toBe(acks);
  });
});

describe("an entry's time", () => {
  test.each([
    [null, AUTO_ID],
    [undefined, AUTO_ID],
    [0, '0-*'],
    [5, '5-*'],
    ['5', '5-*'],
    ['5-0', '5-0'],
    ['5-18446744073709551615', '5-18446744073709551615'],
    ['00000000000000000005', '5-*'],
    ['05-06', '5-6'],
    [LATEST, `${LATEST}-*`],
    [`${LATEST}-7`, `${LATEST}-7`],
  ])('%j is %s', (time, id) => {
    expect(entryId(time, ONE)).toBe(id);
  });

  test.each([
    '',
    '-',
    '*',
    '$',
    '5-',
    '-5',
    '5-*',
    '5-5-5',
    '5.0',
    '1e3',
    ' 5',
    '5\n',
    '+5',
    'now',
    '2026-01-01T00:00:00Z',
    '5\r\n*1\r\n',
    '123456789012345678901',
    '5-123456789012345678901',
    '5-18446744073709551616',
    '99999999999999999999',
    1.5,
    -1,
    -5e10,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    false,
    [],
    [5],
    {},
    5n,
    new Date(5),
  ])('%o is none', (time) => {
    expect(() => entryId(time, ONE)).toThrow(failing('bad_header', "an entry's time must be"));
  });

  test.each([
    LATEST + 1,
    `${LATEST + 1}`,
    `${LATEST + 1}-0`,
    Number.MAX_SAFE_INTEGER,
    '18446744073709551615',
    '18446744073709551615-18446744073709551615',
  ])('%s is too far ahead', (time) => {
    expect(() => entryId(time, ONE)).toThrow(failing('time_in_future', String(time)));
  });
});

/** A payload cut at random, as ends or starts, with stream ids and times or without. */
const cutPayload = fc
  .record({
    payload: fc.uint8Array({ maxLength: 300 }),
    cuts: fc.array(fc.nat(300), { maxLength: 20 }),
    named: fc.constantFrom('bare', 'sid', 'time'),
    sids: fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), { minLength: 1 }),
    times: fc.array(
      fc.oneof(
        fc.constant(null),
        fc.nat(LATEST),
        fc.nat(LATEST).map(String),
        fc.tuple(fc.nat(LATEST), fc.nat()).map((parts) => parts.join('-')),
      ),
      { minLength: 1 },
    ),
  })
  .map(({ payload, cuts, named, sids, times }) => {
    const inner = cuts.map((cut) => Math.min(cut, payload.length)).sort((a, b) => a - b);
    const ends = [...inner, payload.length];
    const starts = [0, ...inner];
    const entries = ends.map((end, index) => ({
      sid: named === 'bare' ? 's' : sids[index % sids.length]!,
      time: named === 'time' ? times[index % times.length]! : null,
      payload: Buffer.from(payload.subarray(starts[index], end)),
    }));
    const header = (offsets: number[]) =>
      JSON.stringify(
        offsets.map((offset, index) => {
          const { sid, time } = entries[index]!;
          return named === 'bare' ? offset : named === 'sid' ? [sid, offset] : [sid, time, offset];
        }),
      );
    return { payload, entries, ends: header(ends), starts: header(starts), endsBegin: ends[0]! };
  });

const expectedId = (time: string | number | null) =>
  time === null ? AUTO_ID : String(time).includes('-') ? String(time) : `${time}-*`;

describe('any split of any payload comes back', () => {
  test('under a JSON header', () => {
    fc.assert(
      fc.property(cutPayload, ({ payload, entries, ends, starts, endsBegin }) => {
        const expected = entries.map(({ sid, time, payload: bytes }) => [sid, expectedId(time), bytes]);
        const read = (header: string) =>
          splitPayload(header, payload, ONE).map(({ sid, id, payload: bytes }) => [
            sid,
            id,
            Buffer.from(bytes),
          ]);
        expect(read(starts)).toEqual(expected);
        // A first end of 0 cannot be told from a first start.
        if (endsBegin > 0) expect(read(ends)).toEqual(expected);
      }),
    );
  });

  test('in MessagePack', () => {
    fc.assert(
      fc.property(cutPayload, ({ entries }) => {
        const message = pack(entries.map(({ sid, time, payload }) => [sid, time, payload]));
        expect(
          unpackEntries(message, ONE).map(({ sid, id, payload }) => [sid, id, Buffer.from(payload)]),
        ).toEqual(entries.map(({ sid, time, payload }) => [sid, expectedId(time), payload]));
      }),
    );
  });

  test('and whatever a header says, what is taken covers the payload exactly', () => {
    const junk = fc.oneof(
      fc.integer({ min: -2, max: 12 }),
      fc.double(),
      fc.tuple(fc.constantFrom('a', null), fc.integer({ min: -1, max: 12 })),
      fc.tuple(fc.constantFrom('a', null), fc.constantFrom(null, 5, '5-5'), fc.integer({ min: -1, max: 12 })),
      fc.jsonValue({ maxDepth: 2 }),
    );
    fc.assert(
      fc.property(fc.array(junk, { maxLength: 4 }), fc.uint8Array({ maxLength: 10 }), (items, payload) => {
        let entries: PushEntry[];
        try {
          entries = splitPayload(JSON.stringify(items), payload, ONE);
        } catch (error) {
          expect(error).toBeInstanceOf(Failure);
          expect((error as Failure).code).toBe('bad_header');
          return;
        }
        expect(entries).toHaveLength(Math.max(items.length, 1));
        expect(Buffer.concat(entries.map((entry) => entry.payload))).toEqual(Buffer.from(payload));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a MessagePack message', () => {
  test.each([
    [Buffer.from('abc'), ['s * abc']],
    [Buffer.alloc(0), ['s * ']],
    [[[null, null, Buffer.from('abc')]], ['s * abc']],
    [
      [
        ['x', null, Buffer.from('a')],
        ['x', 5, Buffer.from('')],
        ['y', '6-7', Buffer.from('c')],
      ],
      ['x * a', 'x 5-* ', 'y 6-7 c'],
    ],
    [[['__proto__', null, Buffer.from('a')]], ['__proto__ * a']],
    [[], []],
  ])('%j', (value, entries) => {
    expect(unpack(value)).toEqual(entries);
  });

  test.each([
    // What other libraries make of a time in ms: uint64, int64, float64.
    ['cf0000018bcfe56800', '1700000000000-*'],
    ['d30000018bcfe56800', '1700000000000-*'],
    ['cb4278bcfe56800000', '1700000000000-*'],
    ['ce00000005', '5-*'],
    ['cd0005', '5-*'],
    ['05', '5-*'],
  ])('a time spelled %s', (time, id) => {
    // [["x", time, bin "ab"]]
    const message = Buffer.from(`9193a178${time}c4026162`, 'hex');
    expect(unpackEntries(message, ONE).map(show)).toEqual([`x ${id} ab`]);
  });

  test.each([
    ['cfffffffffffffffff', 'time_in_future'],
    ['d3ffffffffffffffff', 'bad_header'],
    ['ff', 'bad_header'],
    ['cb3ff8000000000000', 'bad_header'],
    ['cb7ff8000000000000', 'bad_header'],
    ['c3', 'bad_header'],
    ['90', 'bad_header'],
    ['80', 'bad_header'],
    ['d6ff00000005', 'bad_header'],
  ])('a time that is none: %s', (time, code) => {
    const message = Buffer.from(`9193a178${time}c4026162`, 'hex');
    expect(() => unpackEntries(message, ONE)).toThrow(failing(code));
  });

  const BIN = Buffer.from('a');
  const ENTRY = 'an entry must be';
  const FRAME = 'the frame must be';

  test.each([
    [null, FRAME],
    ['abc', FRAME],
    [5, FRAME],
    [true, FRAME],
    [{ 0: ['x', null, BIN] }, FRAME],
    [new Map([['__proto__', BIN]]), FRAME],
    [new Date(5), FRAME],
    [[BIN], ENTRY],
    [['x', null, BIN], ENTRY],
    [[[]], ENTRY],
    [[['x', BIN]], ENTRY],
    [[['x', null, 'a']], ENTRY],
    [[['x', null, null]], ENTRY],
    [[['x', null, [97]]], ENTRY],
    [[['x', null, BIN, BIN]], ENTRY],
    [[{ 0: 'x', 1: null, 2: BIN }], ENTRY],
  ])('%j is no message', (value, message) => {
    expect(() => unpack(value)).toThrow(failing('bad_body', message));
  });

  test.each([[[5, null, BIN]], [[BIN, null, BIN]], [[true, null, BIN]], [[['x'], null, BIN]]])(
    '%j has no stream id',
    (entry) => {
      expect(() => unpack([entry])).toThrow(failing('bad_header', 'a stream id must be'));
    },
  );

  test.each([[rules('*')], [rules('a', 'b')]])('an entry of %j must name its stream', (given) => {
    expect(unpack([['x', null, BIN]], given)).toEqual(['x * a']);
    expect(() => unpack([[null, null, BIN]], given)).toThrow(failing('bad_header', 'must name its stream'));
    expect(() => unpack(BIN, given)).toThrow(failing('bad_header', 'must name its stream'));
  });

  test.each([
    ['', 'nothing'],
    ['c1', 'the byte that is never used'],
    ['c4', 'a bin without a length'],
    ['c40361', 'a bin cut short'],
    ['c4016100', 'a byte too many'],
    ['c40161c40162', 'two values'],
    ['91', 'an array without its element'],
    ['ddffffffff', 'an array of four thousand million'],
    ['dfffffffff', 'a map of as many'],
    ['c6ffffffff', 'a bin of as many'],
    ['dcffff'.repeat(5000), 'arrays that promise far more than they hold'],
    ['91'.repeat(200_000), 'a deep nest'],
    ['d47240', "a record of the library's own making"],
  ])('%.20s… does not parse: %s', (hex) => {
    expect(() => unpackEntries(Buffer.from(hex, 'hex'), ONE)).toThrow(failing('bad_body'));
  });

  test('a large frame with one byte too many is refused as fast as any', () => {
    const bytes = 32 * 1024 * 1024;
    const message = Buffer.alloc(bytes + 6);
    message[0] = 0xc6;
    message.writeUInt32BE(bytes, 1);
    const begin = performance.now();
    expect(() => unpackEntries(message, ONE)).toThrow(failing('bad_body', 'does not parse as MessagePack'));
    // Printing it into the library's error took 30 s.
    expect(performance.now() - begin).toBeLessThan(1000);
  });

  test('one message cannot change how the next is read', () => {
    // Ext 'r' teaches the library a record under id 0x40, which is otherwise the number 64.
    const teach = Buffer.from('92d4724091a161c40161', 'hex');
    expect(() => unpackEntries(teach, ONE)).toThrow(failing('bad_body'));
    expect(unpackEntries(Buffer.from('9193a17840c40161', 'hex'), ONE).map(show)).toEqual(['x 64-* a']);
  });

  test('16 384 entries are taken, one more is not', () => {
    const entries = (count: number) => pack(new Array(count).fill(['x', null, BIN]));
    expect(unpackEntries(entries(MAX_ENTRIES), ONE)).toHaveLength(MAX_ENTRIES);
    expect(() => unpackEntries(entries(MAX_ENTRIES + 1), ONE)).toThrow(failing('bad_header', '16384'));
  });

  test('any bytes are entries or a failure, never anything else', () => {
    const valid = pack([
      ['x', null, Buffer.from('abc')],
      [null, 5, Buffer.alloc(40)],
    ]);
    const damaged = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
      .map((changes) => {
        const bytes = new Uint8Array(valid);
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 40 })), (message) => {
        let entries: PushEntry[];
        try {
          entries = unpackEntries(message, ONE);
        } catch (error) {
          const code = error instanceof Failure ? error.code : error;
          expect(code).toBeOneOf(['bad_body', 'bad_header', 'time_in_future']);
          return;
        }
        const isEntry = ({ sid, id, payload }: PushEntry) =>
          typeof sid === 'string' && /^(\*|\d+-(\*|\d+))$/.test(id) && payload instanceof Uint8Array;
        expect(entries.filter((entry) => !isEntry(entry))).toEqual([]);
      }),
      { numRuns: 5000 },
    );
  });
});
