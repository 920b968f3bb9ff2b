import { describe, expect, test } from 'vitest';
import type { Failure } from '../../../../src/protocol/errors.js';
import { isForm, parseForm } from '../../../../src/server/endpoints/data/form.js';
import { readHeaderParameters } from '../../../../src/server/endpoints/data/header-parameters.js';
import { FORM_BOUNDARY, FORM_TYPE, formBody } from '../../../support/http.js';

const parse = (body: Uint8Array, type = FORM_TYPE) =>
  parseForm(type, body).map(({ filename, payload }) => [filename, Buffer.from(payload).toString()]);

/** The name of the one entry whose part has this `filename` or `filename*` parameter. */
const nameOf = (parameter: string) => parse(formBody([`form-data; name="entries"; ${parameter}`, '']))[0]![0];

test.each([
  ['multipart/form-data; boundary=x', true],
  ['Multipart/Form-Data;boundary=x', true],
  ['multipart/form-data', true],
  ['multipart/form-data-not', false],
  ['multipart/mixed; boundary=x', false],
  ['application/octet-stream', false],
  ['', false],
])('%s is a form: %s', (type, expected) => expect(isForm(type)).toBe(expected));

describe('entries', () => {
  test('come in order, other parts left out', () => {
    const body = formBody(
      ['form-data; name="entries"; filename="b"', 'first'],
      ['form-data; name="note"', 'not an entry'],
      ['form-data; name="entries"; filename="a"', ''],
      ['form-data; name="entries"', 'unnamed'],
    );
    expect(parse(body)).toEqual([
      ['b', 'first'],
      ['a', ''],
      ['', 'unnamed'],
    ]);
  });

  test('are found behind a preamble and a part without headers', () => {
    const form = formBody(['form-data; name="entries"', 'x']).toString();
    expect(parse(Buffer.from(`a preamble\r\n--${FORM_BOUNDARY}\r\n\r\nbare\r\n${form}`))).toEqual([
      ['', 'x'],
    ]);
  });

  test('are kept byte for byte, whatever looks like a boundary in them', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const near = Buffer.from(
      `\r\n--${FORM_BOUNDARY.slice(0, -1)}\r\n--\r\n\r\n--${FORM_BOUNDARY}`.slice(0, -1),
    );
    const payload = Buffer.concat([bytes, near, bytes]);
    const [entry] = parseForm(FORM_TYPE, formBody(['form-data; name="entries"', payload]));
    expect(Buffer.from(entry!.payload)).toEqual(payload);
  });

  test('come from what fetch makes of a form', async () => {
    const form = new FormData();
    form.append('entries', new Blob(['one']), 'a "quoted" name');
    form.append('entries', 'a plain field');
    const request = new Response(form);
    const body = new Uint8Array(await request.arrayBuffer());
    expect(parse(body, request.headers.get('content-type')!)).toEqual([
      ['a "quoted" name', 'one'],
      ['', 'a plain field'],
    ]);
  });

  test.each([
    `multipart/form-data; boundary="${FORM_BOUNDARY}"`,
    `multipart/form-data; charset=utf-8; boundary=${FORM_BOUNDARY}`,
    `multipart/form-data; BOUNDARY=${FORM_BOUNDARY}; charset=utf-8`,
  ])('are found with %s', (type) => {
    expect(parse(formBody(['form-data; name="entries"', 'x']), type)).toEqual([['', 'x']]);
  });
});

test.each([
  ['plain', 'filename="name"', 'name'],
  ['not quoted', 'filename=name', 'name'],
  ['none', 'size=5', ''],
  ['empty', 'filename=""', ''],
  ['raw UTF-8', 'filename="名前 ü 😀"', '名前 ü 😀'],
  ['as RFC 8187', "filename*=utf-8''%E5%90%8D%E5%89%8D%20%F0%9F%98%80", '名前 😀'],
  ['as RFC 8187, with a language', "filename*=UTF-8'en'n%C3%BCmber", 'nümber'],
  ['as RFC 8187 before the plain one', 'filename="fallback"; filename*=utf-8\'\'%C3%BC', 'ü'],
  ['as RFC 8187, its own percent signs kept', "filename*=utf-8''100%2522", '100%22'],
  ['a quote, from a browser or requests', 'filename="a%22b"', 'a"b'],
  ['a quote, from an old curl', 'filename="a\\"b"', 'a"b'],
  ['a backslash, from requests', 'filename="a\\\\b"', 'a\\b'],
  ['a backslash, from a browser', 'filename="a\\b"', 'a\\b'],
  ['a percent sign', 'filename="100%"', '100%'],
  ['what looks like percent-encoding', 'filename="a%41%2F"', 'a%41%2F'],
  ['spaces around', 'filename=" a "', ' a '],
  ['a semicolon', 'filename="a; b=c"', 'a; b=c'],
  ['a slash and a colon', 'filename="cam/1:left"', 'cam/1:left'],
])('a filename: %s', (_, parameter, name) => expect(nameOf(parameter)).toBe(name));

const part = 'Content-Disposition: form-data; name="entries"\r\n\r\ndata';

test.each([
  ['no boundary in the type', 'multipart/form-data', formBody(['form-data; name="entries"', ''])],
  ['an empty boundary', 'multipart/form-data; boundary=', formBody(['form-data; name="entries"', ''])],
  ['another boundary', 'multipart/form-data; boundary=other', formBody(['form-data; name="entries"', ''])],
  ['an empty body', FORM_TYPE, ''],
  ['no form at all', FORM_TYPE, 'just some text that is longer than the boundary'],
  ['nothing but the first boundary', FORM_TYPE, `--${FORM_BOUNDARY}`],
  ['no end', FORM_TYPE, `--${FORM_BOUNDARY}\r\n${part}`],
  [
    'a boundary at the end that is not the last',
    FORM_TYPE,
    `--${FORM_BOUNDARY}\r\n${part}\r\n--${FORM_BOUNDARY}\r\n`,
  ],
  ['an end cut short', FORM_TYPE, `--${FORM_BOUNDARY}\r\n${part}\r\n--${FORM_BOUNDARY}-`],
  [
    'headers without an end',
    FORM_TYPE,
    `--${FORM_BOUNDARY}\r\nContent-Disposition: form-data; name="entries"\r\n`,
  ],
  [
    'headers beyond the bound',
    FORM_TYPE,
    formBody([`form-data; name="entries"; filename="${'x'.repeat(9000)}"`, '']),
  ],
  [
    'headers that are not UTF-8',
    FORM_TYPE,
    Buffer.from(formBody(['form-data; name="entries"; filename="ÿ"', '']).toString(), 'latin1'),
  ],
  [
    'a filename* that is not UTF-8',
    FORM_TYPE,
    formBody(['form-data; name="entries"; filename*=utf-8\'\'%FF', '']),
  ],
  [
    'a filename* of another character set',
    FORM_TYPE,
    formBody(['form-data; name="entries"; filename*=latin1\'\'%FC', '']),
  ],
  ['no part named entries', FORM_TYPE, formBody(['form-data; name="entry"', ''], ['form-data', ''])],
  ['no parts', FORM_TYPE, `--${FORM_BOUNDARY}--\r\n`],
  [
    'a disposition that ends amid a quote',
    FORM_TYPE,
    formBody(['form-data; name="entries"; filename="x', '']),
  ],
  ['a boundary with more behind it', FORM_TYPE, `--${FORM_BOUNDARY}x\r\n${part}\r\n--${FORM_BOUNDARY}--`],
])('refuses %s', (_, type, body) => {
  let failure: Failure | undefined;
  try {
    parseForm(type, Buffer.from(body));
  } catch (error) {
    failure = error as Failure;
  }
  expect(failure?.code).toBe('bad_body');
});

describe('what would take long is refused', () => {
  const parts = (count: number, disposition = 'form-data; name="entries"') =>
    formBody(...Array<[string, string]>(count).fill([disposition, 'x']));
  const failing = (code: string) => expect.objectContaining({ code });

  test('8192 parts are taken, one more is not', () => {
    expect(parse(parts(8192))).toHaveLength(8192);
    expect(() => parse(parts(8193))).toThrow(failing('payload_too_large'));
  });

  test('parts of other names count', () => {
    expect(() => parse(parts(8193, 'form-data; name="x"'))).toThrow(failing('payload_too_large'));
  });

  test('headers of all parts together have a bound', () => {
    const long = `form-data; name="entries"; filename="${'x'.repeat(8000)}"`;
    expect(parse(parts(100, long))).toHaveLength(100);
    expect(() => parse(parts(200, long))).toThrow(failing('payload_too_large'));
  });
});

describe('a Content-Disposition', () => {
  const parametersOf = (header: string) => {
    const parameters = readHeaderParameters(header);
    return parameters && Object.fromEntries(parameters);
  };

  test.each([
    ['form-data', {}],
    ['form-data;', {}],
    ['form-data ; ', {}],
    ['form-data; name=entries', { name: 'entries' }],
    ['form-data;name="entries";filename="a;b=c.jpg"', { name: 'entries', filename: 'a;b=c.jpg' }],
    ['form-data;\tNAME = "x" ;', { name: 'x' }],
    ['form-data; a=two words ; b=', { a: 'two words', b: '' }],
    ['form-data; a="\\"\\\\"', { a: '"\\' }],
    ['form-data; a=1; a=2', { a: '2' }],
  ])('is read: %s', (header, expected) => {
    expect(parametersOf(header)).toEqual(expected);
  });

  test.each([
    'form-data; name',
    'form-data; =x',
    'form-data;; name="x"',
    'form-data; a b="x"',
    'form-data; "a"="x"',
    'form-data; a="x',
    'form-data; a="x\\"',
    'form-data; a="x"y',
    'form-data; a=x"y"',
    `form-data; name="entries"; x=${' '.repeat(8000)}"`,
  ])('is refused: %.60s', (header) => {
    expect(parametersOf(header)).toBeUndefined();
  });
});
