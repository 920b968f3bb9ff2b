/**
 * Clients that leave at every point of every request, politely or not: the gateway lives, keeps nothing for
 * them, and has stored what came whole or nothing.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { FORM_TYPE, formBody } from '../support/http.js';
import { BINARY, frame, RawClient, TEXT, upgradeRequest } from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const KIB = 1024;

let redis: TestRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  redis = await startRedis();
  // Far fewer than the visits: one of them that were still counted in the end would be refused.
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, MAX_CONNECTIONS_PER_ADDRESS: '60' });
  for (let entry = 0; entry < 64; entry++)
    await redis.client.xadd('default:large', '*', 'd', Buffer.alloc(64 * KIB));
});

beforeEach(async () => {
  await redis.client.del('default:x');
});

afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

/** All must be back at nothing once nobody is there; the one that asks is a connection and a request itself. */
const GAUGES: Readonly<Record<string, number>> = {
  requests: 1,
  waiting_reads: 0,
  receiving_bytes: 0,
  unread_answer_bytes: 0,
  unread_message_bytes: 0,
  connections: 0,
  followers: 0,
  graphql_subscriptions: 0,
  append_queue_bytes: 0,
  pool_queued_tasks: 0,
};

async function expectNothingLeft(): Promise<void> {
  expect(gateway.process.exitCode).toBeNull();
  expect(gateway.process.signalCode).toBeNull();
  await vi.waitFor(
    async () => {
      const left: Record<string, number> = {};
      // One after the other: those that ask at the same time would see one another.
      for (const name of Object.keys(GAUGES)) left[name] = await gateway.metric(name);
      expect(left).toEqual(GAUGES);
      expect(await gateway.metric('tcp_connections')).toBeLessThan(30);
    },
    { timeout: 10_000, interval: 50 },
  );
}

const http = (line: string, headers = '', body: string | Buffer = '') =>
  Buffer.concat([
    Buffer.from(
      `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}${body.length > 0 ? `Content-Length: ${Buffer.byteLength(body)}\r\n` : ''}\r\n`,
    ),
    Buffer.from(body),
  ]);
const graphql = (query: string, accept = 'application/json') =>
  http('POST /graphql', `Content-Type: application/json\r\nAccept: ${accept}\r\n`, JSON.stringify({ query }));
const socket = (path: string, ...frames: Buffer[]) =>
  Buffer.concat([
    Buffer.from(
      upgradeRequest(
        path,
        path.startsWith('/graphql') ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : '',
      ),
    ),
    ...frames,
  ]);
const text = (payload: string) => frame({ first: TEXT, payload });
const binary = (payload: string | Buffer) => frame({ first: BINARY, payload });
const SUBSCRIBE = JSON.stringify({
  type: 'subscribe',
  id: '1',
  payload: { query: 'subscription { data(streamIds: ["large"], lastEntryId: "0") { data } }' },
});

/** Every address and way to use it. */
const REQUESTS: Readonly<Record<string, Buffer>> = {
  'GET /': http('GET /'),
  'GET /healthz': http('GET /healthz'),
  'GET /readyz': http('GET /readyz'),
  'GET /metrics': http('GET /metrics'),
  'GET /nothing': http('GET /nothing'),
  'GET /graphql in a browser': http('GET /graphql', 'Accept: text/html\r\n'),
  'OPTIONS /data/x': http('OPTIONS /data/x', 'Origin: http://localhost\r\n'),
  'GET /data/large': http('GET /data/large?last_entry_id=0&count=1000'),
  'HEAD /data/large': http('HEAD /data/large?last_entry_id=0&count=1000'),
  'GET /data/x, which waits': http('GET /data/x+y+z?block=30000'),
  'GET /data/large, packed': http(
    'GET /data/large?last_entry_id=0&count=9',
    'Accept: application/msgpack\r\n',
  ),
  'POST /data/x': http('POST /data/x', '', 'x'.repeat(1000)),
  'POST /data/x, large': http('POST /data/x', '', Buffer.alloc(300 * KIB, 'x')),
  'POST /data/x, a form': http(
    'POST /data/x',
    `Content-Type: ${FORM_TYPE}\r\n`,
    formBody(['form-data; name="entries"', 'x']),
  ),
  'POST /data/x, refused': http('POST /data/x', 'Content-Encoding: gzip\r\n', 'x'.repeat(1000)),
  'POST /graphql': graphql('{ streams { id length lastEntryData } }'),
  'POST /graphql, a mutation': graphql('mutation { connectDevice(deviceId: "d") }'),
  'POST /graphql, events': graphql(
    'subscription { data(streamIds: ["large"], lastEntryId: "0") { data } }',
    'text/event-stream',
  ),
  'WS push': socket('/data/x/push?ack=1', text('[5]'), binary('whole'), text('[5]'), binary('WHOLE')),
  'WS push, raw': socket('/data/x/push?header=0', binary('whole'), binary(Buffer.alloc(100 * KIB, 'x'))),
  'WS pull': socket('/data/large/pull?last_entry_id=0&count=10'),
  'WS pull, acknowledged': socket('/data/large/pull?last_entry_id=0&ack=1', text('1'), text('2')),
  'WS graphql': socket('/graphql', text('{"type":"connection_init"}'), text(SUBSCRIBE)),
  'WS graphql, without a beginning': socket('/graphql', text(SUBSCRIBE)),
};

/** Where a request of so many bytes is cut. */
function cuts(bytes: Buffer): number[] {
  const headers = bytes.indexOf('\r\n\r\n') + 4;
  const points = [
    1,
    10,
    headers - 2,
    headers,
    headers + 1,
    headers + 5,
    headers + 9,
    bytes.length - 1,
    bytes.length,
  ];
  for (let part = 1; part < 6; part++)
    points.push(headers + Math.floor(((bytes.length - headers) * part) / 6));
  return [...new Set(points)].filter((point) => point > 0 && point <= bytes.length);
}

type Leaving = 'a reset' | 'an end' | 'a half-closed end';
const LEAVINGS: readonly Leaving[] = ['a reset', 'an end', 'a half-closed end'];

function leave(client: RawClient, how: Leaving): void {
  if (how === 'a reset') client.socket.resetAndDestroy();
  else if (how === 'an end') client.destroy();
  else {
    client.socket.end();
    setTimeout(() => client.destroy(), 200);
  }
}

/** At once, when the system has taken the bytes, or when the first of the answer has come. */
const MOMENTS = ['at once', 'when it is sent', 'when the answer begins'] as const;

async function visit(bytes: Buffer, how: Leaving, when: (typeof MOMENTS)[number]): Promise<void> {
  const client = await RawClient.open(gateway.port);
  if (when === 'at once') client.send(bytes);
  else await client.flush(bytes);
  if (when === 'when the answer begins') {
    await Promise.race([
      client.until(() => client.bytes.length > 0),
      new Promise((resolve) => setTimeout(resolve, 50)),
    ]);
  }
  leave(client, how);
  await client.closed;
}

describe.each(Object.entries(REQUESTS))('%s', (_, request) => {
  test('may be left at any point', async () => {
    const visits = cuts(request).flatMap((point) =>
      LEAVINGS.flatMap((how) => MOMENTS.map((when) => () => visit(request.subarray(0, point), how, when))),
    );
    const lanes = Array.from({ length: 10 }, async () => {
      for (let next = visits.pop(); next !== undefined; next = visits.pop()) await next();
    });
    await Promise.all(lanes);
    await expectNothingLeft();
    expect((await fetch(`${gateway.http}/data/y?block=-1`)).status).toBe(200);
    const stored = await redis.client.xrange('default:x', '-', '+');
    const lengths = new Set(stored.map(([, [, payload]]) => payload!.length));
    for (const length of lengths) expect([1, 5, 1000, 100 * KIB, 300 * KIB]).toContain(length);
  });
});

test('the log has nothing worse to tell than that clients were closed', () => {
  expect(gateway.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
