/**
 * Clocks jump, and nothing stops: on the gateway's machine all of a sudden, as after a suspension or a
 * correction; on Redis' machine, where the ids of a stream must go on rising all the same.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FaultyGateway, startFaultyGateway } from '../support/faulty-gateway.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';

const HOUR_MS = 3_600_000;
/** Far above what each of these takes, far below the jump. */
const SOON_MS = 5000;

let redis: TestRedis;
let gateway: FaultyGateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startFaultyGateway({ REDIS_URL: redis.url });
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing for ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

test.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
  ['to the right time', 0],
])('the clock of the gateway goes %s', async (_words, clockMs) => {
  const sid = `gateway${clockMs}`;
  let seq = 0;
  const add = () => redis.client.xadd(`default:${sid}`, '*', 'd', stampedFrame('w', seq++));
  const [idle, paced, latest] = await Promise.all([
    StreamFollower.open(gateway, `${sid}-idle`, 'block=50'),
    StreamFollower.open(gateway, sid, 'block=0&max_fps=200'),
    StreamFollower.open(gateway, sid, 'block=20&max_fps=100&latest=1', 'msgpack'),
  ]);
  const producer = await TestSocket.open(`${gateway.ws}/data/${sid}-pushed/push?ack=1`);
  await idle.until(() => idle.heartbeats > 1);
  for (let entry = 0; entry < 20; entry++) await add();
  await paced.until(() => paced.entries.length === 20);
  // Begun under the old clock, ended under the new one.
  const begun = performance.now();
  const waiting = fetch(`${gateway.http}/data/${sid}-none?block=1000`);
  const served = fetch(`${gateway.http}/data/${sid}-later?block=20000`);
  await redis.client.xadd(`default:${sid}-lost`, '*', 'd', 'x');
  const lost = fetch(`${gateway.http}/data/${sid}-lost?block=3000`);
  await expect.poll(() => gateway.metric('waiting_reads')).toBe(3);

  await gateway.inflict({ clockMs });
  const { heartbeats } = idle;
  await within(
    SOON_MS,
    idle.until(() => idle.heartbeats >= heartbeats + 5),
  );
  for (let entry = 0; entry < 20; entry++) await add();
  await within(
    SOON_MS,
    paced.until(() => paced.entries.length === 40),
  );
  await within(
    SOON_MS,
    latest.until(() => latest.entries.at(-1)?.stamp === 'w#39'),
  );
  const told = latest.heartbeats;
  await within(
    SOON_MS,
    latest.until(() => latest.heartbeats > told + 2),
  );
  expect(await (await within(SOON_MS, waiting)).text()).toBe('');
  expect(performance.now() - begun).toBeGreaterThan(900);
  // Woken meanwhile, for nothing, it waits for the rest of its time.
  await redis.client.del(`default:${sid}-lost`);
  expect(await (await within(SOON_MS, lost)).text()).toBe('');
  expect(performance.now() - begun).toBeGreaterThan(2900);
  await redis.client.xadd(`default:${sid}-later`, '*', 'd', 'served');
  expect(await (await within(SOON_MS, served)).text()).toBe('served');
  expect(await within(SOON_MS, producer.push([], 'pushed'))).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
  // `$` is the stream's end by whatever clock.
  const joined = await StreamFollower.open(gateway, sid, 'block=0');
  const id = await add();
  await within(
    SOON_MS,
    joined.until(() => joined.entries.length > 0),
  );
  expect(joined.entries.map((entry) => entry.id)).toEqual([id]);
  await Promise.all([idle, paced, latest, joined].map((follower) => follower.close()));
  await producer.close();
});

test('the clock of Redis goes back: ids go on rising, and followers with them', async () => {
  const key = 'default:redis';
  const live = await StreamFollower.open(gateway, 'redis', 'block=0&count=3');
  // What Redis stored before its clock went back by an hour: to it, that is in the future.
  const ahead = `${Date.now() + HOUR_MS}-7`;
  await redis.client.xadd(key, ahead, 'd', stampedFrame('w', 0));
  const joined = await StreamFollower.open(gateway, 'redis', 'block=0');
  const resumed = await StreamFollower.open(gateway, 'redis', `block=0&last_entry_id=${ahead}`);
  const producer = await TestSocket.open(`${gateway.ws}/data/redis/push?ack=1`);
  const ids = [ahead];
  for (let seq = 1; seq <= 10; seq++) {
    ids.push(...((await producer.push([], stampedFrame('w', seq))) as string[]));
  }
  expect(ids).toEqual(Array.from({ length: 11 }, (_, seq) => `${ahead.split('-')[0]}-${7 + seq}`));
  await live.until(() => live.entries.length === 11);
  expect(live.entries.map(({ id }) => id)).toEqual(ids);
  for (const follower of [joined, resumed]) {
    await follower.until(() => follower.entries.length === 10);
    expect(follower.entries.map(({ id }) => id)).toEqual(ids.slice(1));
  }
  await Promise.all([live, joined, resumed].map((follower) => follower.close()));
  await producer.close();
});
