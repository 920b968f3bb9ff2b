/** Which pages may use the gateway: CORS_ORIGINS unset, a list, and `*`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { sendRaw } from '../../support/http.js';
import { TestSocket } from '../../support/socket.js';

const EXPOSED = 'x-last-entry-id, x-offsets, x-gap, etag, retry-after';
const LISTED = ['https://app.example.org', 'http://lan.example:8080'];

/** By CORS_ORIGINS; `` is unset. */
const SETTINGS = ['', LISTED.join(', '), '*'] as const;
type Setting = (typeof SETTINGS)[number];

const gateways = new Map<Setting, GatewayProcess>();

beforeAll(async () => {
  await Promise.all(
    SETTINGS.map(async (setting) => {
      gateways.set(
        setting,
        await startGatewayProcess({ CORS_ORIGINS: setting, ALLOWED_HOSTS: 'gateway.lan' }),
      );
    }),
  );
});

afterAll(() => Promise.all([...gateways.values()].map((gateway) => gateway.stop())));

/** Whether pages of an origin may use the gateway, by CORS_ORIGINS. `PORT` is the gateway's own. */
const ORIGINS: readonly [origin: string, unset: boolean, listed: boolean, any: boolean][] = [
  ['http://127.0.0.1:PORT', true, true, true],
  ['http://localhost', true, false, true],
  ['http://localhost:3000', true, false, true],
  ['https://localhost:5173', true, false, true],
  ['http://127.0.0.1:8080', true, false, true],
  ['http://127.1.2.3', true, false, true],
  ['http://[::1]:3000', true, false, true],
  ['https://app.example.org', false, true, true],
  ['HTTPS://APP.EXAMPLE.ORG', false, true, true],
  ['http://lan.example:8080', false, true, true],
  ['http://lan.example', false, false, true],
  ['http://app.example.org', false, false, true],
  ['https://app.example.org:444', false, false, true],
  ['https://app.example.org.evil.test', false, false, true],
  ['https://evil.test', false, false, true],
  ['http://localhost.evil.test', false, false, true],
  ['http://evil.test#localhost', false, false, true],
  ['http://localhost@evil.test', false, false, true],
  ['http://127.0.0.1.evil.test', false, false, true],
  ['http://10.0.0.1:PORT', false, false, true],
  ['file://', false, false, true],
  ['null', false, false, true],
  ['nonsense', false, false, true],
];

const CASES = ORIGINS.flatMap(([origin, unset, listed, any]) => [
  [origin, SETTINGS[0], unset] as const,
  [origin, SETTINGS[1], listed] as const,
  [origin, SETTINGS[2], any] as const,
]);

describe.each(CASES)('Origin %s with CORS_ORIGINS=%s', (template, setting, isAllowed) => {
  const gateway = () => gateways.get(setting)!;
  const origin = () => template.replace('PORT', String(gateway().port));
  const send = (method: string, path: string, headers = '') =>
    sendRaw(
      gateway().port,
      `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${gateway().port}\r\nOrigin: ${origin()}\r\n${headers}\r\n`,
    );

  test(isAllowed ? 'may read and write' : 'may do nothing', async () => {
    const requests = [
      await send('POST', '/data/x', 'Content-Length: 0\r\n'),
      await send('GET', '/data/x?block=-1'),
      await send('GET', '/data/x?count=0'),
      await send('GET', '/metrics'),
      await send('GET', '/nothing'),
    ];
    expect(requests.map((answer) => answer?.status)).toEqual(
      isAllowed ? [200, 200, 400, 200, 404] : [403, 403, 403, 403, 403],
    );
    for (const answer of requests) {
      if (isAllowed) {
        expect(answer!.headers).toMatchObject({
          'access-control-allow-origin': setting === '*' ? '*' : origin(),
          'access-control-expose-headers': EXPOSED,
        });
        expect(answer!.headers.vary).toBe(setting === '*' ? undefined : 'Origin');
      } else {
        expect(JSON.parse(answer!.body)).toEqual({
          code: 'forbidden_origin',
          error: expect.stringMatching(/^origin '.+' is not allowed; add it to CORS_ORIGINS$/),
        });
        expect(Object.keys(answer!.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
      }
    }
  });

  test(isAllowed ? 'passes a preflight' : 'fails a preflight', async () => {
    const answer = await send(
      'OPTIONS',
      '/data/x',
      'Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n',
    );
    if (!isAllowed) {
      expect(answer).toMatchObject({ status: 403 });
      expect(answer!.headers).not.toHaveProperty('access-control-allow-origin');
      return;
    }
    expect(answer).toMatchObject({ status: 204, body: '' });
    expect(answer!.headers['access-control-allow-origin']).toBe(setting === '*' ? '*' : origin());
    expect(answer!.headers['access-control-allow-methods']!.split(', ')).toEqual(
      expect.arrayContaining(['GET', 'POST']),
    );
    expect(answer!.headers['access-control-allow-headers']!.split(', ')).toEqual(
      expect.arrayContaining(['content-type', 'authorization']),
    );
    expect(answer!.headers['access-control-max-age']).toMatch(/^\d+$/);
  });

  test(isAllowed ? 'opens a WebSocket' : 'opens no WebSocket', async () => {
    const opening = TestSocket.open(`${gateway().ws}/data/x/push`, { origin: origin() });
    if (isAllowed) await (await opening).close();
    else await expect(opening).rejects.toThrow(/^403 .*forbidden_origin/);
    if (isAllowed) return;
    const pulling = TestSocket.open(`${gateway().ws}/data/x/pull`, { origin: origin() });
    await expect(pulling).rejects.toThrow(/^403 .*forbidden_origin/);
  });
});

describe.each(SETTINGS)('without an Origin, and CORS_ORIGINS=%s', (setting) => {
  test('programs may do all, and are told nothing of CORS', async () => {
    const { http, ws } = gateways.get(setting)!;
    const response = await fetch(`${http}/data/x`, { method: 'POST', body: 'x' });
    expect(response.status).toBe(200);
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    const options = await fetch(`${http}/data/x`, { method: 'OPTIONS' });
    expect(options.status).toBe(204);
    expect([...options.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    await (await TestSocket.open(`${ws}/data/x/push`)).close();
  });
});

test('a page of the same origin is known by the Host header, in any case', async () => {
  const { port } = gateways.get('')!;
  const send = (host: string, origin: string) =>
    sendRaw(port, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${origin}\r\n\r\n`);
  expect(await send('Gateway.Lan:8000', 'http://gateway.lan:8000')).toMatchObject({ status: 200 });
  expect(await send('gateway.lan', 'https://gateway.lan')).toMatchObject({ status: 200 });
  expect(await send('gateway.lan:8000', 'http://gateway.lan:8001')).toMatchObject({ status: 403 });
  expect(await send('gateway.lan:8000', 'http://gateway.lan')).toMatchObject({ status: 403 });
});
