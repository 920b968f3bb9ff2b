/** What 200 clients in each state of a connection add to the gateway's memory: at most what docs/limits.md says. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { RawClient, upgradeRequest } from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const CLIENTS = 200;
const KIB = 1024;
const MIB = 1024 * KIB;
const SUBPROTOCOL = 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n';
const SUBSCRIBE = 'subscription { data(streamIds: ["x"], lastEntryId: "0") { data } }';

/** The table of the document: the most that 200 clients in a state may take, in bytes. */
const LEDGER = new Map(
  [...readFileSync('docs/limits.md', 'utf8').matchAll(/^\| ([^|]+) \|(?:[^|]+\|){3} (\d+) \|$/gm)].map(
    ([, state, mib]) => [state!, Number(mib) * MIB],
  ),
);

let redis: TestRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url });
  const picture = Buffer.alloc(64 * KIB, 1);
  picture.set([0xff, 0xd8, 0xff], 0);
  picture.set([0xff, 0xd9], picture.length - 2);
  for (let entry = 0; entry < 32; entry++) await redis.client.xadd('default:x', '*', 'd', picture);
}, 120_000);

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const request = (line: string, headers = '') => `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

function text(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
}

/** All but the last byte of a frame. */
function unfinished(first: number, bytes: number): Buffer {
  const frame = Buffer.alloc(14 + bytes - 1);
  frame[0] = first;
  frame[1] = 0x80 | 127;
  frame.writeBigUInt64BE(BigInt(bytes), 2);
  return frame;
}

const PUSHED = unfinished(0x82, MIB);
const ASKED = unfinished(0x81, MIB);
const BODY = Buffer.alloc(2 * MIB - 1);

/** What a client asks for, and sends once it is answered. */
interface State {
  readonly asks: string;
  readonly isAnswered?: false;
  readonly sends?: readonly Buffer[];
}

const STATES: Readonly<Record<string, State>> = {
  'GraphQL before `connection_init`': { asks: upgradeRequest('/graphql', SUBPROTOCOL), sends: [ASKED] },
  pull: { asks: upgradeRequest('/data/x/pull?header=0&last_entry_id=0&block=0') },
  'GraphQL socket': {
    asks: upgradeRequest('/graphql', SUBPROTOCOL),
    sends: [
      text({ type: 'connection_init' }),
      text({ type: 'subscribe', id: '1', payload: { query: SUBSCRIBE } }),
    ],
  },
  SSE: { asks: request('GET /data/x/events?last_entry_id=0') },
  MJPEG: { asks: request('GET /data/x/mjpeg?last_entry_id=0') },
  'REST answer': { asks: request('GET /data/x?last_entry_id=0&count=100') },
  'REST body': {
    asks: request('POST /data/y', `Content-Length: ${BODY.length + 1}\r\n`),
    isAnswered: false,
    sends: [BODY],
  },
  push: { asks: upgradeRequest('/data/y/push?header=0'), sends: [PUSHED] },
};

async function enter({ asks, isAnswered, sends = [] }: State): Promise<RawClient> {
  const client = await RawClient.open(gateway.port);
  client.send(asks);
  if (isAnswered !== false) await client.until(() => client.bytes.length > 0);
  client.pause();
  // What a paused socket of the gateway does not take waits in the system, or here.
  for (const bytes of sends) client.send(bytes);
  return client;
}

test('the table has every state', () => {
  expect([...LEDGER.keys()].sort()).toEqual(Object.keys(STATES).sort());
});

test.each(Object.keys(STATES))(
  '%s: 200 clients take at most what the table says',
  async (name) => {
    const before = await gateway.residentBytes();
    let peak = before;
    const watch = setInterval(async () => {
      peak = Math.max(peak, await gateway.residentBytes());
    }, 25);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => enter(STATES[name]!)));
    // Until it grows no more.
    for (let still = 0, last = 0; still < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      still = peak > last + MIB ? 0 : still + 1;
      last = peak;
    }
    clearInterval(watch);
    for (const client of clients) client.destroy();
    await Promise.all(clients.map(({ closed }) => closed));
    expect(peak - before).toBeLessThan(LEDGER.get(name)!);
  },
  60_000,
);
