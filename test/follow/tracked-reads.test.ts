/**
 * So many streams that a reader has Redis tell which of them have changed: each entry comes once and in order,
 * whatever happens to the streams, the connection or the rights.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';

const STREAMS = 300;
const STREAMS_A_FOLLOWER = 60;
const WAIT = { timeout: 10_000, interval: 20 };

let redis: TestRedis;
let gateway: GatewayProcess;
let followers: StreamFollower[];
let round = 0;
/** What was written to each stream, in order. */
let written: Map<string, string[]>;
let seq = 0;

beforeAll(async () => {
  redis = await startRedis();
  // The gateway is the default user, whose rights change; the test is one that may do all.
  await redis.client.acl('SETUSER', 'boss', 'on', '>boss', '~*', '&*', '+@all');
  await redis.client.auth('boss', 'boss');
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, READER_THREADS: '1' });
});

beforeEach(async () => {
  round++;
  followers = [];
  written = new Map();
  await allow('allkeys', '+@all');
});

afterEach(async () => {
  await redis.client.config('SET', 'tracking-table-max-keys', 1_000_000);
  for (const follower of followers) if (!follower.isClosed) await follower.close();
  await vi.waitFor(async () => expect(await gateway.metric('followed_streams')).toBe(0), WAIT);
  await vi.waitFor(async () => expect(await isTracking()).toBe(false), WAIT);
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

/** Sets what the gateway's user may do. */
const allow = (...rules: string[]) =>
  redis.client.acl('SETUSER', 'default', 'reset', 'on', 'nopass', ...rules);

const sidOf = (index: number) => `r${round}-${index}`;
const keyOf = (index: number) => `default:${sidOf(index)}`;

/** Follows the streams, as many with one follower as may be. */
async function follow(streams = STREAMS, first = 0): Promise<void> {
  for (let from = first; from < first + streams; from += STREAMS_A_FOLLOWER) {
    const count = Math.min(STREAMS_A_FOLLOWER, first + streams - from);
    const sids = Array.from({ length: count }, (_, index) => sidOf(from + index));
    // A part of them hears of losses, so that questions go along with the reads.
    const query = followers.length % 2 === 0 ? 'block=0' : 'block=0&gaps=1';
    followers.push(await StreamFollower.open(gateway, sids.join('+'), query));
  }
}

/** Whether the reader's connection tracks what it reads. */
async function isTracking(): Promise<boolean> {
  const [line] = (await readers()).slice(-1);
  return / flags=\S*t/.test(line ?? '');
}

async function readers(): Promise<string[]> {
  const clients = (await redis.client.client('LIST')) as string;
  return clients.split('\n').filter((line) => line.includes(' name=streamgate-reader '));
}

const tracked = () => vi.waitFor(async () => expect(await isTracking()).toBe(true), WAIT);

/** Adds one entry to each of the streams, at once. */
async function add(...indexes: number[]): Promise<void> {
  const pipeline = redis.client.pipeline();
  for (const index of indexes) {
    const stamp = `w#${seq++}`;
    const sid = sidOf(index);
    written.set(sid, [...(written.get(sid) ?? []), stamp]);
    pipeline.xadd(keyOf(index), '*', 'd', stampedFrame('w', seq - 1, index % 7 === 0 ? 20_000 : 0));
  }
  await pipeline.exec();
}

function received(): Map<string, string[]> {
  const came = new Map<string, string[]>();
  for (const { sid, stamp } of followers.flatMap(({ entries }) => entries)) {
    came.set(sid!, [...(came.get(sid!) ?? []), stamp]);
  }
  return came;
}

const total = (of: ReadonlyMap<string, readonly string[]>) =>
  [...of.values()].reduce((sum, { length }) => sum + length, 0);

/** Waits until as many entries came as were written, and sees whether they are the same. */
async function expectAll(): Promise<void> {
  await vi.waitFor(() => expect(total(received())).toBeGreaterThanOrEqual(total(written)), {
    ...WAIT,
    timeout: 20_000,
  });
  const came = received();
  for (const [sid, stamps] of written) expect([sid, came.get(sid)]).toEqual([sid, stamps]);
  expect(total(came)).toBe(total(written));
}

/** Numbers that look drawn, the same in each run. */
function drawing(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('entries come once and in order, whatever is deleted, flushed or cut off in between', async () => {
  await follow();
  await tracked();
  const draw = drawing(7);
  const some = () => Array.from({ length: 1 + draw(80) }, () => draw(STREAMS));
  const disturb: readonly (() => Promise<unknown>)[] = [
    () => redis.client.del(...some().map(keyOf)),
    () => redis.client.flushall(),
    () => redis.client.expire(keyOf(draw(STREAMS)), 1000),
    () => redis.client.xtrim(keyOf(draw(STREAMS)), 'MAXLEN', 1),
    () => redis.client.flushall('ASYNC'),
  ];
  for (let turn = 0; turn < 24; turn++) {
    for (let write = 0; write < 10; write++) await add(...some());
    if (turn % 4 === 1) {
      // Amid the entries.
      const [line] = await readers();
      await redis.client.client('KILL', 'ID', /^id=(\d+)/.exec(line ?? '')?.[1] ?? '0').catch(() => {});
      await add(...some());
    }
    await expectAll();
    await disturb[draw(disturb.length)]!();
  }
  await expectAll();
  await tracked();
});

test('streams come and go, with either way of reading, while entries come', async () => {
  const steady = 20;
  await follow(steady);
  let isDone = false;
  const writing = (async () => {
    for (let index = 0; !isDone; index++) await add(index % steady, (index * 7) % steady);
  })();
  for (let time = 0; time < 4; time++) {
    const others = await Promise.all(
      Array.from({ length: 4 }, (_, part) => {
        const sids = Array.from({ length: 50 }, (_, index) => sidOf(1000 + part * 50 + index));
        return StreamFollower.open(gateway, sids.join('+'), 'block=0');
      }),
    );
    await tracked();
    await Promise.all(others.map((other) => other.close()));
    await vi.waitFor(async () => expect(await isTracking()).toBe(false), WAIT);
  }
  isDone = true;
  await writing;
  await expectAll();
  expect(followers.flatMap(({ gaps }) => gaps)).toEqual([]);
});

describe('a stream that cannot be read', () => {
  test.each([
    ['is another type', (index: number) => redis.client.set(keyOf(index), 'text'), 4409],
    [
      'is forbidden',
      async (index: number) => {
        const others = Array.from({ length: STREAMS }, (_, other) => other).filter(
          (other) => other !== index,
        );
        await allow('+@all', ...others.map((other) => `~${keyOf(other)}`));
        // Until it changes nothing has it read.
        await redis.client.xadd(keyOf(index), '*', 'd', stampedFrame('w', 0));
      },
      1011,
    ],
  ] as const)('as it %s, ends its follower, and no other', async (_what, turn, code) => {
    await follow(STREAMS - 1);
    const victim = await StreamFollower.open(gateway, sidOf(STREAMS - 1), 'block=0');
    await tracked();
    await turn(STREAMS - 1);
    expect((await victim.closed).code).toBe(code);
    await add(...Array.from({ length: STREAMS - 1 }, (_, index) => index));
    await expectAll();
    expect(followers.flatMap(({ gaps }) => gaps)).toEqual([]);
  });
});

test('a gateway that may not track reads as it does few streams', async () => {
  await allow('allkeys', '+@all', '-client|tracking');
  await follow();
  for (let time = 0; time < 5; time++) {
    await add(...Array.from({ length: STREAMS }, (_, index) => index));
    await expectAll();
  }
  expect(await isTracking()).toBe(false);
  // It asks for it again only after a while.
  await allow('allkeys', '+@all');
  await gateway.stop();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, READER_THREADS: '1' });
});

test('entries that Redis does not tell of come within 10 s', async () => {
  const other = redis.client.duplicate();
  try {
    await other.select(1);
    await follow();
    await tracked();
    await add(5);
    await expectAll();
    const stamp = stampedFrame('w', seq);
    written.get(sidOf(5))!.push(`w#${seq++}`);
    const [[last] = ['']] = await redis.client.xrevrange(keyOf(5), '+', '-');
    const [ms] = last.split('-');
    await other.xadd(keyOf(5), `${Number(ms) + 1}-0`, 'd', stamp);
    await redis.client.swapdb(0, 1);
    await expectAll();
  } finally {
    await redis.client.swapdb(0, 1);
    other.disconnect();
  }
});

test('where Redis may remember few keys only, quiet streams are read seldom, and entries come', async () => {
  await follow();
  await tracked();
  await add(...Array.from({ length: STREAMS }, (_, index) => index));
  await expectAll();
  await redis.client.config('SET', 'tracking-table-max-keys', 10);
  const reads = async () => {
    const stats = await redis.client.info('commandstats');
    return Number(/cmdstat_xread:calls=(\d+)/.exec(stats)![1]);
  };
  const seconds = 3;
  // The first empty reads are free.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const before = await reads();
  const begun = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  expect(((await reads()) - before) / ((performance.now() - begun) / 1000)).toBeLessThan(400);
  await add(...Array.from({ length: STREAMS }, (_, index) => index));
  await expectAll();
});

test('a quiet stream that is deleted is noticed, and its new entries come', async () => {
  await follow();
  await tracked();
  await redis.client.xadd(keyOf(3), '100-0', 'd', stampedFrame('w', 0));
  await vi.waitFor(() => expect(total(received())).toBe(1), WAIT);
  const resets = () => gateway.metric('stream_resets_total{reason="deleted"}');
  const before = await resets();
  await redis.client.del(keyOf(3));
  await vi.waitFor(async () => expect(await resets()).toBe(before + 1), WAIT);
  await redis.client.xadd(keyOf(3), '1-0', 'd', stampedFrame('w', 1));
  await vi.waitFor(() => expect(total(received())).toBe(2), WAIT);
});
