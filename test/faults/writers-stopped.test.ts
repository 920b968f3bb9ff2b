/** Redis stops for a while without a word, its connections open: what writers are told is what it holds. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { startLoad, type WriteLoad } from '../support/write-load.js';

/** Until a writer hears of an outage: 5 s, and what a busy machine adds. */
const DEADLINE_MS = 7000;
const STOPPED_MS = 10_000;

let redis: TestRedis;
let gateway: GatewayProcess;
let load: WriteLoad;

beforeEach(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '1000000' });
  load = startLoad(gateway);
  await load.moreAcked(200);
});

afterEach(async () => {
  redis.process.kill('SIGCONT');
  await gateway.stop();
  await redis.stop();
});

test('for 10 s under load: writers hear of it in time, and nothing is stored twice', async () => {
  redis.process.kill('SIGSTOP');
  await delay(STOPPED_MS);
  expect(load.slowest).toBeLessThan(DEADLINE_MS);
  expect(load.slowest).toBeGreaterThan(2000);
  redis.process.kill('SIGCONT');
  await load.moreAcked(300);
  const { ok, failed, unknown, silently } = await load.check(redis.client);
  expect(ok).toBeGreaterThan(500);
  expect(failed).toBeGreaterThan(0);
  expect(unknown).toBeGreaterThan(silently);
}, 40_000);

test('for less than 5 s: nobody hears of it', async () => {
  redis.process.kill('SIGSTOP');
  await delay(3000);
  redis.process.kill('SIGCONT');
  await load.moreAcked(300);
  const { failed, unknown, unknownStored, silently } = await load.check(redis.client);
  expect([failed, unknown, unknownStored]).toEqual([0, silently, silently]);
});
