/** https and wss, and certificates that are renewed while clients are connected. */
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { makeCertificate } from '../support/certificates.js';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { SUBPROTOCOL } from '../support/graphql-socket.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

let folder: string;
let ca: Buffer;
let redis: TestRedis;
let gateway: GatewayProcess;

const file = (name: string) => join(folder, name);

/** Puts a certificate where the gateway looks for it. */
async function install(name: string): Promise<void> {
  await copyFile(file(`${name}.crt`), file('server.crt'));
  await copyFile(file(`${name}.key`), file('server.key'));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-tls-'));
  await makeCertificate(folder, 'ca');
  await Promise.all(['first', 'second', 'third'].map((name) => makeCertificate(folder, name)));
  ca = await readFile(file('ca.crt'));
  await install('first');
  redis = await startRedis();
  gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    PORT: String(await freePort()),
    TLS_CERT_FILE: file('server.crt'),
    TLS_KEY_FILE: file('server.key'),
  });
});

afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function ask(
  path: string,
  body?: string | Buffer,
  options: RequestOptions = {},
): Promise<{ status: number; body: Buffer }> {
  const asking = request({
    ...{ host: '127.0.0.1', port: gateway.port, path, ca, agent: false },
    ...(body === undefined
      ? {}
      : {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        }),
    ...options,
  });
  asking.end(body);
  const [response] = await once(asking, 'response');
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return { status: response.statusCode, body: Buffer.concat(parts) };
}

async function openSocket(path: string, subprotocols: string[] = []): Promise<WebSocket> {
  const ws = new WebSocket(`wss://127.0.0.1:${gateway.port}${path}`, subprotocols, {
    ca,
    maxPayload: 1 << 30,
  });
  await once(ws, 'open');
  return ws;
}

async function push(ws: WebSocket, payload: Buffer): Promise<string[]> {
  const acked = once(ws, 'message');
  ws.send(JSON.stringify([payload.length]));
  ws.send(payload);
  return JSON.parse(String((await acked)[0]));
}

/** Whose certificate a new connection is shown. */
async function shownName(options: { servername?: string } = {}): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port: gateway.port, ca, ...options });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('the log says https', () => {
  const line = gateway.log.find(({ msg }) => String(msg).startsWith('streamgate is listening'));
  expect(line!.msg).toBe(`streamgate is listening on https://127.0.0.1:${gateway.port}`);
});

test('REST, of all sizes', async () => {
  for (const size of [0, 1000, 5_000_000]) {
    const payload = Buffer.alloc(size, `${size} `);
    expect((await ask(`/data/rest-${size}`, payload)).status).toBe(200);
    const read = await ask(`/data/rest-${size}?last_entry_id=0`);
    expect([read.status, read.body.equals(payload)]).toEqual([200, true]);
  }
});

test('producers and followers, of all sizes', async () => {
  const producer = await openSocket('/data/cam/push?ack=1');
  const follower = await openSocket('/data/cam/pull?header=0');
  for (const size of [1, 1000, 70_000, 3_000_000]) {
    const payload = Buffer.alloc(size, `${size} `);
    const delivered = once(follower, 'message');
    expect(await push(producer, payload)).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    expect(((await delivered)[0] as Buffer).equals(payload)).toBe(true);
  }
  producer.close();
  follower.close();
});

test('GraphQL, subscriptions included', async () => {
  const answer = await ask('/graphql', JSON.stringify({ query: '{ __typename }' }));
  expect(JSON.parse(String(answer.body))).toEqual({ data: { __typename: 'Query' } });
  const ws = await openSocket('/graphql', [SUBPROTOCOL]);
  const acknowledged = once(ws, 'message');
  ws.send('{"type":"connection_init"}');
  expect(String((await acknowledged)[0])).toContain('connection_ack');
  const query = 'subscription { data(streamIds: ["sub"], lastEntryId: "0") { string } }';
  const next = once(ws, 'message');
  ws.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }));
  expect((await ask('/data/sub', 'hello')).status).toBe(200);
  expect(JSON.parse(String((await next)[0])).payload).toEqual({ data: { data: { string: 'hello' } } });
  ws.close();
});

test('whoever speaks without TLS, or TLS of old, is cut off, and others do not feel it', async () => {
  const plain = connectPlain(gateway.port, '127.0.0.1');
  plain.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  let heard = '';
  plain.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  plain.on('error', () => {});
  await once(plain, 'close');
  expect(heard).not.toContain('HTTP');
  const old = connect({
    ...{ host: '127.0.0.1', port: gateway.port, ca },
    ...{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' },
  });
  await expect(once(old, 'secureConnect')).rejects.toThrow();
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = connect({
      host: '127.0.0.1',
      port: gateway.port,
      ca,
      minVersion: version,
      maxVersion: version,
    });
    await once(socket, 'secureConnect');
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  }
  expect((await ask('/healthz')).status).toBe(200);
});

describe('a certificate that is renewed', () => {
  async function hangUp(awaited: string): Promise<Record<string, unknown>> {
    const from = gateway.log.length;
    gateway.process.kill('SIGHUP');
    const find = () => gateway.log.slice(from).find(({ msg }) => msg === awaited);
    await expect.poll(find, { timeout: 10_000, interval: 5 }).toBeDefined();
    return find()!;
  }

  test('is shown to new connections, and those that are open go on', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const producer = await openSocket('/data/renewed/push?ack=1');
    const follower = await openSocket('/data/renewed/pull?header=0');
    await ask('/healthz', undefined, { agent });
    const [kept] = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    expect(kept).toBeDefined();
    expect(await shownName()).toBe('first');
    for (const name of ['second', 'third', 'second']) {
      await install(name);
      await hangUp('the certificate is read again');
      // By its address and by name, as clients may call it.
      expect([await shownName(), await shownName({ servername: 'localhost' })]).toEqual([name, name]);
      const delivered = once(follower, 'message');
      expect(await push(producer, Buffer.from(name))).toEqual([expect.any(String)]);
      expect(String((await delivered)[0])).toBe(name);
      expect((await ask('/healthz', undefined, { agent })).status).toBe(200);
    }
    expect(Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? [])).toEqual([kept]);
    agent.destroy();
    producer.close();
    await once(producer, 'close');
    follower.close();
  });

  test.each<[string, () => Promise<void>]>([
    ['is not there', () => rm(file('server.crt'))],
    ['is none', () => writeFile(file('server.crt'), 'SECRET')],
    ['does not go with its key', () => copyFile(file('first.key'), file('server.key'))],
  ])('and %s leaves all as it was, and the log says so in one line', async (_, spoil) => {
    await install('second');
    await hangUp('the certificate is read again');
    await spoil();
    const from = gateway.log.length;
    const { reason } = await hangUp('the new certificate cannot be used; the old one stays');
    expect(reason).toMatch(/^The certificate .+ with the key .+ cannot be used: .+\.$/);
    expect(reason).not.toContain('SECRET');
    expect(gateway.log.slice(from)).toHaveLength(1);
    expect(await shownName()).toBe('second');
  });

  test('leaves no connection behind when the gateway stops', async () => {
    const old = await openSocket('/data/last/push?ack=1');
    await install('third');
    await hangUp('the certificate is read again');
    const young = await openSocket('/data/last/push?ack=1');
    const closings = [old, young].map((ws) => once(ws, 'close'));
    const exit = once(gateway.process, 'exit');
    gateway.process.kill('SIGTERM');
    expect((await Promise.all(closings)).map(([code]) => code)).toEqual([1001, 1001]);
    expect(await exit).toEqual([0, null]);
  });
});
