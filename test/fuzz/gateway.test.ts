/**
 * The gateway itself, with bytes on its port: requests and frames, whole and damaged. It lives, answers who
 * asks properly, and stores nothing that did not come whole.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { damaged, fuzzTimeout, printCounts, report, runs } from '../support/fuzz.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { FORM_TYPE, formBody } from '../support/http.js';
import {
  BINARY,
  CLOSE,
  frame,
  framesIn,
  openRaw,
  PING,
  RawClient,
  TEXT,
  upgradeRequest,
} from '../support/raw-client.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

/** Inputs over a socket take a thousand times longer than those of a function. */
const HTTP_SHARE = 0.05;
const FRAMES_SHARE = 0.04;
const GRAPHQL_SHARE = 0.03;
const AT_ONCE = 25;
/** After so long without a word the library waits for more. */
const SILENCE_MS = 60;
/** How long the gateway's event loop may be held up, on a machine that has other things to do; 50 ms on its own. */
const MOST_DELAY_MS = 500;
/** A request that takes longer is given up. */
const MOST_WAIT_MS = 2000;
const LIMIT = 100_000;

let redis: TestRedis;
let gateway: GatewayProcess;

printCounts();

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    REDIS_STREAM_MAXLEN: '1000000',
    MAX_PAYLOAD_BYTES: String(LIMIT),
    MAX_BLOCK_MS: '50',
  });
});

beforeEach(() => redis.client.flushall());

afterAll(async () => {
  const code = gateway === undefined ? 0 : await gateway.stop();
  await redis?.stop();
  expect(code).toBe(0);
});

/** Tries inputs, some at once, and asks now and then how long the gateway's event loop was held up. */
async function tryAll<T>(
  name: string,
  share: number,
  inputs: fc.Arbitrary<T>,
  check: (input: T) => Promise<void>,
): Promise<void> {
  const rounds = Math.ceil(runs(share) / AT_ONCE);
  let tried = 0;
  let longestDelay = 0;
  // As the gateway measures it itself, since it was asked last: this process is busy with the next inputs.
  const ask = async () => {
    const text = await (await fetch(`${gateway.http}/metrics`)).text();
    const seconds = Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]);
    longestDelay = Math.max(longestDelay, seconds * 1000);
  };
  const probe = setInterval(() => ask().catch(() => {}), 200);
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(inputs, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (batch) => {
        await Promise.all(batch.map(check));
        tried += batch.length;
        expect([gateway.process.exitCode, gateway.process.signalCode]).toEqual([null, null]);
      }),
      // To shrink a batch would take an hour; what failed says its part of it.
      { numRuns: rounds, endOnFailure: true },
    );
  } finally {
    clearInterval(probe);
  }
  report(name, tried);
  await ask();
  expect(longestDelay).toBeLessThan(MOST_DELAY_MS);
  // It was measured at all.
  expect(longestDelay).toBeGreaterThan(0);
  await expectNothingLeft();
}

async function expectNothingLeft(): Promise<void> {
  const names = [
    'waiting_reads',
    'receiving_bytes',
    'unread_answer_bytes',
    'connections',
    'followers',
    'append_queue_bytes',
  ];
  await vi.waitFor(
    async () => {
      for (const name of names) expect([name, await gateway.metric(name)]).toEqual([name, 0]);
    },
    { timeout: 15_000, interval: 100 },
  );
  expect(gateway.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
}

/** Everything stored anywhere. */
async function stored(): Promise<Buffer[]> {
  const keys = await redis.client.keys('*');
  const streams = await Promise.all(
    keys.map(async (key) => {
      if ((await redis.client.type(key)) !== 'stream') return [];
      const rows = (await redis.client.callBuffer('XRANGE', key, '-', '+')) as [Buffer, Buffer[]][];
      return rows.map(([, fields]) => fields[1]!);
    }),
  );
  return streams.flat();
}

const http = (line: string, headers: string, body: string | Buffer = '') =>
  Buffer.concat([
    Buffer.from(
      `${line} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
    ),
    Buffer.from(body),
  ]);

const whole: readonly Buffer[] = [
  http('GET /data/a?last_entry_id=0&block=-1', ''),
  http('GET /data/a+b?count=5&block=20', 'Accept: application/msgpack\r\n'),
  http('POST /data/a?device_id=d', 'Content-Type: text/plain\r\n', 'the-whole-of-an-entry'),
  http('POST /data/a', 'Origin: http://localhost\r\nExpect: 100-continue\r\n', 'the-whole-of-an-entry'),
  http(
    'POST /data/*',
    `Content-Type: ${FORM_TYPE}\r\n`,
    formBody(['form-data; name="entries"; filename="f"', 'the-whole-of-an-entry']),
  ),
  http(
    'POST /graphql',
    'Content-Type: application/json\r\n',
    JSON.stringify({ query: '{ streams { id length } }' }),
  ),
  http('GET /graphql?query=%7Bdevices%7Bid%7D%7D', 'Accept: text/event-stream\r\n'),
  http('OPTIONS /data/a', 'Origin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n'),
  Buffer.from(upgradeRequest('/data/a/push?header=0')),
  Buffer.from(upgradeRequest('/data/a/pull?block=10')),
  Buffer.from(upgradeRequest('/graphql', 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n')),
  Buffer.from(
    'POST /data/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  ),
];
const LINES = [
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Host: evil.test\r\n',
  'Origin: http://evil.test\r\n',
  'Content-Encoding: gzip\r\n',
  'Connection: close\r\n',
  'Upgrade: websocket\r\n',
  'Content-Type: multipart/form-data; boundary=x\r\n',
  'X: y\r\n',
  ': y\r\n',
  ' folded\r\n',
];
const request = fc
  .tuple(
    fc.constantFrom(...whole),
    fc.array(fc.tuple(fc.constantFrom(...LINES), fc.boolean()), { maxLength: 2 }),
  )
  .map(([bytes, lines]) => {
    const begin = bytes.indexOf('\r\n') + 2;
    const end = bytes.indexOf('\r\n\r\n') + 2;
    const early = lines.filter(([, isEarly]) => isEarly).map(([line]) => line);
    const late = lines.filter(([, isEarly]) => !isEarly).map(([line]) => line);
    return Buffer.concat([
      bytes.subarray(0, begin),
      Buffer.from(early.join('')),
      bytes.subarray(begin, end),
      Buffer.from(late.join('')),
      bytes.subarray(end),
    ]);
  });
const packets = fc.oneof(
  { weight: 3, arbitrary: damaged(request).map((bytes) => [bytes]) },
  { weight: 1, arbitrary: fc.tuple(damaged(request), damaged(request)).map((both) => [Buffer.concat(both)]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(damaged(request), fc.nat(200))
      .map(([bytes, at]) => [bytes.subarray(0, at), bytes.subarray(at)]),
  },
);

test('HTTP requests', { timeout: fuzzTimeout(runs(HTTP_SHARE) * 5) }, async () => {
  const sent: Buffer[] = [];
  await tryAll('HTTP requests', HTTP_SHARE, packets, async (parts) => {
    sent.push(Buffer.concat(parts));
    const client = await RawClient.open(gateway.port);
    for (const part of parts) await client.flush(part);
    await Promise.race([
      client.until(() => false),
      new Promise((resolve) => setTimeout(resolve, SILENCE_MS)),
    ]);
    client.destroy();
    for (const status of client.statuses)
      expect([...Array(5).keys()].map((kind) => kind + 1)).toContain(Math.floor(status / 100));
    expect(client.statuses.filter((status) => status === 500)).toEqual([]);
  });
  // What is stored stood in some request as it is, from its first byte to its last.
  const all = Buffer.concat(sent);
  for (const entry of await stored()) expect(all.includes(entry)).toBe(true);
});

// ---------------------------------------------------------------------------------------------------------

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 140 }),
  fc.constantFrom('', 'é漢😀', '[]', '[1]', '[[null,null,1]]').map((text) => Buffer.from(text)),
  fc.integer({ min: 60_000, max: 70_000 }).map((length) => Buffer.alloc(length, 'x')),
);
const goodFrame = fc.record({ opcode: fc.constantFrom(BINARY, TEXT, PING), payload, cuts: fc.nat(3) });
const badFrame = fc.oneof(
  fc.nat(255).map((first) => frame({ first, payload: 'x' })),
  fc
    .bigInt({ min: 0n, max: (1n << 64n) - 1n })
    .map((length) => frame({ first: BINARY, said: { length, bytes: 8 } })),
  damaged(payload.map((bytes) => frame({ first: BINARY, payload: bytes }))),
  fc.nat(65_535).map((code) => frame({ first: CLOSE, payload: Buffer.of(code >> 8, code & 255) })),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
);
const conversation = fc.record({
  path: fc.constantFrom(
    '/data/a/push?header=0&ack=1',
    '/data/a/push?ack=1',
    '/data/a/push?ack=1&header=msgpack',
    '/data/a/push?header=0',
    '/data/a/pull?block=10',
    '/graphql',
  ),
  good: fc.array(goodFrame, { maxLength: 6 }),
  bad: fc.array(badFrame, { maxLength: 3 }),
});

type GoodFrame = { readonly opcode: number; readonly payload: Uint8Array; readonly cuts: number };

/** A message as one frame or as fragments. */
function write({ opcode, payload: bytes, cuts }: GoodFrame): Buffer {
  if (opcode === PING) return frame({ first: PING, payload: bytes.subarray(0, 125) });
  const parts: Buffer[] = [];
  for (let part = 0; part <= cuts; part++) {
    const piece = bytes.subarray(
      Math.floor((bytes.length * part) / (cuts + 1)),
      Math.floor((bytes.length * (part + 1)) / (cuts + 1)),
    );
    const isLast = part === cuts;
    parts.push(frame({ first: (isLast ? 0x80 : 0) | (part === 0 ? opcode & 0xf : 0), payload: piece }));
  }
  return Buffer.concat(parts);
}

/** Whether a message may be sent so: text must be UTF-8. */
const isValid = ({ opcode, payload: bytes }: GoodFrame) =>
  opcode !== TEXT || Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes));

test('WebSocket frames', { timeout: fuzzTimeout(runs(FRAMES_SHARE) * 5) }, async () => {
  let streams = 0;
  await tryAll('WebSocket frames', FRAMES_SHARE, conversation, async ({ path, good, bad }) => {
    const sid = `s${streams++}`;
    const isRaw = path.includes('header=0');
    const client = await openRaw(
      gateway.port,
      path.replace('/a/', `/${sid}/`),
      path === '/graphql' ? 'Sec-WebSocket-Protocol: graphql-transport-ws\r\n' : '',
    );
    for (const message of good) client.send(write(message));
    for (const bytes of bad) client.send(bytes);
    client.send(frame({ first: CLOSE, payload: Buffer.of(3, 232) }));
    await Promise.race([
      client.until(() => false),
      new Promise((resolve) => setTimeout(resolve, 4 * SILENCE_MS)),
    ]);
    client.destroy();
    const acks = framesIn(client.bytes).filter(({ opcode }) => opcode === 1);
    const key = `default:${sid}`;
    if (path.includes('pull') || path === '/graphql') {
      expect(await redis.client.exists(key)).toBe(0);
      return;
    }
    const ids = acks.flatMap(({ payload: bytes }) =>
      (JSON.parse(bytes.toString()) as unknown[]).filter((one) => typeof one === 'string'),
    );
    const entries = await vi.waitFor(async () => {
      const rows = (await redis.client.callBuffer('XRANGE', key, '-', '+')) as [Buffer, Buffer[]][];
      // What was acknowledged is there.
      const held = new Set(rows.map(([id]) => id.toString()));
      expect(ids.filter((id) => !held.has(id as string))).toEqual([]);
      return rows;
    }, 10_000);
    if (!isRaw) return;
    // Messages come whole and in order, up to the first that may not be sent; what is behind it may be anything.
    const firstBad = good.findIndex((message) => !isValid(message));
    const expected = good
      .slice(0, firstBad < 0 ? good.length : firstBad)
      .filter(({ opcode }) => opcode !== PING);
    const common = Math.min(expected.length, entries.length);
    expect(entries.slice(0, common).map(([, fields]) => fields[1])).toEqual(
      expected.slice(0, common).map(({ payload: bytes }) => Buffer.from(bytes)),
    );
    if (firstBad >= 0) expect(entries.length).toBeLessThanOrEqual(expected.length);
  });
});

// ---------------------------------------------------------------------------------------------------------

const WORDS = [
  '{',
  '}',
  '(',
  ')',
  'devices',
  'streams',
  'stream',
  'id',
  'length',
  'meta',
  'ids:',
  '["a"]',
  '$a',
  ':',
  'query',
  'mutation',
  'subscription',
  '...',
  'on',
  'Stream',
  '__schema',
  'types',
  'name',
  'lastEntryJson',
  'data',
  'streamIds:',
  'connectDevice',
  'deviceId:',
  '"d"',
  'flush',
];
const body = fc.oneof(
  fc
    .array(fc.constantFrom(...WORDS), { maxLength: 25 })
    .map((words) => JSON.stringify({ query: words.join(' ') })),
  fc
    .jsonValue({ maxDepth: 3 })
    .map((variables) => JSON.stringify({ query: 'query ($a: JSON) { streams { id } }', variables })),
  damaged(
    fc.constant(
      Buffer.from(
        JSON.stringify({ query: '{ devices { id streams { id length meta } } }', operationName: null }),
      ),
    ),
  ).map(String),
  fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
);

test('GraphQL requests', { timeout: fuzzTimeout(runs(GRAPHQL_SHARE) * 5) }, async () => {
  await tryAll(
    'GraphQL requests',
    GRAPHQL_SHARE,
    fc.tuple(body, fc.constantFrom('application/json', 'text/event-stream')),
    async ([text, accept]) => {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), MOST_WAIT_MS);
      try {
        const answer = await fetch(`${gateway.http}/graphql`, {
          method: 'POST',
          body: text,
          headers: { 'content-type': 'application/json', accept },
          signal: abort.signal,
        });
        expect(answer.status).not.toBe(500);
        // A subscription goes on until somebody ends it.
        if (answer.headers.get('content-type')?.includes('event-stream')) abort.abort();
        else JSON.parse(await answer.text());
      } catch (error) {
        if (!abort.signal.aborted) throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  );
});
