/** How a gateway ends, in order or not, and what refuses to start. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, MAIN, startGatewayProcess } from '../support/gateway-process.js';
import { TestSocket } from '../support/socket.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const SOON = { timeout: 15_000, interval: 10 };

let dataDir: string;
const ending: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'sg-data-'));
});

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  await rm(dataDir, { recursive: true, force: true });
});

async function start(settings: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({
    STREAMGATE_DATA_DIR: dataDir,
    REDIS_STREAM_MAXLEN: '1000000',
    ...settings,
  });
  ending.push(() => gateway.stop());
  return gateway;
}

/** A gateway that is expected to give up. */
async function fail(
  settings: Record<string, string>,
  ...flags: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const { REDIS_URL: _, ...inherited } = process.env;
  const child = spawn(process.execPath, [MAIN, 'serve', ...flags], {
    env: { ...inherited, PORT: '0', STREAMGATE_DATA_DIR: dataDir, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  ending.push(async () => child.kill('SIGKILL'));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code: child.exitCode, out, err };
}

async function withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path: join(dataDir, 'redis.sock') });
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

const redisPid = () =>
  withRedis(async (redis) => Number(/process_id:(\d+)/.exec(await redis.info('server'))![1]));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('what was taken is answered, every socket is closed with 1001, and nothing is left', async () => {
    const gateway = await start();
    const pid = await redisPid();
    const writers = await Promise.all(
      ['w1', 'w2', 'w3', 'w4'].map((name) => StreamWriter.open(gateway, 'x', name)),
    );
    const followers = await Promise.all([
      StreamFollower.open(gateway, 'x', 'block=0'),
      StreamFollower.open(gateway, 'x', 'last_entry_id=0&count=100', 'msgpack'),
    ]);
    const idle = await StreamFollower.open(gateway, 'quiet', 'block=0');
    const writing = writers.map((writer, index) =>
      writer.sendWhile(
        () => true,
        (seq) => (index === 0 ? 20_000 : 50 * (seq % 30)),
        index === 1 ? 1 : 32,
      ),
    );
    await vi.waitFor(() => {
      for (const writer of writers) expect(writer.acked).toBeGreaterThan(20);
    }, SOON);
    gateway.process.kill(signal);
    expect(await exitOf(gateway.process)).toBe(0);
    for (const { closed } of [...writers, ...followers, idle]) {
      expect(await closed).toEqual({ code: 1001, reason: 'the gateway is going down' });
    }
    await Promise.all(writing);
    expect(isAlive(pid)).toBe(false);
    expect(await readdir(dataDir)).toEqual(['appendonlydir', 'server.json']);

    // All that was stored was acknowledged, and all that was acknowledged is stored.
    await start();
    const stored = await withRedis((redis) => storedEntries(redis, 'default:x'));
    const acked = writers.flatMap(({ sent }) => sent.filter(({ outcome }) => typeof outcome === 'string'));
    expect(stored.map(({ id, stamp }) => `${id} ${stamp}`).sort()).toEqual(
      acked.map(({ outcome, stamp }) => `${outcome} ${stamp}`).sort(),
    );
  });

  test('as soon as it listens, it stops in order', async () => {
    const gateway = await start();
    gateway.process.kill(signal);
    expect(await exitOf(gateway.process)).toBe(0);
    expect(await readdir(dataDir)).toEqual(['appendonlydir', 'server.json']);
  });
});

test('requests that wait are answered or refused when the gateway stops', async () => {
  const gateway = await start();
  const waiting = fetch(`${gateway.http}/data/x?block=60000`);
  // It is waiting once its stream is followed.
  await vi.waitFor(async () => expect(await gateway.metric('followed_streams')).toBe(1), SOON);
  gateway.process.kill('SIGTERM');
  const answer = await waiting;
  expect([200, 503]).toContain(answer.status);
  expect(await exitOf(gateway.process)).toBe(0);
});

test.each(['SIGTERM', 'SIGKILL'] as const)('after %s the next one has the port at once', async (signal) => {
  const first = await start({ PORT: String(await freePort()) });
  // The side that hangs up first remembers the connection for a minute, and with it the port.
  const followers = await Promise.all([1, 2, 3].map(() => StreamFollower.open(first, 'x')));
  first.process.kill(signal);
  await Promise.all(followers.map(({ closed }) => closed));
  await exitOf(first.process);
  const next = await start({ PORT: String(first.port) });
  expect(next.port).toBe(first.port);
});

describe('a second gateway', () => {
  test('on the same port says so in one line, ends with 1 and leaves nothing', async () => {
    const first = await start();
    const other = await mkdtemp(join(tmpdir(), 'sg-data-'));
    ending.push(() => rm(other, { recursive: true, force: true }));
    const { code, err } = await fail({ PORT: String(first.port), STREAMGATE_DATA_DIR: other });
    expect(code).toBe(1);
    expect(err).toMatch(new RegExp(`^streamgate: .*\\b${first.port}\\b.*in use.*\\n$`));
    expect(await readdir(other)).toEqual(['appendonlydir', 'server.json']);
    expect((await fetch(`${first.http}/healthz`)).status).toBe(200);
  });

  test('on the same data folder says so in one line and ends with 1', async () => {
    const first = await start();
    const { code, err } = await fail({});
    expect(code).toBe(1);
    expect(err).toBe(
      `streamgate: The data folder ${dataDir} is in use by another streamgate: stop it, or set STREAMGATE_DATA_DIR to another folder.\n`,
    );
    expect((await fetch(`${first.http}/readyz`)).status).toBe(200);
  });
});

describe('a bad setting stops the start with one sentence that names it', () => {
  test.each([
    ['PORT', 'abc'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['READER_THREADS', '0'],
    ['POOL_THREADS', 'many'],
    ['REDIS_STREAM_MAXLEN', '0'],
    ['MAX_PAYLOAD_BYTES', '1e6'],
    ['MAX_BLOCK_MS', ' 5'],
    ['MAX_FUTURE_MS', '-1'],
    ['DISABLE_MULTI_DEVICE_PREFIXING', 'maybe'],
    ['ALLOW_FLUSH', 'perhaps'],
    ['CORS_ORIGINS', 'example.org'],
    ['SHUTDOWN_GRACE_MS', 'long'],
    ['LOG_LEVEL', 'loud'],
    ['REDIS_URL', 'http://127.0.0.1'],
    ['REDIS_URL', 'redis://127.0.0.1:99999'],
    ['REDIS_URL', 'redis://127.0.0.1/first'],
  ])('%s=%s', async (name, value) => {
    const { code, out, err } = await fail({ [name]: value });
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(new RegExp(`^streamgate: .*${name}.*\\n$`));
    expect(await readdir(dataDir)).toEqual([]);
  });

  test('as a flag', async () => {
    const { code, err } = await fail({}, '--port', 'abc');
    expect(code).toBe(1);
    expect(err).toMatch(/^streamgate: PORT must be a whole number from 0 to 65535, not 'abc'\.\n$/);
  });

  test('a data folder that is a file', async () => {
    const file = join(dataDir, 'file');
    await writeFile(file, '');
    const { code, err } = await fail({ STREAMGATE_DATA_DIR: file });
    expect(code).toBe(1);
    expect(err).toMatch(/^streamgate: .*STREAMGATE_DATA_DIR.*\n$/);
  });

  test('an address of another machine', async () => {
    const { code, err } = await fail({ HOST: '203.0.113.7', ALLOW_ANONYMOUS: '1' });
    expect(code).toBe(1);
    expect(err).toMatch(/^streamgate: .*203\.0\.113\.7.*HOST.*\n$/);
    expect(await readdir(dataDir)).toEqual(['appendonlydir', 'server.json']);
  });
});

test('a gateway killed with SIGKILL under load: the next start on its port has all that was acknowledged', async () => {
  const first = await start({ PORT: String(await freePort()) });
  const pid = await redisPid();
  const writers = await Promise.all(['w1', 'w2'].map((name) => StreamWriter.open(first, 'x', name)));
  const writing = writers.map((writer) =>
    writer.sendWhile(
      () => true,
      () => 3000,
      64,
    ),
  );
  await vi.waitFor(() => {
    for (const writer of writers) expect(writer.acked).toBeGreaterThan(500);
  }, SOON);
  first.process.kill('SIGKILL');
  const next = await start({ PORT: String(first.port) });
  await Promise.all(writing);
  expect(isAlive(pid)).toBe(false);
  const stored = await withRedis((redis) => storedEntries(redis, 'default:x'));
  const held = new Map(stored.map(({ id, stamp }) => [id, stamp]));
  for (const { sent } of writers) {
    for (const { outcome, stamp } of sent) {
      if (typeof outcome === 'string') expect(held.get(outcome)).toBe(stamp);
    }
  }
  const follower = await StreamFollower.open(next, 'x', 'last_entry_id=0&count=100&block=0');
  await follower.until(() => follower.entries.length >= stored.length);
  expect(follower.entries.map(({ id }) => id)).toEqual(stored.map(({ id }) => id));
  const writer = await StreamWriter.open(next, 'x', 'w3');
  const { outcome } = await writer.send(10);
  await follower.until(() => follower.entries.at(-1)!.id === outcome);
  await Promise.all([writer.close(), follower.close()]);
});

test('a producer that leaves between header and payload stores nothing', async () => {
  const gateway = await start();
  for (const header of ['[3]', '[]', '[["x",3]]', '[["y",null,3],["x",5]]']) {
    for (const leave of ['close', 'terminate'] as const) {
      const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
      socket.send(header);
      socket.ws[leave]();
      await socket.closed;
    }
  }
  // In the middle of the payload's frame, which says that it has 200 bytes.
  const half = connect(gateway.port, '127.0.0.1');
  const key = Buffer.alloc(16).toString('base64');
  half.write(
    `GET /data/x/push HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  expect(String((await once(half, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /);
  const mask = Buffer.alloc(4);
  half.write(Buffer.concat([Buffer.of(0x81, 0x82), mask, Buffer.from('[]')]));
  half.write(Buffer.concat([Buffer.of(0x82, 0xfe, 0, 200), mask, Buffer.alloc(100, 'x')]));
  await vi.waitFor(async () => expect(await gateway.metric('connections{endpoint="push"}')).toBe(1), SOON);
  half.destroy();
  await vi.waitFor(async () => expect(await gateway.metric('connections{endpoint="push"}')).toBe(0), SOON);
  expect(await gateway.metric('entries_in_total')).toBe(0);
  expect(await withRedis((redis) => redis.dbsize())).toBe(0);
  expect(existsSync(join(dataDir, 'redis.sock'))).toBe(true);
});
