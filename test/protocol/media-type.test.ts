import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { detectMediaType, isTextType, readMediaType } from '../../src/protocol/media-type.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const BINARY = 'application/octet-stream';
const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

describe('finding what a payload is', () => {
  test('JSON is what the parser takes, whatever it begins with', () => {
    const space = fc.stringMatching(/^[ \t\n\r\u00a0\v]{0,3}$/);
    const text = fc.oneof(
      fc.json(),
      fc.constantFrom('true', 'null', '-1', '+1', '.5', 'NaN', "'a'"),
      fc.string(),
    );
    fc.assert(
      fc.property(space, text, space, (before, middle, after) => {
        const whole = `${before}${middle}${after}`;
        let isJson = true;
        try {
          JSON.parse(whole);
        } catch {
          isJson = false;
        }
        expect(detectMediaType(bytes(whole)) === JSON_TYPE).toBe(isJson);
      }),
    );
  });

  test.each(['jpeg', 'png', 'webp', 'gif'] as const)('an image as sharp writes it: %s', async (format) => {
    const image = sharp({ create: { width: 3, height: 2, channels: 3, background: '#f00' } });
    const whole = await image.toFormat(format).toBuffer();
    expect(detectMediaType(whole)).toBe(`image/${format}`);
    expect(detectMediaType(whole.subarray(0, 2))).not.toBe(`image/${format}`);
  });

  test.each([
    ['an object', '{"x": 1.5}', JSON_TYPE],
    ['an array', ' [1, 2]\n', JSON_TYPE],
    ['a number', '21.5', JSON_TYPE],
    ['a string', '"on"', JSON_TYPE],
    ['a word', 'on', TEXT],
    ['an object that is cut off', '{"x": 1', TEXT],
    ['lines', 'eins\r\nzwei\tdrei\n', TEXT],
    ['letters of many scripts', 'Grüße, 世界 🎥', TEXT],
    ['markup', '<img src=x onerror=alert(1)>', TEXT],
    ['a control character', 'a\u0000b', BINARY],
    ['an escape sequence', '\u001b[31mred', BINARY],
    ['nothing', '', BINARY],
  ])('%s', (_what, payload, type) => {
    expect(detectMediaType(bytes(payload))).toBe(type);
  });

  test('bytes that are no UTF-8', () => {
    expect(detectMediaType(new Uint8Array([0xc3, 0x28]))).toBe(BINARY);
    expect(detectMediaType(new Uint8Array([0x61, 0xe4]))).toBe(BINARY);
  });

  test('a view into a larger buffer is looked at by itself', () => {
    const buffer = bytes('\u0000{"x":1}\u0000');
    expect(detectMediaType(buffer.subarray(1, -1))).toBe(JSON_TYPE);
  });

  test('of much text the beginning decides, wherever a character is cut', () => {
    for (const shift of ['', 'a', 'aa', 'aaa']) {
      expect(detectMediaType(bytes(shift + '🎥'.repeat(30_000)))).toBe(TEXT);
    }
    expect(detectMediaType(bytes(`[${'1,'.repeat(60_000)}1] \n`))).toBe(JSON_TYPE);
    expect(detectMediaType(bytes(`[${'1,'.repeat(60_000)}`))).toBe(TEXT);
    expect(detectMediaType(bytes(`{"x": "${'a'.repeat(120_000)}"}`))).toBe(JSON_TYPE);
    expect(detectMediaType(bytes(`{"x": "${'a'.repeat(120_000)}"]`))).toBe(TEXT);
  });

  test('a text of 64 KiB is still looked at as a whole', () => {
    const most = 64 * 1024;
    const cut = new Uint8Array(most).fill(0x61);
    cut[most - 1] = 0xc3;
    expect(detectMediaType(cut)).toBe(BINARY);
    expect(detectMediaType(bytes(`{${'a'.repeat(most - 2)}}`))).toBe(TEXT);
  });

  test('a large payload costs no more than a small one', () => {
    const large = new Uint8Array(64 * 1024 * 1024).fill(0x61);
    const begin = performance.now();
    for (let count = 0; count < 20; count++) detectMediaType(large);
    // Reading it all takes more than a second.
    expect(performance.now() - begin).toBeLessThan(500);
  });
});

describe('a media type as metadata names it', () => {
  test.each([
    'image/jpeg',
    'text/html; charset=utf-8',
    'application/vnd.x+json',
    'video/mp4; codecs="avc1, mp4a"',
  ])('is taken: %s', (type) => {
    expect(readMediaType(type)).toBe(type);
  });

  test.each(
    [
      [
        '',
        'jpeg',
        'image/',
        '/jpeg',
        'image/jpeg\r\nset-cookie: a=b',
        'image/jp eg',
        'image/jpeg;',
        'image/ä',
      ],
      [`image/${'a'.repeat(400)}`, 7, null, undefined, {}, ['image/jpeg']],
    ].flat(),
  )('is not taken: %j', (value) => {
    expect(readMediaType(value)).toBeUndefined();
  });

  test('may have 300 characters', () => {
    const ofLength = (length: number) =>
      `image/png${`;a=${'x'.repeat(92)}`.repeat(2)};b=`.padEnd(length, 'y');
    expect(readMediaType(ofLength(300))).toBe(ofLength(300));
    expect(readMediaType(ofLength(301))).toBeUndefined();
  });

  test('white space around it is left out', () => {
    expect(readMediaType(' image/png ')).toBe('image/png');
  });
});

describe('payloads that events carry as text, by their media type', () => {
  test.each([
    'text/plain',
    'text/html; charset=utf-8',
    'TEXT/CSV',
    'application/json',
    'application/JSON ; charset=utf-8',
    'application/xml',
    'application/yaml',
    'application/toml',
    'application/javascript',
    'application/x-ndjson',
    'application/jsonl',
    'application/json-seq',
    'application/graphql',
    'application/sql',
    'application/geo+json',
    'image/svg+xml',
    'application/vnd.x+yaml; version=2',
  ])('%s', (type) => {
    expect(isTextType(type)).toBe(true);
  });

  test.each([
    BINARY,
    'image/jpeg',
    'application/jsonp',
    'application/xml+gzip',
    'application/pdf; as=text/plain',
    'video/text',
    'undefined',
  ])('not %s', (type) => {
    expect(isTextType(type)).toBe(false);
  });
});
