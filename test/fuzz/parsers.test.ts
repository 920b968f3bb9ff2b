/** Everything that reads what clients send, with inputs of all kinds: what is refused is refused by a Failure. */
import fc from 'fast-check';
import { GraphQLError } from 'graphql';
import { Unpackr } from 'msgpackr';
import { expect } from 'vitest';
import { Documents } from '../../src/graphql/documents.js';
import { createSchema } from '../../src/graphql/executable.js';
import { parseBounded } from '../../src/graphql/limits.js';
import { Failure, type FailureCode } from '../../src/protocol/errors.js';
import { checkDeviceId, checkPrefix, checkStreamId, checkWritable } from '../../src/protocol/names.js';
import {
  parsePullParameters,
  parsePushParameters,
  parseSelection,
  Query,
} from '../../src/protocol/parameters.js';
import {
  countEntries,
  type PushEntry,
  splitPayload,
  unpackEntries,
} from '../../src/protocol/push-message.js';
import { streamKey } from '../../src/redis/keys.js';
import { HostCheck } from '../../src/server/admission/host-check.js';
import { OriginPolicy } from '../../src/server/admission/origins.js';
import { parseForm } from '../../src/server/endpoints/data/form.js';
import { damaged, fuzz, printCounts } from '../support/fuzz.js';

printCounts();

/** What `step` makes, or undefined where it refused with one of these codes; anything else fails. */
function taken<T>(codes: readonly FailureCode[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect(codes).toContain((error as Failure).code);
    return undefined;
  }
}

const NOW = 1_800_000_000_000;
const anyText = fc.string({ unit: 'binary', maxLength: 30 });

// ---------------------------------------------------------------------------------------------------------

const sids = fc.array(fc.oneof(fc.constantFrom('a', 'b', '*'), anyText), { minLength: 1, maxLength: 4 });
const time = fc.oneof(
  fc.constant(null),
  fc.nat(NOW),
  fc.constantFrom('5-5', '5', NOW * 2, -1, 1.5, '', '1-1-1'),
  anyText,
);
const headerValue = fc.oneof(
  { depthSize: 'small', maxDepth: 3 },
  fc.array(
    fc.oneof(
      fc.integer({ min: -2, max: 60 }),
      fc.tuple(fc.oneof(anyText, fc.constant(null)), fc.nat(60)),
      fc.tuple(fc.oneof(anyText, fc.constant(null)), time, fc.nat(60)),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    { maxLength: 8 },
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
const headerText = fc.oneof(
  headerValue.map((value) => JSON.stringify(value)),
  damaged(headerValue.map((value) => Buffer.from(JSON.stringify(value)))).map(String),
  anyText,
  // Long enough to be looked at before it is parsed.
  fc
    .tuple(headerValue, fc.constantFrom(' ', '[', ']', '{', ',', '"', '\\', '1'))
    .map(([value, filler]) => JSON.stringify(value) + filler.repeat(5000)),
);

function checkEntries(entries: readonly PushEntry[]): void {
  for (const { sid, id, payload } of entries) {
    expect(typeof sid).toBe('string');
    expect(id).toMatch(/^(\*|\d{1,20}-(\*|\d{1,20}))$/);
    expect(payload).toBeInstanceOf(Uint8Array);
  }
}

fuzz(
  'push headers',
  0.25,
  fc.tuple(headerText, fc.uint8Array({ maxLength: 60 }), sids),
  ([header, payload, ids]) => {
    const owed = countEntries(header);
    expect(owed).toBeGreaterThanOrEqual(1);
    expect(owed).toBeLessThanOrEqual(16_384);
    const entries = taken(['bad_header', 'time_in_future'], () =>
      splitPayload(header, payload, { sids: ids, latestTime: NOW }),
    );
    if (entries === undefined) return;
    checkEntries(entries);
    // What is taken is the payload, whole and in order.
    expect(Buffer.concat(entries.map((entry) => entry.payload))).toEqual(Buffer.from(payload));
  },
);

// ---------------------------------------------------------------------------------------------------------

/** A number in one of the widths that can hold it, as other libraries choose differently. */
const packedInteger = fc.tuple(fc.nat(0xffffffff), fc.constantFrom(0, 1, 2, 3)).map(([value, width]) => {
  const bytes = Buffer.alloc(9);
  if (width === 0) return Buffer.of(value & 0x7f);
  bytes[0] = [0, 0xce, 0xcf, 0xd3][width]!;
  if (width === 1) bytes.writeUInt32BE(value, 1);
  else bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes.subarray(0, width === 1 ? 5 : 9);
});
const packedText = fc.tuple(anyText, fc.constantFrom(1, 2, 4)).map(([text, width]) => {
  const bytes = Buffer.from(text);
  if (bytes.length < 32 && width === 1) return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes]);
  return Buffer.concat([packedLength([0, 0xd9, 0xda, 0, 0xdb][width]!, width, bytes.length), bytes]);
});
const packedBytes = fc
  .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(1, 2, 4))
  .map(([bytes, width]) =>
    Buffer.concat([packedLength([0, 0xc4, 0xc5, 0, 0xc6][width]!, width, bytes.length), bytes]),
  );
function packedLength(format: number, width: number, length: number): Buffer {
  const head = Buffer.alloc(1 + width, format);
  head.writeUIntBE(length, 1, width);
  return head;
}
const NIL = Buffer.of(0xc0);
const packedEntry = fc
  .tuple(
    fc.oneof(packedText, fc.constant(NIL)),
    fc.oneof(packedText, packedInteger, fc.constant(NIL)),
    packedBytes,
  )
  .map((parts) => Buffer.concat([Buffer.of(0x93), ...parts]));
const packedMessage = fc.oneof(
  packedBytes,
  fc
    .array(packedEntry, { maxLength: 15 })
    .map((entries) => Buffer.concat([Buffer.of(0x90 | entries.length), ...entries])),
  fc
    .array(packedEntry, { maxLength: 20 })
    .map((entries) => Buffer.concat([packedLength(0xdc, 2, entries.length), ...entries])),
);
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false, int64AsType: 'string' });

fuzz(
  'MessagePack frames',
  0.15,
  fc.oneof(packedMessage, damaged(packedMessage), fc.uint8Array({ maxLength: 60 })),
  (message) => {
    const rules = { sids: ['s'], latestTime: NOW };
    const entries = taken(['bad_body', 'bad_header', 'time_in_future'], () => unpackEntries(message, rules));
    if (entries === undefined) return;
    checkEntries(entries);
    // A reader that knows the whole of MessagePack reads the same.
    const value = unpackr.unpack(Buffer.from(message)) as Uint8Array | [string | null, unknown, Uint8Array][];
    const expected =
      value instanceof Uint8Array ? [['s', value]] : value.map(([sid, , bin]) => [sid ?? 's', bin]);
    expect(entries.map(({ sid, payload }) => [sid, Buffer.from(payload)])).toEqual(
      expected.map(([sid, bin]) => [sid, Buffer.from(bin as Uint8Array)]),
    );
  },
);

// ---------------------------------------------------------------------------------------------------------

const PARAMETERS = [
  'device_id',
  'prefix',
  'last_entry_id',
  'from',
  'until',
  'speed',
  'gaps',
  'latest',
  'count',
  'block',
  'header',
  'offsets',
  'ack',
  'max_fps',
  'keep_device_id_in_stream_id',
  'min_replicas',
  'token',
  'x',
];
const parameterValue = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '-1',
    'true',
    'no',
    '$',
    '-',
    '5-5',
    '0+$',
    'raw',
    'msgpack',
    'end',
    '1e3',
    '2024-05-06',
    '2024-05-06T07:08:09.5+02:00',
    '%31',
    '%',
    '%zz',
    '%ff',
    '+',
  ),
  fc.integer().map(String),
  fc.double().map(String),
  anyText.map((text) => encodeURIComponent(text.toWellFormed())),
  anyText,
);
const query = fc
  .array(fc.tuple(fc.oneof(fc.constantFrom(...PARAMETERS), anyText), parameterValue), { maxLength: 6 })
  .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
const path = fc
  .array(
    fc.oneof(
      fc.constantFrom('a', 'b', '*', ':event:device.meta', '%2F', '%2B', '%00', '%'),
      anyText.map((text) => encodeURIComponent(text.toWellFormed())),
      anyText,
    ),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((parts) => parts.join('+'));

fuzz('parameters', 0.15, fc.tuple(fc.oneof(query, anyText), path), ([given, sidPart]) => {
  taken(['bad_parameter', 'bad_name'], () => {
    const parsed = new Query(given);
    const selection = parseSelection(sidPart, parsed);
    expect(new Set(selection.sids).size).toBe(selection.sids.length);
    const pull = parsePullParameters(parsed, selection, 'rest');
    expect(pull.cursors).toHaveLength(selection.sids.length);
    expect(pull.resumes).toHaveLength(selection.sids.length);
    if (pull.until !== undefined) expect(pull.until).toMatch(/^\d{1,20}-\d{1,20}$/);
    expect(pull.speed).toSatisfy((speed: number) => speed >= 0 && speed <= 1_000_000);
    for (const cursor of pull.cursors) expect(cursor).toMatch(/^(\$|\d{1,20}-\d{1,20})$/);
    expect(pull.count).toSatisfy(
      (count: number) => Number.isInteger(count) && count >= 1 && count <= 1_000_000,
    );
    expect(pull.block).toSatisfy((block: number) => Number.isInteger(block) && block >= -1);
    expect(pull.maxFps).toSatisfy((fps: number) => fps >= 0 && fps <= 1_000_000);
    parsePushParameters(parsed, selection);
  });
});

// ---------------------------------------------------------------------------------------------------------

const nameText = fc.oneof(
  anyText,
  fc.string({
    unit: fc.constantFrom(
      'a',
      ':',
      '+',
      '/',
      '%',
      '*',
      '\0',
      '\n',
      '\x7f',
      '\x85',
      'é',
      '😀',
      '\ud800',
      '\udc00',
    ),
    maxLength: 12,
  }),
  fc
    .tuple(fc.constantFrom('a', 'é', '漢', '😀'), fc.integer({ min: 120, max: 520 }))
    .map(([unit, count]) => unit.repeat(count)),
);

/** The rules of names once more, in other words. */
function isName(name: string): boolean {
  const bytes = Buffer.from(name);
  const isPlain = [...name].every((character) => {
    const code = character.codePointAt(0)!;
    return (
      code >= 0x20 &&
      !(code >= 0x7f && code <= 0x9f) &&
      character !== '+' &&
      !(code >= 0xd800 && code <= 0xdfff)
    );
  });
  return bytes.length >= 1 && bytes.length <= 512 && isPlain;
}

fuzz('names', 0.1, fc.tuple(nameText, nameText, nameText), ([device, prefix, sid]) => {
  const accepts = (check: (name: string) => void, name: string) =>
    taken(['bad_name', 'reserved_name'], () => {
      check(name);
      return true;
    }) ?? false;
  expect(accepts(checkStreamId, sid)).toBe(isName(sid));
  expect(accepts(checkDeviceId, device)).toBe(isName(device) && !device.includes(':'));
  expect(accepts(checkPrefix, prefix)).toBe(prefix === '' || isName(prefix));
  if (!accepts(checkDeviceId, device) || !accepts(checkPrefix, prefix) || !accepts(checkStreamId, sid))
    return;
  if (!accepts(checkWritable, sid)) {
    expect(sid.startsWith(':')).toBe(true);
    return;
  }
  const key = taken(['reserved_name'], () => streamKey(device, prefix, sid, true));
  expect(key).toBe(`${device}:${prefix}${sid}`);
});

// ---------------------------------------------------------------------------------------------------------

const BOUNDARY = 'bnd';
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const content = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc
    .constantFrom('', '\r\n', '\r\n--', `\r\n--${BOUNDARY.slice(0, -1)}`, '--', '\r\n\r\n')
    .map((text) => Buffer.from(text)),
);
const filename = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .map((text) => text.toWellFormed().replaceAll(/[\r\n"\\%\0]/g, '_'));
const formParts = fc.array(
  fc.record({
    name: fc.constantFrom('entries', 'other', 'Entries'),
    filename,
    content,
    more: fc.constantFrom('', 'X: y\r\n', 'Content-Type: a/b\r\n'),
  }),
  { maxLength: 6 },
);
type Part = {
  readonly name: string;
  readonly filename: string;
  readonly content: Uint8Array;
  readonly more: string;
};
function writeForm(parts: readonly Part[]): Buffer {
  const written = parts.flatMap((part) => [
    Buffer.from(
      `--${BOUNDARY}\r\n${part.more}Content-Disposition: form-data; name="${part.name}"; filename="${part.filename}"\r\n\r\n`,
    ),
    Buffer.from(part.content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...written, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

fuzz('forms that are whole', 0.06, formParts, (parts) => {
  const expected = parts.filter(({ name }) => name === 'entries');
  const entries = taken(['bad_body'], () => parseForm(FORM_TYPE, writeForm(parts)));
  if (entries === undefined) {
    expect(expected).toEqual([]);
    return;
  }
  expect(entries.map((entry) => [entry.filename, Buffer.from(entry.payload)])).toEqual(
    expected.map((part) => [part.filename, Buffer.from(part.content)]),
  );
});

fuzz(
  'forms that are not',
  0.09,
  fc.tuple(
    fc.oneof(damaged(formParts.map(writeForm)), fc.uint8Array({ maxLength: 80 })),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant(FORM_TYPE) },
      { weight: 1, arbitrary: anyText.map((text) => `multipart/form-data; boundary=${text}`) },
    ),
  ),
  ([body, type]) => {
    const entries = taken(['bad_body', 'payload_too_large'], () => parseForm(type, body));
    // Views of the body, one behind the other.
    let end = 0;
    for (const { payload } of entries ?? []) {
      expect(payload.buffer).toBe(body.buffer);
      expect(payload.byteOffset - body.byteOffset).toBeGreaterThanOrEqual(end);
      end = payload.byteOffset - body.byteOffset + payload.length;
    }
    expect(end).toBeLessThanOrEqual(body.length);
  },
);

// ---------------------------------------------------------------------------------------------------------

const schema = createSchema();
const WORDS = [
  'query',
  'mutation',
  'subscription',
  'fragment',
  'on',
  '{',
  '}',
  '{',
  '}',
  '(',
  ')',
  '[',
  ']',
  ':',
  '!',
  '$a',
  '@skip(if: true)',
  '...',
  '...f',
  '... on Stream',
  'fragment f on Query',
  '__schema',
  '__type(name: "Query")',
  '__typename',
  'types',
  'fields',
  'type',
  'devices',
  'streams',
  'stream(id: "a")',
  'device(id: "d")',
  'id',
  'length',
  'meta',
  'ids: ["a"]',
  'streamIds: ["a"]',
  'a:',
  '"',
  '"""',
  '#',
  '\\u{1f600}',
  '1e9',
  'null',
  '$',
];
const document = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), anyText), { maxLength: 60 })
  .map((words) => words.join(' '));
const selection = fc.letrec<{ field: string; set: string }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 6, depthSize: 'medium' },
    fc.constantFrom('id', 'length', '__typename', 'x'),
    fc
      .tuple(
        fc.constantFrom(
          'devices',
          'streams',
          'stream(id: "a")',
          'a: devices',
          '... on Query',
          '... on Device',
          '__schema',
          'types',
          'fields',
        ),
        tie('set'),
      )
      .map((parts) => parts.join(' ')),
  ),
  set: fc.array(tie('field'), { minLength: 1, maxLength: 5 }).map((fields) => `{ ${fields.join(' ')} }`),
})).set;

fuzz(
  'GraphQL documents',
  0.1,
  fc.oneof(document, selection, damaged(selection.map((text) => Buffer.from(text))).map(String)),
  (source) => {
    try {
      const errors = new Documents(schema).validate(parseBounded(source));
      for (const error of errors) expect(error).toBeInstanceOf(GraphQLError);
    } catch (error) {
      expect(error).toBeInstanceOf(GraphQLError);
    }
  },
);

// ---------------------------------------------------------------------------------------------------------

const hostPart = fc.oneof(
  fc.constantFrom(
    'localhost',
    '127.0.0.1',
    '[::1]',
    'evil.test',
    '.',
    ':',
    '@',
    '8000',
    '/',
    '#',
    '?',
    '\\',
    'http://',
    'https://',
    'null',
    '\t',
    ' ',
  ),
  anyText,
);
const hostText = fc.array(hostPart, { maxLength: 5 }).map((parts) => parts.join(''));
const LOOPBACK = /^(.*\.)?localhost\.?$|^127\.|^\[::1\]$/;
const hosts = new HostCheck(undefined, '127.0.0.1', true);
const origins = new OriginPolicy(undefined);

fuzz('hosts and origins', 0.1, fc.tuple(hostText, hostText), ([host, origin]) => {
  // Where a browser would go to for such an address.
  if (hosts.allows(host)) expect(new URL(`http://${host}/`).hostname).toMatch(LOOPBACK);
  if (origin !== '' && origins.allows(origin, host)) {
    const { hostname, host: whole, protocol } = new URL(origin);
    const own = `${protocol}//${host}`;
    const isOwn = URL.canParse(own) && whole === new URL(own).host;
    expect(isOwn || LOOPBACK.test(hostname)).toBe(true);
    for (const [, value] of origins.answerHeaders(origin, host)) expect(value).toMatch(/^[ -~]*$/);
  }
});
