/** HTTP as such: methods, addresses, and the endpoints that say how the gateway is. */
import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, readEntries, refused, sendRaw } from '../../../support/http.js';
import { TestSocket } from '../../../support/socket.js';

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
  await postEntries(`${gateway.http}/data/small`, 'hello');
  await postEntries(`${gateway.http}/data/large`, Buffer.alloc(200_000, 'x'));
});

afterAll(() => gateway?.stop());

const url = (path: string) => `${gateway.http}${path}`;

/** One raw request without a body. */
const send = (method: string, path: string, headers = '') =>
  sendRaw(gateway.port, `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`);

describe('HEAD', () => {
  test.each([
    ['/data/small?last_entry_id=0', '5'],
    ['/data/large?last_entry_id=0', '200000'],
    ['/data/small?block=-1', '0'],
    ['/data/small/latest', '5'],
    ['/data/large/latest', '200000'],
    ['/data/missing/latest', undefined],
    ['/healthz', '15'],
    ['/', undefined],
    ['/data/small?count=0', undefined],
    ['/nothing/here', undefined],
  ])('%s has the headers of GET and no body', async (path, length) => {
    const get = await fetch(url(path));
    const body = await get.text();
    const head = await fetch(url(path), { method: 'HEAD' });
    expect(await head.text()).toBe('');
    expect(head.status).toBe(get.status);
    const headers = (response: Response) => [...response.headers].filter(([name]) => name !== 'date');
    expect(headers(head)).toEqual(headers(get));
    expect(head.headers.get('content-length')).toBe(length ?? `${body.length}`);
  });

  test('leaves the connection ready for the next request', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (method: string) =>
      new Promise<{ isReused: boolean; body: string }>((resolve, reject) => {
        const asked = request(url('/data/small?last_entry_id=0'), { method, agent }, async (response) => {
          let body = '';
          for await (const chunk of response) body += chunk;
          resolve({ isReused: asked.reusedSocket, body });
        });
        asked.on('error', reject).end();
      });
    expect(await ask('HEAD')).toEqual({ isReused: false, body: '' });
    expect(await ask('GET')).toEqual({ isReused: true, body: 'hello' });
    agent.destroy();
  });
});

describe('methods', () => {
  test.each([
    ['/data/small', 'OPTIONS, GET, HEAD, POST'],
    ['/data/small/', 'OPTIONS, GET, HEAD, POST'],
    ['/data/small/push', 'OPTIONS, GET, HEAD'],
    ['/data/small/pull', 'OPTIONS, GET, HEAD'],
    ['/data/small/latest', 'OPTIONS, GET, HEAD'],
    ['/data/small/mjpeg', 'OPTIONS, GET, HEAD'],
    ['/data/small/events/', 'OPTIONS, GET, HEAD'],
    ['/overview', 'OPTIONS, GET, HEAD'],
    ['/healthz', 'OPTIONS, GET, HEAD'],
    ['/readyz', 'OPTIONS, GET, HEAD'],
    ['/metrics', 'OPTIONS, GET, HEAD'],
    ['/', 'OPTIONS, GET, HEAD'],
  ])('of %s', async (path, allow) => {
    const options = await send('OPTIONS', path);
    expect(options).toMatchObject({ status: 204, body: '', headers: { allow } });
    expect(options!.headers).not.toHaveProperty('content-length');
    for (const method of [
      'PUT',
      'DELETE',
      'PATCH',
      'FROBNICATE',
      ...(allow.includes('POST') ? [] : ['POST']),
    ]) {
      const answer = await send(method, path, 'Content-Length: 0\r\n');
      expect(answer).toMatchObject({ status: 405, headers: { allow, 'content-type': 'application/json' } });
      const body = JSON.parse(answer!.body);
      const error = `${method} is not allowed here; allowed are ${allow}`;
      expect(body).toEqual({ code: 'method_not_allowed', error });
    }
  });
});

describe('addresses', () => {
  test.each([
    '/nothing',
    '/data',
    '/data/',
    '/data//',
    '/data/small/push/more',
    '/data/small/latest/more',
    '/data/a/b',
    '/healthz/x',
    '/DATA/small',
    '/../etc/passwd',
    '/%zz',
  ])('%s is not found', async (path) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await send(method, path, 'Content-Length: 0\r\n');
      expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'application/json' } });
      expect(JSON.parse(answer!.body)).toEqual({
        code: 'not_found',
        error: expect.stringMatching(/^there is nothing at .+; GET \/ lists the addresses$/),
      });
    }
  });

  test.each(['/data/small/?last_entry_id=0', '/healthz/', '/readyz/', '/metrics/'])(
    'a trailing slash is tolerated: %s',
    async (path) => {
      expect((await fetch(url(path))).status).toBe(200);
    },
  );

  test('a trailing slash is tolerated by POST and by WebSockets', async () => {
    const [id] = await postEntries(url('/data/slash/'), 'x');
    expect((await readEntries(url('/data/slash/?last_entry_id=0'))).entries).toEqual([['slash', id, 'x']]);
    const push = await TestSocket.open(`${gateway.ws}/data/slash/push/?ack=1`);
    expect(await push.push([1], 'y')).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    await push.close();
  });

  test.each(['push', 'pull', 'push/', 'pull/?count=2'])('/data/small/%s is for WebSockets', async (path) => {
    const response = await fetch(url(`/data/small/${path}`));
    expect(response.headers.get('upgrade')).toBe('websocket');
    expect(await refused(response)).toMatchObject({ status: 426, code: 'upgrade_required' });
  });

  test.each([
    '/push?header=maybe',
    '/push?ack=2',
    '/pull?count=0',
    '/pull?header=0&count=2',
    '/pull?last_entry_id=x',
  ])('a WebSocket with a wrong parameter is refused before it opens: %s', async (path) => {
    await expect(TestSocket.open(`${gateway.ws}/data/small${path}`)).rejects.toThrow(/^400 .*bad_parameter/);
  });
});

describe('how the gateway is', () => {
  test('/healthz', async () => {
    const response = await fetch(url('/healthz'));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });

  test('/readyz', async () => {
    const response = await fetch(url('/readyz'));
    expect(response.status).toBe(200);
    const checks = { redis: true, readers: true, pool: true, accepting: true };
    const durability = {
      appendonly: 'yes',
      appendfsync: 'everysec',
      meaning: expect.stringMatching(/^a killed Redis loses nothing/),
    };
    expect(await response.json()).toEqual({ status: 'ready', checks, durability });
  });

  test('/ greets', async () => {
    const response = await fetch(url('/'));
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await response.text()).toMatch(/^streamgate/);
  });
});
