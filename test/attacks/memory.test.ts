/** Clients that make the gateway hold bytes for them: as many as the settings say, whatever they do. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { frame, openRaw, RawClient, TEXT } from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What V8 and malloc keep for themselves, and what lies about between two garbage collections. */
const SLACK = 50 * MIB;

let redis: TestRedis;
let gateway: GatewayProcess;
let clients: RawClient[] = [];

async function start(settings: Record<string, string>): Promise<void> {
  redis = await startRedis();
  gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    // Garbage is collected early, so that what is left is what is in use.
    NODE_OPTIONS: '--max-semi-space-size=1',
    ...settings,
  });
}

afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  expect(gateway.process.exitCode).toBeNull();
  await gateway.stop();
  await redis.stop();
});

/** Opens a follower that reads nothing but the answer to its upgrade. */
async function pausedFollower(query: string): Promise<RawClient> {
  const client = await openRaw(gateway.port, `/data/x/pull?${query}`);
  client.pause();
  clients.push(client);
  return client;
}

/** Stores entries past the gateway, which so costs it nothing. */
async function store(entries: number, bytes: number): Promise<void> {
  const payload = Buffer.alloc(bytes, 'x');
  for (let entry = 0; entry < entries; entry++) await redis.client.xadd('default:x', '*', 'd', payload);
}

/** The most that the gateway had in memory while `step` ran. */
async function peakDuring(step: () => Promise<void>): Promise<number> {
  let peak = await gateway.residentBytes();
  const timer = setInterval(async () => {
    peak = Math.max(peak, await gateway.residentBytes());
  }, 50);
  try {
    await step();
  } finally {
    clearInterval(timer);
  }
  return Math.max(peak, await gateway.residentBytes());
}

const metric = (name: string) => gateway.metric(name);

test('a thousand followers that do not read cost what waits in their sockets', {
  timeout: 60_000,
}, async () => {
  const FOLLOWERS = 1000;
  const ENTRY = 64 * KIB;
  /** A full socket, the entry that filled it, and what a connection is. */
  const BOUND = 64 * KIB + ENTRY + 32 * KIB;
  await start({});
  const lanes = Array.from({ length: 50 }, async () => {
    for (let opened = 0; opened < FOLLOWERS / 50; opened++) await pausedFollower('header=0&block=0');
  });
  await Promise.all(lanes);
  await vi.waitFor(async () => expect(await metric('followers')).toBe(FOLLOWERS));
  const memory = await gateway.residentBytes();
  const peak = await peakDuring(async () => {
    // Until the system holds no more for any socket: the rest waits in the gateway, or does not.
    for (let stored = 10; (await metric('followers{state="behind"}')) < FOLLOWERS; stored += 10) {
      await store(10, ENTRY);
      await vi.waitFor(async () => expect(await metric('entries_read_total')).toBe(stored), 10_000);
    }
    await store(20, ENTRY);
  });
  expect(peak - memory).toBeLessThan(FOLLOWERS * BOUND + SLACK);
  // Who reads is sent everything all the same.
  const reader = await TestSocket.open(`${gateway.ws}/data/x/pull?header=0&block=0`);
  await redis.client.xadd('default:x', '*', 'd', 'the newest');
  expect((await reader.receive()).toString()).toBe('the newest');
  await reader.close();
});

test('followers that stopped amid large entries are closed once they cost too much', async () => {
  const MOST = 32 * MIB;
  const ENTRY = 16 * MIB;
  const FOLLOWERS = 20;
  const THREADS = 2;
  await start({ MAX_UNREAD_BYTES: String(MOST), POOL_THREADS: String(THREADS) });
  // To ask for a stream's end costs Redis the first and the last entry.
  await store(1, 1);
  await store(2, ENTRY);
  await store(1, 1);
  const memory = await gateway.residentBytes();
  const peak = await peakDuring(async () => {
    await Promise.all(
      Array.from({ length: FOLLOWERS }, () => pausedFollower('header=0&last_entry_id=0&block=0')),
    );
    await vi.waitFor(
      async () => {
        const closed = await metric('slow_closes_total{endpoint="pull"}');
        expect(closed).toBeGreaterThanOrEqual(FOLLOWERS - (2 * MOST) / ENTRY);
        expect(await metric('connections{endpoint="pull"}')).toBe(FOLLOWERS - closed);
        // Each look at the sockets closes what is too much then.
        expect(await metric('unread_message_bytes')).toBeLessThanOrEqual(MOST);
      },
      { timeout: 15_000, interval: 200 },
    );
  });
  // All that came between two looks at the sockets, and in each thread of the pool the reply that it packs
  // and the buffer that this outgrew; some of it waits for the garbage collector.
  expect(peak - memory).toBeLessThan((2 * FOLLOWERS + 3 * THREADS) * ENTRY + 2 * SLACK);
  const reader = await TestSocket.open(`${gateway.ws}/data/x/pull?header=0&last_entry_id=0`);
  for (const bytes of [1, ENTRY, ENTRY, 1]) expect((await reader.receive()).length).toBe(bytes);
  await reader.close();
});

test('answers that nobody reads are held up to MAX_UNREAD_BYTES, and small ones go out all the same', async () => {
  const MOST = 40 * MIB;
  await start({ MAX_UNREAD_BYTES: String(MOST), REDIS_STREAM_MAXLEN: '100' });
  await store(16, MIB);
  const request = 'GET /data/x?count=100&last_entry_id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const memory = await gateway.residentBytes();
  const peak = await peakDuring(async () => {
    for (let client = 0; client < 12; client++) {
      const slow = await RawClient.open(gateway.port);
      slow.pause();
      slow.send(request);
      clients.push(slow);
    }
    await vi.waitFor(
      async () => expect(await metric('failures_total{code="overloaded"}')).toBeGreaterThan(8),
      {
        timeout: 15_000,
        interval: 100,
      },
    );
  });
  expect(await metric('unread_answer_bytes')).toBeLessThanOrEqual(MOST);
  expect(await metric('unread_answer_bytes')).toBeGreaterThan(0);
  // Those that are refused are read once: the pool reads as many at once as it has threads and a few more.
  expect(peak - memory).toBeLessThan(12 * 17 * MIB + SLACK);
  expect((await fetch(`${gateway.http}/data/y?block=-1`)).status).toBe(200);
  for (const client of clients) client.destroy();
  await vi.waitFor(async () => expect(await metric('unread_answer_bytes')).toBe(0));
  const whole = await fetch(`${gateway.http}/data/x?count=100&last_entry_id=0`);
  expect((await whole.arrayBuffer()).byteLength).toBe(16 * MIB);
});

test('bodies that come slowly are held up to MAX_BUFFERED_BYTES, and producers do not feel it', async () => {
  const MOST = 8 * MIB;
  const BODY = 4 * MIB;
  await start({ MAX_BUFFERED_BYTES: String(MOST) });
  const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
  const memory = await gateway.residentBytes();
  const peak = await peakDuring(async () => {
    for (let client = 0; client < 40; client++) {
      const slow = await RawClient.open(gateway.port);
      slow.send(`POST /data/y HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BODY}\r\n\r\n`);
      await slow.flush(Buffer.alloc(BODY - 1));
      clients.push(slow);
    }
    await delay(300);
  });
  expect(await metric('receiving_bytes')).toBeLessThanOrEqual(MOST);
  expect(await metric('receiving_bytes')).toBeGreaterThan(0);
  expect(peak - memory).toBeLessThan(3 * MOST + SLACK);
  expect(await producer.push([], 'x')).toEqual([expect.stringMatching(/^\d+-/)]);
  // The last byte: those for which there was room are stored, the others told that there was none.
  for (const client of clients) client.send('x');
  await Promise.all(clients.map((client) => client.until(() => client.statuses.length > 0)));
  const statuses = clients.map((client) => client.statuses[0]);
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  expect(await redis.client.xlen('default:y')).toBe(statuses.filter((status) => status === 200).length);
  expect(await metric('receiving_bytes')).toBe(0);
  await producer.close();
});

/** A hundred subscriptions to an entry of 4 MB, of a client that reads nothing. @returns the growth of memory */
async function growthBySubscriptions(selection: string, isBounded: () => Promise<void>): Promise<number> {
  await start({});
  const payload = Buffer.alloc(4 * MIB, 'x');
  await redis.client.xadd('default:x', '*', 'd', payload);
  const client = await openRaw(gateway.port, '/graphql', 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n');
  clients.push(client);
  const say = (message: object) => client.send(frame({ first: TEXT, payload: JSON.stringify(message) }));
  say({ type: 'connection_init' });
  client.pause();
  const memory = await gateway.residentBytes();
  const query = `subscription { data(streamIds: ["x"], lastEntryId: "0") { ${selection} } }`;
  const peak = await peakDuring(async () => {
    for (let id = 0; id < 100; id++) say({ type: 'subscribe', id: String(id), payload: { query } });
    await isBounded();
  });
  return peak - memory;
}

test('GraphQL answers that wait for a client are held up to a bound', async () => {
  const isClosed = () =>
    vi.waitFor(async () => expect(await metric('slow_closes_total{endpoint="graphql"}')).toBe(1), {
      timeout: 15_000,
      interval: 100,
    });
  // A directive has the library execute each.
  const growth = await growthBySubscriptions('data @include(if: true)', isClosed);
  // Without the bound each of the hundred would hold 11 MB.
  expect(growth).toBeLessThan(500 * MIB);
});

test('entries of plain subscriptions are not taken before the client has room', async () => {
  const growth = await growthBySubscriptions('data', () => delay(3000));
  // What was read for them before the socket was full is let go soon.
  expect(growth).toBeLessThan(500 * MIB);
  expect(await metric('slow_closes_total{endpoint="graphql"}')).toBe(0);
});
