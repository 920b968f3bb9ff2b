/**
 * Everything that reads what clients send takes time in proportion to it. A new parser gets a row here: what it
 * does with an input of some size, of the kind that costs it most. Sizes are such that quadratic work shows.
 */
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { matchGlob } from '../../src/access/globs.js';
import { JwtVerifier } from '../../src/access/jwt.js';
import { tokenId } from '../../src/access/tokens.js';
import { KeyGlob } from '../../src/catalog/key-glob.js';
import { encodeMetadata } from '../../src/catalog/metadata.js';
import { checkDocumentSize } from '../../src/graphql/document-size.js';
import { createSchema } from '../../src/graphql/executable.js';
import { checkRequestText, parseBounded } from '../../src/graphql/limits.js';
import { readTags } from '../../src/protocol/entity-tags.js';
import { parseEntryId } from '../../src/protocol/entry-id.js';
import { parseJsonText } from '../../src/protocol/json-text.js';
import { detectMediaType, readMediaType } from '../../src/protocol/media-type.js';
import { parseMoment } from '../../src/protocol/moment.js';
import { checkStreamId } from '../../src/protocol/names.js';
import { parsePullParameters, parseSelection, Query } from '../../src/protocol/parameters.js';
import { splitPayload, unpackEntries } from '../../src/protocol/push-message.js';
import { bearerToken, offeredSubprotocols } from '../../src/server/admission/authorize.js';
import { HostCheck } from '../../src/server/admission/host-check.js';
import { OriginPolicy } from '../../src/server/admission/origins.js';
import { isShownByBrowser } from '../../src/server/endpoints/data/browsers.js';
import { parseForm } from '../../src/server/endpoints/data/form.js';
import { readHeaderParameters } from '../../src/server/endpoints/data/header-parameters.js';
import { acceptedTypes } from '../../src/server/endpoints/graphql/http.js';
import { takesGzip } from '../../src/server/http/gzip.js';
import { maskSecrets } from '../../src/system/logger.js';
import { FORM_TYPE, formBody } from '../support/http.js';
import { growthOf } from './cost.js';

/** Twice as long would be 2, and a quadratic step is 4. */
const MOST = 3;

const schema = createSchema();
const hosts = new HostCheck(undefined, '0.0.0.0', true);
const origins = new OriginPolicy(undefined);
const RULES = { sids: ['s'], latestTime: Number.MAX_SAFE_INTEGER };
const verifier = (await JwtVerifier.create({
  JWT_SECRET: 'x'.repeat(32),
  JWT_JWKS: undefined,
  JWT_AUDIENCE: undefined,
  JWT_ISSUER: undefined,
}))!;

/** Most of these inputs are refused, which takes no longer than to take them. */
function tried(work: () => unknown): () => void {
  return () => {
    try {
      work();
    } catch {}
  };
}

const list = (size: number, part: (index: number) => string, between = ' ') =>
  Array.from({ length: size }, (_, index) => part(index)).join(between);
/** A request whose headers all say the same. */
const saying = (value: string) => ({ header: () => value });
const document = (text: string) => {
  const parsed = parseBounded(text);
  return () => checkDocumentSize(parsed, schema);
};

/** The headers of a browser that sends no `Sec-Fetch-Dest`. */
const shown = (accept: string) => (name: string) => ({ 'user-agent': 'Mozilla/5.0', accept })[name] ?? '';
/** As `/events` reads it. */
const resume = (streams: number, lastEventId: string) => {
  const query = new Query('').resumedAfter(lastEventId);
  const sids = list(streams, (i) => `s${i}`, '+');
  return parsePullParameters(query, parseSelection(sids, query), 'rest');
};

type Row = readonly [name: string, size: number, make: (size: number) => () => unknown];

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  'a GraphQL document': [
    ['text', 100, (n) => () => parseBounded(`{ ${list(n, (i) => `a${i}: stream(id: "x") { id }`)} }`)],
    ['of comments', 20_000, (n) => () => parseBounded(`{ id } #${'x'.repeat(n)}`)],
    ['of lines', 1000, (n) => () => parseBounded(`${'\n'.repeat(n)}{ id }`)],
    ['of fields', 300, (n) => document(`{ ${list(n, (i) => `x${i}`)} }`)],
    ['of levels', 100, (n) => document(`{ ${'... { '.repeat(n)}id${' }'.repeat(n)} }`)],
    [
      'of fragments that spread twice',
      30,
      (n) =>
        document(
          `{ ...f0 } ${list(n, (i) => `fragment f${i} on Query { ...f${i + 1} ...f${i + 1} }`)} fragment f${n} on Query { id }`,
        ),
    ],
    [
      'of fragments that double the answer',
      20,
      (n) =>
        document(
          `{ ...f0 } ${list(n, (i) => `fragment f${i} on Query { a: x { ...f${i + 1} } b: x { ...f${i + 1} } }`)} fragment f${n} on Query { id }`,
        ),
    ],
    ['in JSON', 20_000, (n) => () => checkRequestText(`{"variables":[${list(n, () => '1', ',')}]}`)],
  ],
  'GraphQL variables': [
    ['as metadata', 5000, (n) => () => encodeMetadata({ a: Array(n).fill('x') })],
    [
      'as metadata that repeats',
      300,
      (n) => () => encodeMetadata(Object.fromEntries(Array(n).fill(['a', 'b']))),
    ],
  ],
  'a form': [
    [
      'of parts',
      1000,
      (n) => () => parseForm(FORM_TYPE, formBody(...Array(n).fill(['form-data; name="entries"', 'x']))),
    ],
    ['of half boundaries', 100_000, (n) => () => parseForm(FORM_TYPE, Buffer.alloc(n, '\r\n--the-boundar'))],
    [
      'without a boundary',
      20_000,
      (n) => () => parseForm(`multipart/form-data${'; '.repeat(n)}`, Buffer.alloc(0)),
    ],
    ['header of spaces', 20_000, (n) => () => readHeaderParameters(`form-data; x=${' '.repeat(n)}"`)],
    ['header of parameters', 5000, (n) => () => readHeaderParameters(`form-data${'; a="b"'.repeat(n)}`)],
    ['header of separators', 20_000, (n) => () => readHeaderParameters(`form-data; a${' ;'.repeat(n)}=`)],
    ['header of escapes', 20_000, (n) => () => readHeaderParameters(`form-data; a="${'\\"'.repeat(n)}`)],
  ],
  'a push message': [
    [
      'header',
      2000,
      (n) => () => splitPayload(`[${list(n, (i) => `["s",${i + 1}]`, ',')}]`, Buffer.alloc(n), RULES),
    ],
    ['header that opens', 50_000, (n) => () => splitPayload('['.repeat(n), Buffer.alloc(0), RULES)],
    [
      'of MessagePack',
      1000,
      (n) => {
        const head = Buffer.from([0xdc, n >> 8, n & 0xff]);
        const frame = Buffer.concat([head, ...Array(n).fill(Buffer.from('93c0c0c40178', 'hex'))]);
        return () => unpackEntries(frame, RULES);
      },
    ],
    ['of MessagePack that nests', 50_000, (n) => () => unpackEntries(Buffer.alloc(n, 0x91), RULES)],
  ],
  'an address': [
    ['query', 500, (n) => () => new Query(list(n, (i) => `a${i}=%20`, '&'))],
    [
      'path',
      500,
      (n) => () =>
        parseSelection(
          list(n, (i) => `s${i}`, '+'),
          new Query(''),
        ),
    ],
    [
      'of cursors',
      500,
      (n) => {
        const query = new Query(`last_entry_id=${list(n, () => '1-1', '+')}`);
        const selection = parseSelection(
          list(n, (i) => `s${i}`, '+'),
          query,
        );
        return () => parsePullParameters(query, selection, 'rest');
      },
    ],
    ['number', 20_000, (n) => () => new Query(`count=${'1'.repeat(n)}`).wholeNumber('count', 0, 9, 0)],
  ],
  'a name or glob': [
    ['name', 50_000, (n) => () => checkStreamId('é'.repeat(n))],
    ['glob of rights', 2000, (n) => () => matchGlob(`${'a*'.repeat(n)}b`, 'a'.repeat(2 * n))],
    ['glob of rights with one part', 5000, (n) => () => matchGlob(`*${'a'.repeat(n)}b*`, 'a'.repeat(3 * n))],
    ['match', 2000, (n) => () => new KeyGlob(`${'a*'.repeat(n)}b`).matches('a'.repeat(2 * n))],
    ['match with one part', 5000, (n) => () => new KeyGlob(`*${'a'.repeat(n)}b*`).matches('a'.repeat(3 * n))],
    [
      'match with classes',
      500,
      (n) => () => new KeyGlob(`${'*[a-c]?x'.repeat(n)}*`).matches('abx'.repeat(n)),
    ],
    [
      'match of a long key',
      20_000,
      (n) => {
        const glob = new KeyGlob(`*${'?'.repeat(30)}b*`);
        return () => glob.matches('a'.repeat(n));
      },
    ],
  ],
  'a token': [
    ['in a header', 20_000, (n) => () => bearerToken(`Bearer ${' '.repeat(n)}\u00a0`)],
    ['of the file', 20_000, (n) => () => tokenId(`sg_${'a'.repeat(n)}_`)],
  ],
  'a header': [
    ['If-None-Match', 500, (n) => () => readTags('W/"a", '.repeat(n))],
    ['If-None-Match of quotes', 1000, (n) => () => readTags('"'.repeat(n))],
    ['If-None-Match without an end', 20_000, (n) => () => readTags(`"${'a'.repeat(n)}`)],
    ['Last-Event-ID', 500, (n) => () => resume(n, `1-1${'+1-1'.repeat(n - 1)}`)],
    ['Last-Event-ID of separators', 20_000, (n) => () => resume(1, '+'.repeat(n))],
    ['Accept', 2000, (n) => () => acceptedTypes(saying('text/html;q=0.9, '.repeat(n)))],
    ['Accept of parameters', 5000, (n) => () => acceptedTypes(saying(`a/b${'; a="b"'.repeat(n)}`))],
    ['Accept of spaces', 20_000, (n) => () => acceptedTypes(saying(`a/b${' '.repeat(n)}x`))],
    ['Accept of half an image', 2000, (n) => () => isShownByBrowser(shown('image/'.repeat(n)))],
    ['Accept-Encoding', 5000, (n) => () => takesGzip(saying('gzip;q=0, '.repeat(n)))],
    ['Accept-Encoding of zeros', 20_000, (n) => () => takesGzip(saying(`gzip;q=0.${'0'.repeat(n)}1`))],
    ['Accept-Encoding of spaces', 20_000, (n) => () => takesGzip(saying(`gzip;q=0${' '.repeat(n)}x`))],
    ['Sec-WebSocket-Protocol', 5000, (n) => () => offeredSubprotocols(saying('a, '.repeat(n)))],
    [
      'Sec-WebSocket-Protocol of spaces',
      20_000,
      (n) => () => offeredSubprotocols(saying(`a${' '.repeat(n)}b`)),
    ],
    ['Host', 20_000, (n) => () => hosts.allows(`${'a.'.repeat(n)}_:1`)],
    ['Host of colons', 20_000, (n) => () => hosts.allows(`${':'.repeat(n)}x`)],
    ['Origin', 20_000, (n) => () => origins.allows(`http://${'a.'.repeat(n)}/`, 'localhost')],
  ],
  'a moment or id': [
    ['id', 20_000, (n) => () => parseEntryId('0'.repeat(n))],
    ['moment', 20_000, (n) => () => parseMoment(`2024-01-01T${'0'.repeat(n)}`)],
  ],
  'a payload': [
    ['of text', 20_000, (n) => () => detectMediaType(Buffer.alloc(n, 'a'))],
    ['of JSON', 5000, (n) => () => parseJsonText(`[${list(n, () => '[]', ',')}]`)],
    ['whose type is declared', 20_000, (n) => () => readMediaType(`a/b${'; a=b'.repeat(n)}`)],
    ['that is logged', 20_000, (n) => () => maskSecrets('a'.repeat(n))],
    ['that is logged, of addresses', 5000, (n) => () => maskSecrets('a://'.repeat(n))],
  ],
};

describe.each(Object.entries(ROWS))('%s', (_, rows) => {
  test.each(rows)('%s', { timeout: 60_000 }, (_name, size, make) => {
    expect(growthOf((n) => tried(make(n)), size, MOST)).toBeLessThan(MOST);
  });
});

test('a quadratic reader would be noticed', () => {
  const quadratic = (n: number) => () => {
    let sum = 0;
    for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) sum += a ^ b;
    return sum;
  };
  expect(growthOf(quadratic, 1500, MOST)).toBeGreaterThan(MOST);
});

test('a JWT', async () => {
  const forged = async (n: number) => {
    const jwt = await new SignJWT({ pad: 'x'.repeat(n) })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode('y'.repeat(32)));
    const begun = process.cpuUsage();
    for (let run = 0; run < 20; run++) await verifier.verify(jwt).catch(() => {});
    const { user, system } = process.cpuUsage(begun);
    return user + system;
  };
  await forged(50_000);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5 && least >= MOST; round++) {
    least = Math.min(least, (await forged(200_000)) / (await forged(100_000)));
  }
  expect(least).toBeLessThan(MOST);
});
