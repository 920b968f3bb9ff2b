/** One entry at an address of its own: as browsers show it, and ask again whether it holds. */
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, refused, sendRaw } from '../../../support/http.js';
import { costOf } from '../../../support/redis-cost.js';
import { startRedis } from '../../../support/redis-server.js';

const MIB = 1024 * 1024;
const WAIT = { timeout: 10_000 };

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;
const add = async (sid: string, id: string, payload: string | Buffer) =>
  (await redis.client.xadd(`default:${sid}`, id, 'd', payload))!;
const get = (sid: string, query = '', headers: Record<string, string> = {}) =>
  fetch(`${gateway.http}/data/${sid}/latest${query}`, { headers });

/** What came: the status, the entry's id and the body. */
async function outcome(response: Response): Promise<[number, string | null, string]> {
  return [response.status, response.headers.get('x-last-entry-id'), await response.text()];
}

describe('the newest entry', () => {
  test('with its id as its tag, its time, and its bytes', async () => {
    const sid = freshSid();
    await add(sid, '1700000000000-0', 'old');
    await add(sid, '1700000001234-7', 'new');
    const response = await get(sid);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'cache-control': 'no-cache',
      'content-length': '3',
      'content-type': 'text/plain; charset=utf-8',
      etag: '"1700000001234-7"',
      'last-modified': 'Tue, 14 Nov 2023 22:13:21 GMT',
    });
    expect(await outcome(response)).toEqual([200, '1700000001234-7', 'new']);
  });

  test('of what was stored a moment ago', async () => {
    const sid = freshSid();
    for (let n = 0; n < 20; n++) {
      const [id] = await postEntries(`${gateway.http}/data/${sid}`, String(n));
      expect(await outcome(await get(sid))).toEqual([200, id, String(n)]);
    }
  });

  test('however large, and empty', async () => {
    const sid = freshSid();
    const large = Buffer.alloc(5 * MIB, 'x');
    await add(sid, '1-0', large);
    expect(large.equals(Buffer.from(await (await get(sid)).arrayBuffer()))).toBe(true);
    await add(sid, '2-0', '');
    expect(await outcome(await get(sid))).toEqual([200, '2-0', '']);
  });

  test('after the newest was deleted, the one before', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'one');
    await add(sid, '2-0', 'two');
    await redis.client.xdel(`default:${sid}`, '2-0');
    expect(await outcome(await get(sid, '', { 'if-none-match': '"2-0"' }))).toEqual([200, '1-0', 'one']);
  });

  test('of another device, behind a prefix, and of a system stream', async () => {
    await redis.client.xadd('dev:front-cam', '5-0', 'd', 'x');
    expect(await outcome(await get('cam', '?device_id=dev&prefix=front-'))).toEqual([200, '5-0', 'x']);
    await redis.client.xadd(':event:made.up', '6-0', 'd', '{}');
    expect(await outcome(await get(':event:made.up'))).toEqual([200, '6-0', '{}']);
  });

  test('that others wrote, as JSON of its fields', async () => {
    await redis.client.xadd('default:foreign', '1-0', 'a', '1');
    const response = await get('foreign');
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({ a: '1' });
  });

  test('where there is none, says so and names the stream', async () => {
    for (const sid of ['missing', 'ünknown']) {
      expect(await refused(await get(sid))).toEqual({
        status: 404,
        code: 'not_found',
        error: `the stream '${sid}' has no entry`,
      });
    }
    await add('emptied', '1-0', 'x');
    await redis.client.xdel('default:emptied', '1-0');
    expect(await refused(await get('emptied'))).toMatchObject({ status: 404 });
    expect(await refused(await get('emptied', '', { 'if-none-match': '*' }))).toMatchObject({ status: 404 });
  });

  test('by HEAD, and with a slash behind', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'four');
    const response = await fetch(`${gateway.http}/data/${sid}/latest/`, { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe('4');
    expect(await outcome(response)).toEqual([200, '1-0', '']);
  });

  test('is counted', async () => {
    const entries = await gateway.metric('entries_out_total{endpoint="latest"}');
    const bytes = await gateway.metric('out_bytes_total{endpoint="latest"}');
    const sid = freshSid();
    await add(sid, '1-0', 'four');
    await get(sid);
    expect(await gateway.metric('entries_out_total{endpoint="latest"}')).toBe(entries + 1);
    expect(await gateway.metric('out_bytes_total{endpoint="latest"}')).toBe(bytes + 4);
  });
});

describe('what it is', () => {
  const typeOf = async (sid: string) => (await get(sid)).headers.get('content-type');

  test.each(['jpeg', 'png', 'webp', 'gif'] as const)('is found from its bytes: %s', async (format) => {
    const image = sharp({ create: { width: 2, height: 2, channels: 3, background: '#f00' } });
    const sid = freshSid();
    await add(sid, '1-0', await image.toFormat(format).toBuffer());
    expect(await typeOf(sid)).toBe(`image/${format}`);
  });

  test.each([
    ['{"content_type": "image/avif"}', 'image/avif'],
    ['{"content_type": "text/html; charset=utf-8"}', 'text/html; charset=utf-8'],
    ['{"content_type": "image/x\\r\\nset-cookie: a=b"}', 'application/json'],
    ['{"content_type": 7}', 'application/json'],
    ['{"other": 1}', 'application/json'],
    ['no JSON', 'application/json'],
  ])('is what the metadata says, if that is a media type: %s', async (meta, type) => {
    const sid = freshSid();
    await add(sid, '1-0', '{}');
    await redis.client.set(`:stream:meta:default:${sid}`, meta);
    expect(await typeOf(sid)).toBe(type);
  });

  test('is what the metadata says now, and for HEAD too', async () => {
    const sid = freshSid();
    await add(sid, '1-0', '{}');
    for (const type of ['image/avif', 'image/jpeg', 'text/csv']) {
      await redis.client.set(`:stream:meta:default:${sid}`, JSON.stringify({ content_type: type }));
      expect(await typeOf(sid)).toBe(type);
      const head = await fetch(`${gateway.http}/data/${sid}/latest`, { method: 'HEAD' });
      expect([head.headers.get('content-type'), head.headers.get('content-length')]).toEqual([type, '2']);
    }
    await redis.client.del(`:stream:meta:default:${sid}`);
    expect(await typeOf(sid)).toBe('application/json');
  });

  test.each([
    'text/html',
    'image/svg+xml',
    'application/xhtml+xml',
    'text/xml',
    'text/javascript',
    'image/png',
  ])('never a page of the gateway, nor for pages of other sites: %s', async (type) => {
    const sid = freshSid();
    await add(sid, '1-0', '<script>alert(1)</script>');
    await redis.client.set(`:stream:meta:default:${sid}`, JSON.stringify({ content_type: type }));
    const { headers } = await get(sid);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': type,
      'content-security-policy': 'sandbox',
      'cross-origin-resource-policy': 'same-site',
      'x-content-type-options': 'nosniff',
    });
  });

  test('is for pages of all sites where they may read everything', async () => {
    const open = await startGatewayProcess({ REDIS_URL: redis.url, CORS_ORIGINS: '*' });
    try {
      await add('shared', '1-0', 'x');
      const { headers } = await fetch(`${open.http}/data/shared/latest`);
      expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    } finally {
      await open.stop();
    }
  });
});

describe('who has it already', () => {
  test.each(['"5-0"', 'W/"5-0"', '"4-0", "5-0"', '*', ' "x" , W/"5-0"'])('is told so: %s', async (tags) => {
    await redis.client.del('default:known');
    await add('known', '5-0', 'x');
    const response = await get('known', '', { 'if-none-match': tags });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: '"5-0"',
      'cache-control': 'no-cache',
    });
    expect(response.headers.has('content-length')).toBe(false);
    expect(await outcome(response)).toEqual([304, '5-0', '']);
  });

  test.each(['"4-0"', '5-0', '"15-0"', 'W/"5-00"', '""'])('and else is sent it: %s', async (tags) => {
    await redis.client.del('default:known');
    await add('known', '5-0', 'x');
    expect(await outcome(await get('known', '', { 'if-none-match': tags }))).toEqual([200, '5-0', 'x']);
  });

  test('though Redis sends no frame', async () => {
    const sid = freshSid();
    await add(sid, '5-0', Buffer.alloc(4 * MIB));
    await get(sid, '', { 'if-none-match': '"5-0"' });
    const sent = async () =>
      Number(/total_net_output_bytes:(\d+)/.exec(await redis.client.info('stats'))![1]);
    const before = await sent();
    for (let count = 0; count < 10; count++) {
      expect((await get(sid, '', { 'if-none-match': '"5-0"' })).status).toBe(304);
    }
    expect((await sent()) - before).toBeLessThan(MIB);
  });

  test('by the entry itself where that is small, whatever its metadata is', async () => {
    const sid = freshSid();
    await add(sid, '5-0', 'x');
    await get(sid);
    await redis.client.hset(`:stream:meta:default:${sid}`, 'no', 'text');
    const { calls } = await costOf(redis.client, async () => {
      const answer = await get(sid, '', { 'if-none-match': '"5-0"' });
      expect(await outcome(answer)).toEqual([304, '5-0', '']);
    });
    expect(calls).toMatchObject({ xrevrange: 1, get: 1 });
    expect(Object.keys(calls)).not.toContain('evalsha');
    expect(await refused(await get(sid, '', { 'if-none-match': '"4-0"' }))).toMatchObject({
      status: 409,
      code: 'wrong_type',
    });
  });

  test('leaves the connection ready for the next request', async () => {
    await redis.client.del('default:known');
    await add('known', '5-0', 'x');
    const head = 'GET /data/known/latest HTTP/1.1\r\nHost: 127.0.0.1\r\n';
    const answer = await sendRaw(gateway.port, `${head}If-None-Match: "5-0"\r\n\r\n`);
    expect(answer).toMatchObject({ status: 304, body: '' });
    expect(answer!.headers).not.toHaveProperty('transfer-encoding');
  });

  test('where Redis runs no scripts, too', async () => {
    const other = await startRedis();
    await other.client.xadd('default:known', '5-0', 'd', 'x');
    await other.client.call('ACL', 'SETUSER', 'default', '-@scripting');
    const plain = await startGatewayProcess({ REDIS_URL: other.url });
    try {
      const ask = (tag: string) =>
        fetch(`${plain.http}/data/known/latest`, { headers: { 'if-none-match': tag } });
      expect(await outcome(await ask('"5-0"'))).toEqual([304, '5-0', '']);
      expect(await outcome(await ask('"4-0"'))).toEqual([200, '5-0', 'x']);
    } finally {
      await plain.stop();
      await other.stop();
    }
  });
});

describe('the entry of a moment', () => {
  beforeAll(async () => {
    for (const [id, payload] of [
      ['1700000000000-0', 'a'],
      ['1700000000000-1', 'b'],
      ['1700000001000-0', 'c'],
    ] as const) {
      await add('timed', id, payload);
    }
  });

  test.each([
    ['1700000000000', 'b'],
    ['1700000000000-0', 'a'],
    ['1700000000999', 'b'],
    ['1700000001000-0', 'c'],
    ['9999999999999', 'c'],
    ['2023-11-14T22:13:20Z', 'b'],
    ['2023-11-14T23:13:20.500%2B01:00', 'b'],
    ['2023-11-15', 'c'],
  ])('%s', async (at, payload) => {
    const response = await get('timed', `?at=${at}`);
    expect([response.status, await response.text()]).toEqual([200, payload]);
  });

  test('that has come', async () => {
    expect(
      await outcome(await get('timed', '?at=1700000000000', { 'if-none-match': '"1700000000000-1"' })),
    ).toEqual([304, '1700000000000-1', '']);
  });

  test('before which there was none', async () => {
    expect(await refused(await get('timed', '?at=1699999999999'))).toEqual({
      status: 404,
      code: 'not_found',
      error: "the stream 'timed' has no entry at that time",
    });
  });
});

describe('the entry after an id', () => {
  test('is the newest that there is', async () => {
    const sid = freshSid();
    for (const id of ['1-0', '2-0', '3-0']) await add(sid, id, id);
    expect(await outcome(await get(sid, '?after=1-0'))).toEqual([200, '3-0', '3-0']);
  });

  test('is waited for', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'one');
    for (const after of ['1-0', '$']) {
      const asked = get(sid, `?after=${after}&block=20000`);
      await expect.poll(() => gateway.metric('waiting_reads'), WAIT).toBe(1);
      const id = await add(sid, '*', 'next');
      expect(await outcome(await asked)).toEqual([200, id, 'next']);
      await redis.client.xtrim(`default:${sid}`, 'MAXLEN', 0);
      await redis.client.del(`default:${sid}`);
      await add(sid, '1-0', 'one');
    }
  });

  test('that does not come is no content, and the cursor stays', async () => {
    const sid = freshSid();
    await add(sid, '1-0', 'one');
    expect(await outcome(await get(sid, '?after=1-0&block=1'))).toEqual([204, '1-0', '']);
    expect(await outcome(await get(sid, '?after=$&block=-1'))).toEqual([204, '1-0', '']);
    expect(await outcome(await get('nowhere', '?after=0&block=-1'))).toEqual([204, '0-0', '']);
  });
});

describe('requests', () => {
  test.each([
    ['/data/a+b/latest', 400, 'bad_parameter', /one stream/],
    ['/data/a/latest?at=noon', 400, 'bad_parameter', /^at must be/],
    ['/data/a/latest?after=noon', 400, 'bad_parameter', /^after must be/],
    ['/data/a/latest?at=1&after=1', 400, 'bad_parameter', /at and after/],
    ['/data/a/latest?after=1&block=x', 400, 'bad_parameter', /^block must be/],
    ['/data/%00/latest', 400, 'bad_name', /control/],
    ['/data/text/latest', 409, 'wrong_type', /^the key exists and is not a stream$/],
  ])('are refused: %s', async (path, status, code, message) => {
    await redis.client.set('default:text', 'x');
    const answer = await refused(await fetch(`${gateway.http}${path}`));
    expect(answer).toEqual({ status, code, error: expect.stringMatching(message) });
  });

  test('by methods that change something are refused', async () => {
    const response = await fetch(`${gateway.http}/data/a/latest`, { method: 'POST', body: 'x' });
    expect(await refused(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
    expect(response.headers.get('allow')).toBe('OPTIONS, GET, HEAD');
  });
});
