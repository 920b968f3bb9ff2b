/** What happens to clients between the signal to stop and the end. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { startRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const SOON = { timeout: 15_000, interval: 10 };
const GOING_DOWN = { code: 1001, reason: 'the gateway is going down' };
const KIB = 1024;

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function start(settings: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess(settings);
  ending.push(() => gateway.stop());
  return gateway;
}

/** Resolves once the gateway has heard the signal. */
async function signal(gateway: GatewayProcess, name: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  gateway.process.kill(name);
  await vi.waitFor(() => expect(gateway.log.map(({ msg }) => msg)).toContain('stopping'), SOON);
}

/** The exit code, or the signal that ended it. */
async function exitOf({ process }: GatewayProcess): Promise<number | string | null> {
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  return process.exitCode ?? process.signalCode;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** A connection that is kept open between requests, as those of browsers and proxies are. */
class KeptConnection {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  static async open({ port }: GatewayProcess): Promise<KeptConnection> {
    const connection = new KeptConnection(port);
    await connection.ask('/healthz');
    ending.push(async () => connection.#agent.destroy());
    return connection;
  }

  ask(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({ agent: this.#agent, host: '127.0.0.1', port: this.#port, path, headers });
      asked.on('error', reject);
      asked.on('response', (response) => {
        let body = '';
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
      });
      asked.end();
    });
  }
}

/** A POST whose body has come in half: the gateway has begun it and must finish it. */
async function halfPost(
  gateway: GatewayProcess,
  sid: string,
): Promise<{ socket: Socket; finish(): Promise<string> }> {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.write(
    `POST /data/${sid} HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nContent-Length: 10\r\n\r\nfirst`,
  );
  ending.push(async () => socket.destroy());
  await vi.waitFor(async () => expect(await gateway.metric('requests')).toBeGreaterThan(1), SOON);
  return {
    socket,
    finish: async () => {
      const answer = once(socket, 'data');
      socket.write(' last');
      return String((await answer)[0]);
    },
  };
}

test('while a request is finished others are refused, nobody new is let in, and watchers are told', async () => {
  const gateway = await start();
  const [worker, upgrader, watcher] = await Promise.all([1, 2, 3].map(() => KeptConnection.open(gateway)));
  const post = await halfPost(gateway, 'x');
  await signal(gateway);

  const refused = await worker!.ask('/data/x?last_entry_id=0');
  expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
  expect(JSON.parse(refused.body)).toMatchObject({ code: 'shutting_down' });
  const upgrade = await upgrader!.ask('/data/x/push', {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.alloc(16).toString('base64'),
  });
  expect(upgrade).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  const ready = await watcher!.ask('/readyz');
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.body)).toMatchObject({
    status: 'not ready',
    checks: { redis: true, accepting: false },
  });
  const stranger = connect(gateway.port, '127.0.0.1');
  const [refusal] = await once(stranger, 'error');
  expect(refusal).toMatchObject({ code: 'ECONNREFUSED' });

  const answer = await post.finish();
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer).toMatch(/connection: close\r\n/i);
  const [, id] = /\r\n\r\n\["([\d-]+)"\]/.exec(answer)!;
  expect(await exitOf(gateway)).toBe(0);
  const next = await start({ STREAMGATE_DATA_DIR: gateway.dataDir });
  const stored = await (await fetch(`${next.http}/data/x?last_entry_id=0`)).text();
  expect([stored, id]).toEqual(['first last', expect.any(String)]);
});

test('a connection of a watcher is answered to the end: alive, not ready, and its metrics', async () => {
  const gateway = await start();
  const [one, two] = await Promise.all([1, 2].map(() => KeptConnection.open(gateway)));
  const post = await halfPost(gateway, 'x');
  await signal(gateway);
  expect((await one!.ask('/healthz')).status).toBe(200);
  const metrics = await two!.ask('/metrics');
  expect(metrics.status).toBe(200);
  expect(metrics.body).toContain('streamgate_failures_total{code="shutting_down"} 0');
  await post.finish();
  expect(await exitOf(gateway)).toBe(0);
});

test('what is not finished within SHUTDOWN_GRACE_MS is given up, and so logged', async () => {
  const gateway = await start({ SHUTDOWN_GRACE_MS: '300' });
  const follower = await StreamFollower.open(gateway, 'x');
  const post = await halfPost(gateway, 'x');
  const closed = once(post.socket, 'close');
  await signal(gateway);
  expect(await follower.closed).toEqual(GOING_DOWN);
  await closed;
  expect(await exitOf(gateway)).toBe(0);
  expect(gateway.log).toContainEqual(
    expect.objectContaining({
      level: 40,
      requests: 1,
      msg: expect.stringMatching(/SHUTDOWN_GRACE_MS is over/),
    }),
  );
});

test('a second signal ends it at once, and the embedded Redis with it', async () => {
  const gateway = await start();
  const redis = new Redis({ path: join(gateway.dataDir, 'redis.sock') });
  const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))![1]);
  redis.disconnect();
  await halfPost(gateway, 'x');
  await signal(gateway);
  gateway.process.kill('SIGTERM');
  expect(await exitOf(gateway)).toBe(1);
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), SOON);
});

describe('what Redis has not answered yet is waited for, and answered', () => {
  async function startBoth() {
    const redis = await startRedis();
    ending.push(() => redis.stop());
    ending.push(async () => redis.process.kill('SIGCONT'));
    return { redis, gateway: await start({ REDIS_URL: redis.url }) };
  }

  test('entries', async () => {
    const { redis, gateway } = await startBoth();
    const acked = await StreamWriter.open(gateway, 'x', 'acked');
    const silent = await TestSocket.open(`${gateway.ws}/data/silent/push?header=0`);
    await acked.send(10);
    redis.process.kill('SIGSTOP');
    const sent = acked.send(10);
    silent.send(Buffer.from('silent'));
    // Both commands, of a hundred bytes or more each.
    await vi.waitFor(async () => {
      expect(await gateway.metric('append_queue_bytes')).toBeGreaterThan(150);
    }, SOON);
    await signal(gateway);
    redis.process.kill('SIGCONT');
    const { outcome, stamp } = await sent;
    expect(outcome).toEqual(expect.any(String));
    for (const { closed } of [acked, silent]) expect(await closed).toEqual(GOING_DOWN);
    expect(await exitOf(gateway)).toBe(0);
    expect((await storedEntries(redis.client, 'default:x')).at(-1)).toEqual({ id: outcome, stamp });
    expect(await redis.client.xlen('default:silent')).toBe(1);
  });

  test('operations of GraphQL', async () => {
    const { redis, gateway } = await startBoth();
    const graphql = await GraphqlSocket.open(gateway);
    redis.process.kill('SIGSTOP');
    const connecting = graphql.run('mutation { connectDevice(deviceId: "d") }');
    const subscription = graphql.run('subscription { data(streamIds: ["x"]) { string } }');
    await vi.waitFor(async () => {
      expect(await gateway.metric('graphql_operations_total{type="mutation"}')).toBe(1);
    }, SOON);
    await signal(gateway);
    redis.process.kill('SIGCONT');
    await connecting.next();
    expect(await graphql.closed).toEqual(GOING_DOWN);
    expect((await subscription.event()).type).toBe('closed');
    expect(await exitOf(gateway)).toBe(0);
    expect(await redis.client.smembers(':devices:connected')).toEqual(['d']);
  });
});

test('a Redis that does not answer holds the end up no longer than SHUTDOWN_GRACE_MS', async () => {
  const redis = await startRedis();
  ending.push(() => redis.stop());
  ending.push(async () => redis.process.kill('SIGCONT'));
  const gateway = await start({ REDIS_URL: redis.url, SHUTDOWN_GRACE_MS: '500' });
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  await writer.send(10);
  redis.process.kill('SIGSTOP');
  const sent = writer.send(10);
  await vi.waitFor(async () => expect(await gateway.metric('append_queue_bytes')).toBeGreaterThan(0), SOON);
  const begun = performance.now();
  await signal(gateway);
  expect(await exitOf(gateway)).toBe(0);
  expect(performance.now() - begun).toBeLessThan(6000);
  // Nobody was told that it was stored.
  expect(typeof (await sent).outcome).not.toBe('string');
  expect(await writer.closed).toEqual(GOING_DOWN);
});

test('a follower that is behind is sent what waits for it, whole, and then told', async () => {
  const gateway = await start();
  const follower = await StreamFollower.open(gateway, 'x', 'block=0');
  const frames = { text: 0, binary: 0 };
  follower.ws.on('message', (_data, isBinary) => frames[isBinary ? 'binary' : 'text']++);
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  follower.pause();
  // One alone is more than the system's buffers hold, so that it has gone out in part.
  for (let frame = 0; frame < 3; frame++) await writer.send(16 * KIB * KIB);
  await vi.waitFor(async () => expect(await gateway.metric('followers{state="behind"}')).toBe(1), SOON);
  await signal(gateway);
  follower.resume();
  expect(await follower.closed).toEqual(GOING_DOWN);
  expect(follower.fault).toBeUndefined();
  // No header without its payload.
  expect(frames).toEqual({ text: frames.binary, binary: frames.text });
  const stamps = follower.entries.map(({ stamp }) => stamp);
  expect(stamps.length).toBeGreaterThan(0);
  expect(stamps).toEqual(writer.sent.slice(0, stamps.length).map(({ stamp }) => stamp));
  expect(await exitOf(gateway)).toBe(0);
});

test('clients that do not read at all do not hold the end up', async () => {
  const gateway = await start({ SHUTDOWN_GRACE_MS: '60000' });
  const followers = await Promise.all(
    Array.from({ length: 20 }, () => StreamFollower.open(gateway, 'x', 'block=0')),
  );
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  for (const follower of followers) follower.pause();
  for (let frame = 0; frame < 40; frame++) await writer.send(512 * KIB);
  await vi.waitFor(async () => expect(await gateway.metric('followers{state="behind"}')).toBe(20), SOON);
  const begun = performance.now();
  await signal(gateway);
  expect(await exitOf(gateway)).toBe(0);
  expect(performance.now() - begun).toBeLessThan(15_000);
  for (const { ws } of followers) ws.terminate();
});
