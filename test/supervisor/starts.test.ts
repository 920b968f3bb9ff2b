/** WORKERS=2: how it starts or refuses to, what it has only once, and what a signal has all workers read again. */
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { makeToken } from '../../src/access/tokens.js';
import { makeCertificate } from '../support/certificates.js';
import { redisPids, workerPids } from '../support/child-processes.js';
import { redisForTest } from '../support/for-test.js';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { linesOf, openAtEachWorker, untilGone } from '../support/workers.js';

const SOON = { timeout: 60_000, interval: 50 };

// Each gateway is three processes, which start one after the other.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 90_000 });

async function start(settings: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess(settings);
  onTestFinished(async () => {
    await gateway.stop();
  });
  return gateway;
}

async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-workers-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** All that a start says that fails. */
const refusalOf = (settings: Record<string, string>) =>
  startGatewayProcess(settings).then(
    async (gateway) => {
      await gateway.stop();
      throw new Error('it started');
    },
    ({ message }: Error) => message,
  );

test('the workers share one embedded Redis, which ends with them', async () => {
  const gateway = await start({ WORKERS: '2' });
  const redis = await redisPids(gateway);
  const workers = await workerPids(gateway);
  expect([redis.length, workers.length]).toEqual([1, 2]);
  const posts = Array.from({ length: 8 }, () =>
    fetch(`${gateway.http}/data/one`, { method: 'POST', body: 'x', headers: { connection: 'close' } }),
  );
  expect((await Promise.all(posts)).map(({ status }) => status)).toEqual(posts.map(() => 200));
  const read = await fetch(`${gateway.http}/data/one?last_entry_id=0&count=8`);
  expect(await read.text()).toBe('x'.repeat(posts.length));
  expect(linesOf(gateway, `streamgate is listening on ${gateway.http}`)).toEqual([
    expect.objectContaining({ workers: 2 }),
  ]);
  // Only the embedded Redis may be emptied without ALLOW_FLUSH, so each worker knows that it is one.
  for (let flushes = 0; flushes < 4; flushes++) {
    const flush = await fetch(`${gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ query: 'mutation { flush }' }),
    });
    expect(await flush.json()).toEqual({ data: { flush: expect.any(Number) } });
  }
  expect(await (await fetch(`${gateway.http}/readyz`)).json()).toMatchObject({
    durability: { appendonly: 'yes', appendfsync: 'everysec' },
  });
  expect(await gateway.stop()).toBe(0);
  await untilGone([...redis, ...workers]);
});

test('a port has one gateway, however many workers each has', async () => {
  const redis = await redisForTest();
  const port = String(await freePort());
  const settings = { REDIS_URL: redis.url, PORT: port };
  const refusal = `the gateway ended with 1: streamgate: Cannot listen on 127.0.0.1 port ${port}: the port is in use (set another as PORT), or HOST is not an address of this machine.\n`;
  const several = await start({ ...settings, WORKERS: '2' });
  expect(await refusalOf({ ...settings, WORKERS: '2' })).toBe(refusal);
  expect(await refusalOf(settings)).toBe(refusal);
  expect(await refusalOf({ ...settings, WORKERS: '2', HOST: '0.0.0.0', ALLOW_ANONYMOUS: '1' })).toBe(
    refusal.replace('127.0.0.1', '0.0.0.0'),
  );
  expect((await fetch(`${several.http}/healthz`)).status).toBe(200);
  await several.stop();
  await start(settings);
  expect(await refusalOf({ ...settings, WORKERS: '2' })).toBe(refusal);
});

test('what is wrong with the settings is said once, in a sentence', async () => {
  const several = { WORKERS: '2', REDIS_URL: 'redis://127.0.0.1:1' };
  const ended = 'the gateway ended with 1: streamgate: ';
  expect(await refusalOf({ ...several, WORKERS: 'many' })).toBe(
    `${ended}WORKERS must be auto or a whole number from 1 to 64, not 'many'.\n`,
  );
  // Only a worker finds these.
  expect(await refusalOf({ ...several, ACCESS_TOKENS_FILE: '/nowhere.json' })).toBe(
    `${ended}There is no tokens file /nowhere.json; 'streamgate token create' makes one.\n`,
  );
  expect(await refusalOf({ ...several, TLS_CERT_FILE: '/nowhere.crt' })).toBe(
    `${ended}TLS_CERT_FILE and TLS_KEY_FILE must be set together.\n`,
  );
});

test('SIGHUP has all workers take a new certificate and new tokens', async () => {
  const folder = await folderForTest();
  const file = (name: string) => join(folder, name);
  await makeCertificate(folder, 'ca');
  for (const name of ['first', 'second']) await makeCertificate(folder, name);
  const ca = await readFile(file('ca.crt'));
  const install = async (name: string) => {
    await copyFile(file(`${name}.crt`), file('server.crt'));
    await copyFile(file(`${name}.key`), file('server.key'));
  };
  const [kept, revoked] = [makeToken('kept'), makeToken('revoked')];
  const allow = (...tokens: (typeof kept)[]) =>
    writeFile(
      file('tokens.json'),
      JSON.stringify({
        tokens: tokens.map(({ id, sha256 }) => ({ id, sha256, rights: [{ actions: ['read', 'write'] }] })),
      }),
    );
  await install('first');
  await allow(kept, revoked);
  const redis = await redisForTest();
  const gateway = await start({
    ...{ WORKERS: '2', LOG_LEVEL: 'debug', REDIS_URL: redis.url },
    ...{ TLS_CERT_FILE: file('server.crt'), TLS_KEY_FILE: file('server.key') },
    ACCESS_TOKENS_FILE: file('tokens.json'),
  });
  const open =
    ({ token }: typeof kept) =>
    async () => {
      const ws = new WebSocket(`wss://127.0.0.1:${gateway.port}/data/x/pull`, {
        ca,
        headers: { authorization: `Bearer ${token}` },
      });
      ws.on('error', () => {});
      await once(ws, 'open');
      return ws;
    };
  const going = await openAtEachWorker(gateway, open(revoked));
  const staying = await openAtEachWorker(gateway, open(kept));
  const closings = going.map(([, ws]) => once(ws, 'close'));
  await install('second');
  await allow(kept);
  gateway.process.kill('SIGHUP');
  for (const [, reason] of await Promise.all(closings)) expect(String(reason)).toContain('revoked');
  await vi.waitFor(() => {
    expect(
      linesOf(gateway, 'the certificate is read again')
        .map(({ worker }) => worker)
        .sort(),
    ).toEqual([1, 2]);
  }, SOON);
  for (let connection = 0; connection < 16; connection++) {
    const socket = connect({ host: '127.0.0.1', port: gateway.port, ca });
    await once(socket, 'secureConnect');
    expect(socket.getPeerCertificate().subject.CN).toBe('second');
    socket.destroy();
  }
  for (const [, ws] of staying) {
    expect(ws.readyState).toBe(WebSocket.OPEN);
    ws.close();
  }
});
