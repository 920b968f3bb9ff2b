/**
 * What a page of a stranger can make a browser send: nothing of it is acted on. Cross-site WebSockets, forms
 * and requests that need no preflight; names of strangers that lead to this machine (DNS rebinding).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { FORM_TYPE, formBody, sendRaw } from '../support/http.js';
import { RawClient, upgradeRequest } from '../support/raw-client.js';

/** Without access control, on loopback. */
const { redis, gateway } = await startForFile();
/** The same with pages and names of its own allowed. */
let listed: GatewayProcess;

beforeAll(async () => {
  listed = await startGatewayProcess({
    REDIS_URL: redis.url,
    CORS_ORIGINS: 'https://allowed.test,http://plain.test',
    ALLOWED_HOSTS: 'gateway.test',
  });
});

afterAll(async () => {
  await listed?.stop();
});

/** Everything that Redis holds, to be the same before and after. */
async function contents(): Promise<string> {
  const keys = (await redis.client.keys('*')).sort();
  const held = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.client.type(key);
      if (type === 'stream') return [key, await redis.client.xrange(key, '-', '+')];
      if (type === 'set') return [key, (await redis.client.smembers(key)).sort()];
      return [key, await redis.client.get(key)];
    }),
  );
  return JSON.stringify(held);
}

const STRANGERS = [
  'http://evil.test',
  'https://evil.test:8000',
  'null',
  'file://',
  'http://localhost.evil.test',
  'http://localhost@evil.test',
  'http://evil.test#localhost',
  'http://evil.test?localhost',
  'http://localhost\t.evil.test',
  'http://loc\talhost',
  'http://localhost:8000/path',
  'http://localhost:99999999',
  'chrome-extension://localhost',
  'localhost',
  'http://',
  '[::1]',
  ' ',
].filter((origin) => origin.trim() !== '');

const WRITES: Readonly<Record<string, { path: string; types: readonly string[]; body: string | Buffer }>> = {
  'a raw entry': {
    path: '/data/x',
    types: ['text/plain', 'application/octet-stream', 'application/x-www-form-urlencoded', ''],
    body: 'x',
  },
  'a form': { path: '/data/x', types: [FORM_TYPE], body: formBody(['form-data; name="entries"', 'x']) },
  'a form that names its streams': {
    path: '/data/*',
    types: [FORM_TYPE],
    body: formBody(['form-data; name="entries"; filename="x"', 'x']),
  },
  'a mutation': {
    path: '/graphql',
    types: [
      'application/json',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      '',
    ],
    body: JSON.stringify({ query: 'mutation { connectDevice(deviceId: "d") }' }),
  },
};

const WRITE_CASES = Object.entries(WRITES).flatMap(([name, { path, types, body }]) =>
  types.map((type) => [name, type, path, body] as const),
);

function post(port: number, path: string, type: string, body: string | Buffer, headers: string) {
  const head =
    `POST ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `${type === '' ? '' : `Content-Type: ${type}\r\n`}\r\n`;
  return sendRaw(port, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]));
}

describe.each(WRITE_CASES)('%s as %j', (name, type, path, body) => {
  test('is not taken from a stranger', async () => {
    const before = await contents();
    for (const origin of STRANGERS) {
      const answer = await post(gateway.port, path, type, body, `Origin: ${origin}\r\n`);
      expect([origin, answer?.status]).toEqual([origin, 403]);
      expect(answer!.headers).not.toHaveProperty('access-control-allow-origin');
    }
    expect(await contents()).toBe(before);
  });

  test('is taken from pages that may, if it is what it says', async () => {
    const before = await contents();
    for (const origin of [`http://localhost:${gateway.port}`, 'http://127.0.0.1:3000', 'http://[::1]:3000']) {
      const answer = await post(gateway.port, path, type, body, `Origin: ${origin}\r\n`);
      // What a browser sends without asking is no GraphQL.
      const isSimple = name === 'a mutation' && type !== 'application/json';
      expect([origin, answer?.status]).toEqual([origin, isSimple ? 415 : 200]);
      expect(answer!.headers['access-control-allow-origin']).toBe(origin);
    }
    if (name !== 'a mutation') expect(await contents()).not.toBe(before);
  });
});

const SOCKETS = ['/data/x/push', '/data/x/push/', '/data/x/pull', '/data/x/pull/', '/graphql', '/graphql/'];

async function open(port: number, path: string, headers: string, host?: string): Promise<number | undefined> {
  const client = await RawClient.open(port);
  const protocol = path.startsWith('/graphql') ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : '';
  client.send(upgradeRequest(path, headers + protocol, host ?? `localhost:${port}`));
  await client.until(() => client.statuses.length > 0);
  client.destroy();
  return client.statuses[0];
}

describe.each(SOCKETS)('a WebSocket at %s', (path) => {
  test('opens for no page of a stranger', async () => {
    for (const origin of STRANGERS) {
      expect([origin, await open(gateway.port, path, `Origin: ${origin}\r\n`)]).toEqual([origin, 403]);
    }
    const two = 'Origin: http://localhost\r\nOrigin: http://evil.test\r\n';
    expect(await open(gateway.port, path, two)).toBeUndefined();
  });

  test('opens for programs, and for pages that may', async () => {
    expect(await open(gateway.port, path, '')).toBe(101);
    expect(await open(gateway.port, path, `Origin: http://localhost:${gateway.port}\r\n`)).toBe(101);
    expect(await open(gateway.port, path, 'Origin: HTTP://LOCALHOST:3000\r\n')).toBe(101);
  });

  test('opens by a list for those on it, with a default port or without', async () => {
    const isOpen = async (origin: string) => (await open(listed.port, path, `Origin: ${origin}\r\n`)) === 101;
    const may = [
      'https://allowed.test',
      'https://ALLOWED.test:443',
      'http://plain.test:80',
      'http://plain.test',
    ];
    const mayNot = [
      'http://allowed.test',
      'https://allowed.test:444',
      'https://allowed.test.evil.test',
      'https://evil.test/https://allowed.test',
      'http://allowed.evil',
      'https://plain.test',
      'http://localhost:3000',
      'null',
    ];
    for (const origin of may) expect([origin, await isOpen(origin)]).toEqual([origin, true]);
    for (const origin of mayNot) expect([origin, await isOpen(origin)]).toEqual([origin, false]);
  });
});

/** Every address that answers a GET, with parameters that ask for something. */
const GETS = [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/data/fresh',
  '/data/fresh?last_entry_id=0&block=10&count=5',
  '/data/fresh+other?block=10',
  '/data/fresh?device_id=fresh&prefix=p&block=-1',
  '/data/fresh/push',
  '/data/fresh/pull',
  '/graphql',
  `/graphql?query=${encodeURIComponent('{ devices { id } streams { id } }')}`,
  `/graphql?query=${encodeURIComponent('{ streams(ids: ["fresh"]) { id length meta } }')}`,
  ...[
    'mutation { connectDevice(deviceId: "d") }',
    'mutation { updateDeviceMeta(deviceId: "d", meta: "{}") }',
    'mutation { disconnectDevice(deviceId: "d") }',
    'mutation { updateStreamMeta(streamId: "x", meta: "{}") { meta_set } }',
    'mutation { deleteStream(streamId: "x") { stream_deleted } }',
    'mutation { flush }',
  ].map((query) => `/graphql?query=${encodeURIComponent(query)}`),
  '/graphiql/assets/x.js',
  '/live/assets/x.js',
  '/docs',
  '/docs/assets/x.js',
  '/openapi.json',
  '/nothing',
];

describe('a GET', () => {
  /** Sends a request whose answer may have no body, whatever its length says. */
  async function visit(method: string, path: string, headers = ''): Promise<void> {
    const client = await RawClient.open(gateway.port);
    client.send(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
    await client.until(() => client.text.includes('\r\n\r\n'));
    client.destroy();
  }

  const send = (method: string, path: string, headers = '') =>
    sendRaw(gateway.port, `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);

  test.each(['GET', 'HEAD'])('changes nothing, wherever (%s)', async (method) => {
    await redis.client.xadd('default:x', '*', 'd', 'x');
    const before = await contents();
    for (const path of GETS) {
      await visit(method, path);
      await visit(method, `${path}${path.includes('?') ? '&' : '?'}block=-1`);
      if (path.startsWith('/graphql')) await visit(method, path, 'Accept: text/event-stream\r\n');
      if (path.startsWith('/graphql')) await visit(method, path, 'Accept: text/html\r\n');
    }
    expect(await contents()).toBe(before);
  });

  test('nor does a method that none has', async () => {
    const before = await contents();
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'XPOST']) {
      for (const path of GETS) await visit(method, path);
    }
    expect(await contents()).toBe(before);
  });

  test('is answered to a stranger with nothing of what there is', async () => {
    for (const path of GETS) {
      const answer = await send('GET', path, 'Origin: http://evil.test\r\n');
      expect([path, answer?.status]).toEqual([path, 403]);
      expect(JSON.parse(answer!.body)).toMatchObject({ code: 'forbidden_origin' });
    }
  });
});

describe('a name that is not ours', () => {
  const NAMES = ['evil.test', 'evil.test:8000', 'localhost.evil.test', '10.0.0.1', '0.0.0.0', 'gateway', ''];
  const OWN = ['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:8000', '[::1]', '[::1]:8000'];
  const send = (port: number, method: string, path: string, host: string, headers = '') =>
    sendRaw(port, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Length: 0\r\n\r\n`);

  test('is answered nowhere, also to what looks like our own page', async () => {
    const before = await contents();
    for (const host of NAMES) {
      for (const path of GETS) {
        const answer = await send(gateway.port, 'GET', path, host);
        expect([host, path, answer?.status]).toEqual([host, path, 421]);
        expect(JSON.parse(answer!.body)).toEqual({
          code: 'forbidden_host',
          error: expect.stringMatching(/^host '.*' is not allowed; add it to ALLOWED_HOSTS$/),
        });
      }
      for (const headers of ['', `Origin: http://${host}\r\n`]) {
        const answer = await send(gateway.port, 'POST', '/data/x', host, headers);
        expect([host, answer?.status]).toEqual([host, 421]);
        expect(answer!.headers).not.toHaveProperty('access-control-allow-origin');
      }
      for (const path of SOCKETS) expect(await open(gateway.port, path, '', host)).toBe(421);
    }
    expect(await contents()).toBe(before);
  });

  test.each(OWN)('%s is ours', async (host) => {
    expect(await send(gateway.port, 'GET', '/healthz', host)).toMatchObject({ status: 200 });
    expect(await open(gateway.port, '/data/x/pull', '', host)).toBe(101);
  });

  test('may be given by ALLOWED_HOSTS', async () => {
    expect(await send(listed.port, 'GET', '/healthz', 'gateway.test:8000')).toMatchObject({ status: 200 });
    expect(await send(listed.port, 'GET', '/healthz', 'localhost')).toMatchObject({ status: 200 });
    expect(await send(listed.port, 'GET', '/healthz', 'evil.test')).toMatchObject({ status: 421 });
  });
});
