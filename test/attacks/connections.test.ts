/** Connections in masses, and clients that say nothing for long: who keeps within the limits does not feel it. */
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { openRaw, RawClient } from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

let redis: TestRedis | undefined;
let gateway: GatewayProcess;
let clients: { destroy(): void }[] = [];

async function start(settings: Record<string, string>, launcher: readonly string[] = []): Promise<void> {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, ...settings }, launcher);
}

afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  expect(gateway.process.exitCode).toBeNull();
  await gateway.stop();
  await redis?.stop();
});

const HEALTHZ = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
const READ = 'GET /data/x?block=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n';

async function connect(from = '127.0.0.1'): Promise<RawClient> {
  const client = await RawClient.open(gateway.port, { from });
  clients.push(client);
  return client;
}

/** Whether an answer is there to its end. */
function hasAnswer({ text }: RawClient): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
  return end >= 0 && text.length >= end + 4 + length;
}

/** Opens a connection, asks and returns what came. */
async function ask(request: string, from?: string): Promise<RawClient> {
  const client = await connect(from);
  client.send(request);
  await client.until(() => hasAnswer(client));
  return client;
}

async function follow(from?: string, sids = 'x'): Promise<RawClient> {
  const client = await openRaw(
    gateway.port,
    `/data/${sids}/pull?block=0`,
    '',
    from === undefined ? {} : { from },
  );
  clients.push(client);
  return client;
}

/** Asked from an address of its own, which no limit has closed the door to. */
async function metric(name: string): Promise<number> {
  const { text } = await ask(
    'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    '127.9.9.9',
  );
  return Number(new RegExp(`^streamgate_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

const many = <T>(count: number, make: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

const codeOf = (client: RawClient) => /"code":"(\w+)"/.exec(client.text)?.[1];

describe('from one address', () => {
  const LIMIT = 10;

  test('there may be so many in use; one more is refused, and others do not feel it', async () => {
    await start({ MAX_CONNECTIONS_PER_ADDRESS: String(LIMIT) });
    const followers = await many(LIMIT, () => follow());
    expect(followers.map((client) => client.statuses)).toEqual(Array(LIMIT).fill([101]));
    for (const refused of [await follow(), await ask(READ)]) {
      expect(refused.statuses).toEqual([429]);
      expect(codeOf(refused)).toBe('too_many_connections');
      await refused.closed;
    }
    // Whoever watches over the gateway is answered, and so is everybody else.
    expect((await ask(HEALTHZ)).statuses).toEqual([200]);
    expect((await ask(READ, '127.0.0.2')).statuses).toEqual([200]);
    expect((await follow('127.0.0.2')).statuses).toEqual([101]);
    // Those that there were stay.
    expect(followers.some((client) => client.hasEnded)).toBe(false);
    followers[0]!.destroy();
    await vi.waitFor(async () => expect((await ask(READ)).statuses).toEqual([200]));
  });

  test('those count that say nothing; beyond twice as many none is taken', async () => {
    await start({ MAX_CONNECTIONS_PER_ADDRESS: String(LIMIT) });
    const silent = await many(LIMIT, () => connect());
    const refused = await ask(READ);
    expect([refused.statuses, codeOf(refused)]).toEqual([[429], 'too_many_connections']);
    const more = await many(2 * LIMIT, () => connect());
    await vi.waitFor(() => expect(more.some((client) => client.hasEnded)).toBe(true));
    expect(await metric('tcp_connections_refused_total')).toBeGreaterThan(0);
    expect(await metric('tcp_connections')).toBeLessThanOrEqual(2 * LIMIT + 2);
    expect((await ask(READ, '127.0.0.2')).statuses).toEqual([200]);
    for (const client of [...silent, ...more]) client.destroy();
    await vi.waitFor(async () => expect((await ask(READ)).statuses).toEqual([200]));
  });

  test('requests on one connection count once, however many, and those that wait count', async () => {
    await start({ MAX_CONNECTIONS_PER_ADDRESS: String(LIMIT) });
    const busy = await connect();
    for (let request = 1; request <= 5 * LIMIT; request++) {
      busy.send(READ);
      await busy.until(() => busy.statuses.length === request);
    }
    expect(new Set(busy.statuses)).toEqual(new Set([200]));
    const waiting = await many(LIMIT, () => connect());
    for (const client of waiting) client.send(READ.replace('block=-1', 'block=30000'));
    await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(LIMIT));
    expect((await ask(READ)).statuses).toEqual([429]);
    for (const client of waiting) client.destroy();
    await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(0));
    expect((await ask(READ)).statuses).toEqual([200]);
  });
});

describe('in all', () => {
  const LIMIT = 20;

  test('there may be so many; one more is told to come back, and those that there are stay', async () => {
    await start({ MAX_CONNECTIONS: String(LIMIT) });
    const followers = await many(LIMIT - 1, (index) => follow(`127.0.0.${index + 1}`));
    const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
    for (const refused of [await follow('127.0.1.1'), await ask(READ, '127.0.1.2')]) {
      expect(refused.statuses).toEqual([503]);
      expect(codeOf(refused)).toBe('overloaded');
      expect(refused.text.toLowerCase()).toContain('retry-after: 1');
      await refused.closed;
    }
    expect((await ask(HEALTHZ, '127.0.1.3')).statuses).toEqual([200]);
    expect(await producer.push([], 'still here')).toEqual([expect.stringMatching(/^\d+-/)]);
    await Promise.all(followers.map((client) => client.until(() => client.text.includes('still here'))));
    await producer.close();
    followers[0]!.destroy();
    await vi.waitFor(async () => expect((await ask(READ)).statuses).toEqual([200]));
  });

  test('far more are closed without an answer', async () => {
    await start({ MAX_CONNECTIONS: String(LIMIT) });
    const silent = await many(100, (index) => connect(`127.0.0.${index + 1}`));
    await vi.waitFor(() => expect(silent.filter((client) => client.hasEnded).length).toBeGreaterThan(40));
    for (const client of silent) client.destroy();
    await vi.waitFor(async () => expect((await ask(READ)).statuses).toEqual([200]));
    expect(await metric('tcp_connections')).toBeLessThan(LIMIT);
  });

  test('while there are many, none is kept open after its answer', async () => {
    await start({ MAX_CONNECTIONS: String(LIMIT) });
    const quiet = await ask(READ);
    await many(LIMIT / 2, (index) => follow(`127.0.0.${index + 1}`));
    const crowded = await ask(READ);
    await crowded.closed;
    expect(crowded.text.toLowerCase()).toContain('connection: close');
    expect(quiet.text.toLowerCase()).not.toContain('connection: close');
    expect(quiet.hasEnded).toBe(false);
  });
});

test('reads that wait have a limit of their own', async () => {
  await start({ MAX_WAITING_READS: '3', MAX_CLIENT_SHARE: '100' });
  const waiting = await many(3, () => connect());
  for (const client of waiting) client.send(READ.replace('block=-1', 'block=30000'));
  await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(3));
  const refused = await ask(READ.replace('block=-1', 'block=30000'));
  expect([refused.statuses, codeOf(refused)]).toEqual([[503], 'overloaded']);
  expect((await ask(READ)).statuses).toEqual([200]);
  // One that is answered makes room.
  waiting[0]!.destroy();
  await vi.waitFor(
    async () => expect((await ask(READ.replace('block=-1', 'block=10'))).statuses).toEqual([200]),
    10_000,
  );
});

describe('followed streams', () => {
  test('have a limit for all clients, whichever way they follow', async () => {
    await start({ MAX_FOLLOWED_STREAMS: '5', MAX_CLIENT_SHARE: '100' });
    const first = await follow(undefined, 'a+b+c');
    expect(first.statuses).toEqual([101]);
    const refused = await follow(undefined, 'd+e+f');
    expect([refused.statuses, codeOf(refused)]).toEqual([[503], 'overloaded']);
    // Those that are followed already cost nothing more.
    expect((await follow(undefined, 'a+b+c+d+e')).statuses).toEqual([101]);
    const read = await ask(READ.replace('/x?block=-1', '/y?block=30000'));
    expect([read.statuses, codeOf(read)]).toEqual([[503], 'overloaded']);
    const graphql = await GraphqlSocket.open(gateway);
    const operation = graphql.run('subscription { data(streamIds: ["g"]) { time } }');
    expect(JSON.stringify(await operation.event())).toContain('overloaded');
    graphql.ws.close();
    for (const client of clients) client.destroy();
    // Streams are read on for a while after their last follower has left.
    await vi.waitFor(async () => expect(await metric('followed_streams')).toBe(0), 10_000);
    expect((await follow(undefined, 'd+e+f')).statuses).toEqual([101]);
  });

  test('of one request are 1024 at most', async () => {
    await start({});
    const sids = (count: number) => Array.from({ length: count }, (_, index) => index).join('+');
    expect((await follow(undefined, sids(1024))).statuses).toEqual([101]);
    const refused = await follow(undefined, sids(1025));
    expect([refused.statuses, codeOf(refused)]).toEqual([[400], 'bad_parameter']);
  });
});

describe('file descriptors', () => {
  const openFiles = async () => (await readdir(`/proc/${gateway.process.pid}/fd`)).length;

  test('are not used up where the system allows few: fewer connections are taken', async () => {
    await start({}, ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh']);
    const own = await openFiles();
    const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
    expect(gateway.log.map(({ msg }) => msg)).toContainEqual(expect.stringContaining('ulimit -n'));
    const masses = await many(400, () => connect('127.0.0.3'));
    await vi.waitFor(() => expect(masses.filter((client) => client.hasEnded).length).toBeGreaterThan(200));
    // All that came in one turn of the loop is taken before those beyond the limit are let go.
    await vi.waitFor(async () => expect(await openFiles()).toBeLessThan(200));
    expect(await producer.push([], 'amid')).toEqual([expect.stringMatching(/^\d+-/)]);
    await producer.close();
    // Who comes with the first from elsewhere is heard.
    expect((await ask(HEALTHZ)).statuses).toEqual([200]);
    for (const client of masses) client.destroy();
    await vi.waitFor(async () => expect(await openFiles()).toBeLessThan(own + 10));
    expect((await ask(READ)).statuses).toEqual([200]);
  });

  test('that run out all the same are survived', async () => {
    await start({});
    const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
    await producer.push([], 'before');
    const limit = (await openFiles()) + 5;
    execFileSync('prlimit', [`--pid=${gateway.process.pid}`, `--nofile=${limit}:`]);
    const masses = await many(50, () => connect());
    await delay(300);
    // Those beyond wait in the system's queue: nothing is taken off it, and nobody else is harmed.
    expect(await producer.push([], 'amid')).toEqual([expect.stringMatching(/^\d+-/)]);
    for (const client of masses) client.destroy();
    await vi.waitFor(async () => expect((await ask(READ)).statuses).toEqual([200]), 10_000);
    await producer.close();
  });
});
