import { expect, test } from 'vitest';
import { AnswerHead, type Header, linesOf } from '../../../src/server/http/answer-head.js';
import { libraryBody } from '../../../src/server/library-text.js';

/** What the library makes of the calls: it writes a name, a colon, a value and a line break for each. */
function written(head: AnswerHead, more?: string): { text: string; calls: number } {
  const lines: string[] = [];
  const res = {
    writeHeader: (name: string, value: string) => {
      lines.push(`${name}: ${value}\r\n`);
      return res as never;
    },
  };
  head.write(res as never, more);
  return { text: lines.join(''), calls: lines.length };
}

const OWN: readonly Header[] = [
  ['etag', '"1-0"'],
  ['cache-control', 'no-cache'],
];
const NO_SNIFFING = 'x-content-type-options: nosniff\r\n';
const OWN_TEXT = 'etag: "1-0"\r\ncache-control: no-cache\r\n';

test.each([
  ['a type and nothing else', 'text/plain', [], `content-type: text/plain\r\n${NO_SNIFFING}`],
  ['a type first', 'text/plain', OWN, `content-type: text/plain\r\n${NO_SNIFFING}${OWN_TEXT}`],
  ['no type', undefined, OWN, NO_SNIFFING + OWN_TEXT],
  ['no type and nothing else', undefined, [], NO_SNIFFING],
])('a head is written by one call, in its order: %s', (_name, type, headers, text) => {
  const head = new AnswerHead(type, headers);
  expect(written(head)).toEqual({ text, calls: 1 });
  expect(head.bytes).toBe(text.length);
});

test('one head serves answers with more headers and without', () => {
  const head = new AnswerHead('text/plain', OWN);
  const { text } = written(head);
  expect(written(head, linesOf([['vary', 'Origin']]))).toEqual({ text: `${text}vary: Origin\r\n`, calls: 1 });
  expect(written(head)).toEqual({ text, calls: 1 });
});

test.each(['a\r\nset-cookie: b', 'a\nb', 'ä', 'a\u0000'])('no header has the value %j', (value) => {
  expect(() => new AnswerHead(undefined, [['x', value]])).toThrow(
    'the header x has a character that none may have',
  );
  expect(() => linesOf([['x', value]])).toThrow('the header x has a character that none may have');
});

test.each(['', 'x', 'x'.repeat(4096), 'x'.repeat(4097), 'ä', `${'x'.repeat(5000)}漢`])(
  'the length of a body is that of its bytes',
  (text) => {
    const body = libraryBody(text);
    expect(body).toHaveLength(Buffer.byteLength(text));
    expect(Buffer.from(body as string).toString()).toBe(text);
  },
);
