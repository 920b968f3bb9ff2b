/** Messages that never end: what the WebSocket library gathers of them has a bound, and others are served. */
import { afterEach, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { openRaw, RawClient, upgradeRequest } from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const MIB = 1024 * 1024;
const PATIENT = { timeout: 20_000, interval: 50 };
const SUBPROTOCOL = 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n';
/** A text or binary frame that is not the last of its message, of so many bytes to come, unmasked by zeros. */
function beginning(opcode: 1 | 2, bytes: number): Buffer {
  const head = Buffer.alloc(14);
  head[0] = opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(bytes), 2);
  return head;
}

let redis: TestRedis | undefined;
let gateway: GatewayProcess;
let clients: RawClient[] = [];

async function start(settings: Record<string, string> = {}): Promise<void> {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, ...settings });
}

afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  expect(gateway.process.exitCode).toBeNull();
  await gateway.stop();
  await redis?.stop();
});

/** Opens sockets, and has each send of one message as much as the gateway takes. @returns the most that memory grew */
async function attack(count: number, path: string, bytes: number, opcode: 1 | 2): Promise<number> {
  const before = await gateway.residentBytes();
  let peak = before;
  const watch = setInterval(async () => {
    peak = Math.max(peak, await gateway.residentBytes());
  }, 20);
  const piece = Buffer.alloc(256 * 1024);
  const send = async () => {
    const client = await RawClient.open(gateway.port);
    clients.push(client);
    client.send(upgradeRequest(path, path === '/graphql' ? SUBPROTOCOL : ''));
    await client.until(() => client.text.includes('\r\n\r\n'));
    if (client.statuses[0] !== 101) return;
    client.send(beginning(opcode, bytes));
    let left = bytes - 1;
    while (left > 0 && !client.hasEnded) {
      const sent = client.flush(piece.subarray(0, Math.min(piece.length, left)));
      await Promise.race([sent, client.closed]);
      left -= piece.length;
    }
  };
  const sending = Promise.all(Array.from({ length: count }, send));
  // Those that are paused take nothing: they are given up.
  await Promise.race([sending, new Promise((resolve) => setTimeout(resolve, 6000))]);
  clearInterval(watch);
  return Math.max(peak, await gateway.residentBytes()) - before;
}

test('before connection_init a few sockets are read at a time, and other addresses are served', async () => {
  await start();
  const growth = await attack(600, '/graphql', MIB, 1);
  expect(growth).toBeLessThan(64 * MIB);
  expect(await gateway.metric('graphql_openings')).toBeLessThanOrEqual(256);
  const refused = clients.filter(({ statuses }) => statuses[0] === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]!.text).toContain('one address may have at most 256 connections without connection_init');
  // From elsewhere, amid them.
  const client = await openRaw(gateway.port, '/graphql', SUBPROTOCOL, { from: '127.0.0.9' });
  clients.push(client);
  expect(client.statuses).toEqual([101]);
  const init = Buffer.from('{"type":"connection_init"}');
  client.send(Buffer.concat([Buffer.of(0x81, 0x80 | init.length, 0, 0, 0, 0), init]));
  await client.until(() => client.text.includes('connection_ack'));
  expect(client.text).toContain('connection_ack');
}, 60_000);

test('many clients that connect at once are all served', async () => {
  await start();
  const sockets = await Promise.all(Array.from({ length: 60 }, () => GraphqlSocket.open(gateway)));
  expect(await gateway.metric('graphql_openings')).toBe(0);
  await Promise.all(sockets.map((socket) => socket.close()));
});

test('of producers take at most MAX_BUFFERED_BYTES and a little, and those that complete messages go on', async () => {
  await start();
  const producer = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
  let isOver = false;
  let acks = 0;
  const producing = (async () => {
    while (!isOver) {
      expect(await producer.push([], 'x')).toEqual([expect.stringMatching(/^\d+-/)]);
      acks++;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const growth = await attack(100, '/data/y/push?header=0', 16 * MIB, 2);
  expect(growth).toBeLessThan((256 + 64) * MIB);
  await vi.waitFor(
    async () => expect(await gateway.metric('memory_closes_total')).toBeGreaterThan(10),
    PATIENT,
  );
  await vi.waitFor(async () => expect(await gateway.metric('paused_for_memory')).toBe(0), PATIENT);
  const before = acks;
  await vi.waitFor(() => expect(acks).toBeGreaterThan(before + 5), PATIENT);
  isOver = true;
  await producing;
  await producer.close();
}, 60_000);

test('a slow producer of large frames completes them', async () => {
  await start();
  const client = await openRaw(gateway.port, '/data/x/push?header=0&ack=1');
  clients.push(client);
  const bytes = 60 * MIB;
  const head = beginning(2, bytes);
  head[0] = 0x82;
  client.send(head);
  for (let sent = 0; sent < 60; sent++) {
    await client.flush(Buffer.alloc(MIB));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await vi.waitFor(async () => expect(await redis!.client.xlen('default:x')).toBe(1), PATIENT);
  expect(await gateway.metric('kept_message_bytes')).toBe(bytes);
  client.destroy();
  await vi.waitFor(async () => expect(await gateway.metric('kept_message_bytes')).toBe(0), PATIENT);
});
