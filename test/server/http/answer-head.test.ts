import { expect, test } from 'vitest';
import {
  answerHeaders,
  type Header,
  headBytes,
  NO_SNIFFING,
  writeHead,
} from '../../../src/server/http/answer-head.js';
import { libraryBody } from '../../../src/server/library-text.js';

/** What the library makes of the calls: it writes a name, a colon, a value and a line break for each. */
function written(type: string | undefined, headers: readonly Header[]): { text: string; calls: number } {
  const lines: string[] = [];
  const res = {
    writeHeader: (name: string, value: string) => {
      lines.push(`${name}: ${value}\r\n`);
      return res as never;
    },
  };
  writeHead(res as never, type, headers);
  return { text: lines.join(''), calls: lines.length };
}

const OWN: readonly Header[] = [
  ['etag', '"1-0"'],
  ['cache-control', 'no-cache'],
];

test.each([
  ['a type and nothing else', 'text/plain', [], 'content-type: text/plain\r\n'],
  [
    'a type first',
    'text/plain',
    OWN,
    'content-type: text/plain\r\netag: "1-0"\r\ncache-control: no-cache\r\n',
  ],
  ['no type', undefined, OWN, 'etag: "1-0"\r\ncache-control: no-cache\r\n'],
])('a head is written by one call, in its order: %s', (_name, type, headers, text) => {
  expect(written(type, headers)).toEqual({ text, calls: 1 });
});

test('nothing is written where there is nothing to say', () => {
  expect(written(undefined, [])).toEqual({ text: '', calls: 0 });
});

test('a head takes as many bytes as it is counted for', () => {
  const headers = answerHeaders(OWN, [['vary', 'Origin']]);
  expect(headers[0]).toBe(NO_SNIFFING);
  expect(written(undefined, headers).text).toHaveLength(headBytes(headers));
});

test.each(['a\r\nset-cookie: b', 'a\nb', 'ä', 'a\u0000'])('no header has the value %j', (value) => {
  expect(() => answerHeaders([['x', value]], [])).toThrow('the header x has a character that none may have');
  expect(() => answerHeaders([], [['x', value]])).toThrow('the header x has a character that none may have');
});

test.each(['', 'x', 'x'.repeat(4096), 'x'.repeat(4097), 'ä', `${'x'.repeat(5000)}漢`])(
  'the length of a body is that of its bytes',
  (text) => {
    const body = libraryBody(text);
    expect(body).toHaveLength(Buffer.byteLength(text));
    expect(Buffer.from(body as string).toString()).toBe(text);
  },
);
