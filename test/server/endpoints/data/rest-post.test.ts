/** `POST /data/{sid}`: what is stored, what is refused, and what is told of a request stored in part. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { FORM_BOUNDARY, FORM_TYPE, formBody, postEntries, refused, sendRaw } from '../../../support/http.js';
import { PYTHON } from '../../../support/machine.js';

const ID = /^\d{13,}-\d+$/;
const FORM = { 'content-type': FORM_TYPE };
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const address = (path: string) => `${gateway.http}/data/${path}`;
const post = (path: string, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
  fetch(address(path), { method: 'POST', body, headers });

/** The ids and payloads that a key holds; every entry has the field `d` and no other. */
async function stored(key: string): Promise<[id: string, payload: string][]> {
  const entries = await redis.client.xrangeBuffer(key, '-', '+');
  return entries.map(([id, fields]) => {
    expect(fields).toEqual([Buffer.from('d'), expect.any(Buffer)]);
    return [id.toString(), fields[1]!.toString('latin1')];
  });
}

describe('a body that is no form', () => {
  test.each([
    ['application/octet-stream'],
    ['text/plain;charset=utf-8'],
    ['application/json'],
    ['application/x-www-form-urlencoded'],
    ['multipart/mixed; boundary=x'],
    [''],
  ])('of type "%s" is one entry, byte for byte', async (type) => {
    const sid = freshSid();
    const response = await post(sid, ALL_BYTES, type === '' ? {} : { 'content-type': type });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const ids = (await response.json()) as string[];
    expect(ids).toEqual([expect.stringMatching(ID)]);
    expect(await stored(`default:${sid}`)).toEqual([[ids[0], ALL_BYTES.toString('latin1')]]);
  });

  test('may be empty', async () => {
    const sid = freshSid();
    const ids = await postEntries(address(sid), '');
    expect(await stored(`default:${sid}`)).toEqual([[ids[0], '']]);
  });

  test('may come in pieces', async () => {
    const sid = freshSid();
    const payload = Buffer.alloc(300_000, 'pieces ');
    const ids = await postEntries(address(sid), payload);
    expect(await stored(`default:${sid}`)).toEqual([[ids[0], payload.toString()]]);
  });

  test('goes to the stream of its device and prefix', async () => {
    await postEntries(address('left?device_id=robot&prefix=cam/'), 'frame');
    expect(await redis.client.exists('robot:cam/left')).toBe(1);
    await postEntries(address('left/?device_id=robot&prefix=arm:'), 'frame');
    expect(await redis.client.exists('robot:arm:left')).toBe(1);
  });

  test.each(['a/b', 'ü 名前 😀', 'a:b', '100%', 'a?b#c&d', '"\\\'', '*x'])(
    'goes to a stream called %s',
    async (sid) => {
      const ids = await postEntries(address(encodeURIComponent(sid).replaceAll('.', '%2E')), 'named');
      expect(await stored(`default:${sid}`)).toEqual([[ids[0], 'named']]);
    },
  );
});

describe('a form', () => {
  test('becomes an entry for each part, in order', async () => {
    const sid = freshSid();
    const contents = ['first', '', ALL_BYTES.toString('latin1'), `\r\n--${FORM_BOUNDARY.slice(1)}`, 'last'];
    const body = formBody(
      ['form-data; name="comment"', 'not an entry'],
      ...contents.map(
        (content, index) =>
          [`form-data; name="entries"; filename="${index}"`, Buffer.from(content, 'latin1')] as const,
      ),
    );
    const ids = await postEntries(address(sid), body, FORM);
    expect(await stored(`default:${sid}`)).toEqual(contents.map((content, index) => [ids[index], content]));
  });

  test('of 5000 parts is stored whole and in order', async () => {
    const sid = freshSid();
    const parts = Array.from(
      { length: 5000 },
      (_, index) => ['form-data; name="entries"', `${index}`] as const,
    );
    const ids = await postEntries(address(sid), formBody(...parts), FORM);
    expect(ids).toHaveLength(5000);
    const kept = await stored(`default:${sid}`);
    // The stream keeps the newest thousand or so.
    expect(kept.length).toBeGreaterThanOrEqual(1000);
    expect(kept).toEqual(ids.map((id, index) => [id, `${index}`]).slice(-kept.length));
  });

  test('sent by fetch', async () => {
    const sid = freshSid();
    const form = new FormData();
    form.append('entries', new Blob([ALL_BYTES]), 'bytes');
    form.append('entries', 'text');
    const ids = await postEntries(address(sid), form);
    expect(await stored(`default:${sid}`)).toEqual([
      [ids[0], ALL_BYTES.toString('latin1')],
      [ids[1], 'text'],
    ]);
  });

  test('whose parts name their streams', async () => {
    const body = formBody(
      ['form-data; name="entries"; filename="one"', '1'],
      ['form-data; name="entries"; filename="two"', '2'],
      ['form-data; name="entries"; filename="one"', '3'],
      ['form-data; name="entries"; filename="x"; filename*=utf-8\'\'n%C3%BCmber%20%F0%9F%98%80', '4'],
      ['form-data; name="entries"; filename="名前"', '5'],
      ['form-data; name="entries"; filename="a \\"quote\\" %22"', '6'],
    );
    const ids = await postEntries(address('*?device_id=form&prefix=p/'), body, FORM);
    expect(ids).toHaveLength(6);
    expect(await stored('form:p/one')).toEqual([
      [ids[0], '1'],
      [ids[2], '3'],
    ]);
    expect(await stored('form:p/two')).toEqual([[ids[1], '2']]);
    expect(await stored('form:p/nümber 😀')).toEqual([[ids[3], '4']]);
    expect(await stored('form:p/名前')).toEqual([[ids[4], '5']]);
    expect(await stored('form:p/a "quote" "')).toEqual([[ids[5], '6']]);
  });

  const names = [
    'plain',
    'with space',
    'ünïcödé 名前 😀',
    'a "quoted" name',
    'back\\slash',
    "it's",
    'semi;colon',
    'a/b',
    '100%',
  ];

  test('whose parts requests names', async () => {
    const program = `
import json, requests, sys
names = json.loads(sys.argv[2])
r = requests.post(sys.argv[1], files=[('entries', (name, name.encode())) for name in names])
r.raise_for_status()
print(r.text)`;
    const args = ['-c', program, address('*?device_id=requests'), JSON.stringify(names)];
    const { stdout } = await promisify(execFile)(PYTHON, args, { env: { ...process.env, NO_PROXY: '*' } });
    const ids = JSON.parse(stdout) as string[];
    expect(ids).toHaveLength(names.length);
    for (const [index, name] of names.entries()) {
      expect(await stored(`requests:${name}`)).toEqual([[ids[index], Buffer.from(name).toString('latin1')]]);
    }
  });

  test('whose parts fetch names', async () => {
    const form = new FormData();
    for (const name of names) form.append('entries', new Blob([name]), name);
    const ids = await postEntries(address('*?device_id=fetch'), form);
    expect(ids).toHaveLength(names.length);
    for (const [index, name] of names.entries()) {
      expect(await stored(`fetch:${name}`)).toEqual([[ids[index], Buffer.from(name).toString('latin1')]]);
    }
  });
});

describe('refuses', () => {
  const entry = (name: string) => [`form-data; name="entries"; filename="${name}"`, 'x'] as const;

  test.each([
    ['two streams', 'a+b', 400, 'bad_parameter'],
    ['two streams with a trailing slash', 'a+b/', 400, 'bad_parameter'],
    ["a '+' in a name", 'a%2Bb', 400, 'bad_name'],
    ['an empty id beside another', 'a+', 400, 'bad_name'],
    ['a control character', 'a%00b', 400, 'bad_name'],
    ['a line break', 'a%0D%0Ab', 400, 'bad_name'],
    ['a name of 513 bytes', 'x'.repeat(513), 400, 'bad_name'],
    ['an empty device', 'a?device_id=', 400, 'bad_name'],
    ["a ':' in the device", 'a?device_id=b:c', 400, 'bad_name'],
    ["a '+' in the device", 'a?device_id=b%2Bc', 400, 'bad_name'],
    ['a control character in the prefix', 'a?prefix=%09', 400, 'bad_name'],
    ['a device given twice', 'a?device_id=b&device_id=b', 400, 'bad_parameter'],
    ['a broken percent-encoding', 'a%zz', 400, 'bad_parameter'],
    ['a name that is not UTF-8', '%FF', 400, 'bad_parameter'],
    ['a system stream', ':x', 403, 'reserved_name'],
    ['a system stream, encoded', '%3Ax', 403, 'reserved_name'],
    ['a system stream that exists', ':event:device.meta', 403, 'reserved_name'],
  ])('%s', async (_, path, status, code) => {
    expect(await refused(await post(path, 'x'))).toMatchObject({ status, code });
  });

  test("'*' without a form", async () => {
    expect(await refused(await post('*', 'x'))).toMatchObject({
      status: 400,
      code: 'bad_name',
      error: "a POST to '*' must be a form with parts named 'entries' whose filenames are stream ids",
    });
  });

  test.each([
    ['a part without a filename', [['form-data; name="entries"', 'x'] as const], 400, 'bad_name'],
    ['a part with an empty filename', [entry('')], 400, 'bad_name'],
    ['a part for a system stream', [entry(':x')], 403, 'reserved_name'],
    ["a part's name with a '+'", [entry('a+b')], 400, 'bad_name'],
    ["a part's name with a line break", [entry('a%0Ab')], 400, 'bad_name'],
    ["a part's name of 513 bytes", [entry('x'.repeat(513))], 400, 'bad_name'],
  ])('%s, and stores none of the others', async (_, parts, status, code) => {
    const sid = freshSid();
    const body = formBody(entry(sid), ...parts, entry(sid));
    expect(await refused(await post('*', body, FORM))).toMatchObject({ status, code });
    expect(await stored(`default:${sid}`)).toEqual([]);
  });

  test.each([
    ['no form', 'this is no form'],
    ['no end', formBody(['form-data; name="entries"', 'x']).subarray(0, -6)],
    ['no part named entries', formBody(['form-data; name="entry"', 'x'])],
    ['nothing', ''],
  ])('a form with %s', async (_, body) => {
    const sid = freshSid();
    expect(await refused(await post(sid, body, FORM))).toMatchObject({ status: 400, code: 'bad_body' });
    expect(await stored(`default:${sid}`)).toEqual([]);
  });

  test('a body that is encoded', async () => {
    const sid = freshSid();
    const response = await post(sid, 'x', { 'content-encoding': 'gzip' });
    expect(await refused(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect(await stored(`default:${sid}`)).toEqual([]);
  });

  test('a body without its length', async () => {
    const answer = await sendRaw(gateway.port, 'POST /data/length HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer?.status).toBe(411);
    expect(JSON.parse(answer!.body)).toMatchObject({ code: 'length_required' });
  });

  test.each([
    ['a chunked body', [undefined], 'Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
    ['another transfer encoding', [undefined], 'Transfer-Encoding: identity\r\n\r\n'],
    // What the library sees itself it says before it closes; its builds for newer Nodes see more.
    ['two hosts', [undefined, 400], 'Host: y\r\nContent-Length: 1\r\n\r\nx'],
    ['a chunked body with a length', [400], 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx'],
    ['two lengths', [undefined], 'Content-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
  ])('%s, and the request that may hide behind it', async (_, statuses, rest) => {
    const sid = freshSid();
    const start = `POST /data/${sid} HTTP/1.1\r\nHost: localhost\r\n`;
    const answer = await sendRaw(gateway.port, `${start}${rest}${start}Content-Length: 1\r\n\r\nx`);
    expect(statuses).toContain(answer?.status);
    await postEntries(address(sid), 'the only one');
    expect(await stored(`default:${sid}`)).toEqual([[expect.any(String), 'the only one']]);
  });
});

describe('a request that can be stored in part only', () => {
  test('is told what became of each entry', async () => {
    await redis.client.set('default:a-string', 'not a stream');
    const before = await gateway.metric('entries_refused_total');
    const names = ['part-a', 'a-string', 'part-b', 'a-string', 'part-a'];
    const body = formBody(
      ...names.map((name, index) => [`form-data; name="entries"; filename="${name}"`, `${index}`] as const),
    );
    const answer = await refused(await post('*', body, FORM));
    expect(answer).toMatchObject({ status: 409, code: 'wrong_type' });
    const refusal = { code: 'wrong_type', error: expect.any(String) };
    const id = expect.stringMatching(ID);
    expect(answer.entries).toEqual([id, refusal, id, refusal, id]);
    expect(await stored('default:part-a')).toEqual([
      [answer.entries![0], '0'],
      [answer.entries![4], '4'],
    ]);
    expect(await stored('default:part-b')).toEqual([[answer.entries![2], '2']]);
    expect(await gateway.metric('entries_refused_total')).toBe(before + 2);
  });

  test('also where it has one entry', async () => {
    await redis.client.set('default:a-lone-string', 'not a stream');
    const answer = await refused(await post('a-lone-string', 'x'));
    expect(answer).toMatchObject({ status: 409, code: 'wrong_type', entries: [{ code: 'wrong_type' }] });
  });

  test('is told that Redis takes no more', async () => {
    const sid = freshSid();
    await redis.client.config('SET', 'maxmemory', '1');
    try {
      const response = await post(sid, 'x');
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await refused(response)).toMatchObject({ status: 503, code: 'redis_out_of_memory' });
    } finally {
      await redis.client.config('SET', 'maxmemory', '0');
    }
    await postEntries(address(sid), 'x');
  });
});
