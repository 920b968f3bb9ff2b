/** Clients that come and go leave nothing behind. */
import { readdir } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startForFile } from '../support/gateway-fixture.js';

const MIB = 1024 * 1024;
const WARM_UP = 2500;
const CONNECTIONS = 10_000;
const AT_ONCE = 40;
/** As much as 1 KB for each connection would be. */
const MOST_GROWTH = 10 * MIB;
/** Connections to Redis that are made when first needed, which may be after the warm-up. */
const LATE = 2;
const SETTLED = { timeout: 15_000, interval: 100 };

const { redis, gateway } = await startForFile({
  REDIS_STREAM_MAXLEN: '100',
  // Garbage is collected early, so that what is left of the memory taken is what is in use.
  NODE_OPTIONS: '--max-old-space-size=40 --max-semi-space-size=1',
});

const openFiles = async () => (await readdir(`/proc/${gateway.process.pid}/fd`)).length;

const redisClients = async () =>
  Number(/connected_clients:(\d+)/.exec(await redis.client.info('clients'))![1]);

/** One client's visit, of a kind that its number decides: it leaves politely, or is cut off, or halfway. */
async function visit(number: number): Promise<void> {
  const sid = `s${number % 50}`;
  const isPush = number % 2 === 0;
  const query = ['', 'header=0', 'last_entry_id=0&header=msgpack', 'latest=1&block=10', 'ack=1'][number % 5];
  const ws = new WebSocket(`${gateway.ws}/data/${sid}/${isPush ? 'push?ack=1' : `pull?${query}`}`, {
    perMessageDeflate: false,
  });
  const closed = new Promise((resolve) => ws.once('close', resolve));
  ws.on('error', () => {});
  await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
  if (isPush && number % 8 < 4) {
    const acked = new Promise((resolve) => ws.once('message', resolve));
    ws.send('[]');
    ws.send(Buffer.alloc(number % 2000));
    await acked;
  } else if (isPush) {
    ws.send('[]');
  }
  if (number % 3 === 0) ws.terminate();
  else ws.close();
  await closed;
}

async function visits(count: number): Promise<void> {
  let number = 0;
  const lane = async () => {
    while (number < count) await visit(number++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

/** Resolves once no client is left, and nothing that was kept for one. */
async function settled(): Promise<void> {
  await vi.waitFor(async () => {
    const names = ['connections', 'followers', 'followed_streams', 'hub_bytes', 'append_queue_bytes'];
    const values = await Promise.all(names.map((name) => gateway.metric(name)));
    expect(Object.fromEntries(names.map((name, index) => [name, values[index]]))).toEqual(
      Object.fromEntries(names.map((name) => [name, 0])),
    );
  }, SETTLED);
}

test('10 000 connections leave no memory, descriptors, gauges or Redis clients behind', async () => {
  await visits(WARM_UP);
  await settled();
  const [files, clients, memory] = [await openFiles(), await redisClients(), await gateway.residentBytes()];
  await visits(CONNECTIONS);
  await settled();
  await vi.waitFor(async () => expect(await openFiles()).toBeLessThanOrEqual(files + LATE), SETTLED);
  expect(await redisClients()).toBeLessThanOrEqual(clients + LATE);
  const growth = (await gateway.residentBytes()) - memory;
  expect(growth).toBeLessThan(MOST_GROWTH);
}, 120_000);
