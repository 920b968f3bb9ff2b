/** Redis killed or demoted: what writers are told is what Redis holds. */
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { startLoad, type WriteLoad } from '../support/write-load.js';

const WAIT = { timeout: 20_000, interval: 5 };

let redis: TestRedis;
let gateway: GatewayProcess;
let load: WriteLoad;

beforeEach(async () => {
  // With `everysec` Redis holds back its writes to the file while it is synced, and loses them when it is killed.
  redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'no');
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '1000000' });
  load = startLoad(gateway);
  await load.moreAcked(200);
});

afterEach(async () => {
  await gateway.stop();
  await redis.stop();
});

test('killed under load, and started again: everything is stored once', async () => {
  for (let kill = 0; kill < 3; kill++) {
    redis.process.kill('SIGKILL');
    await once(redis.process, 'exit');
    await redis.restart();
    await load.moreAcked(300);
  }
  const { failed, unknown, unknownStored, silently } = await load.check(redis.client);
  expect([failed, unknown, unknownStored]).toEqual([0, silently, silently]);
});

test('made a replica: writes are refused until it is a master again, which is noticed by itself', async () => {
  const before = await gateway.metric('redis_disconnects_total{role="append"}');
  await redis.client.replicaof('127.0.0.1', await freePort());
  await vi.waitFor(async () => {
    expect(await gateway.metric('entries_refused_total{code="redis_read_only"}')).toBeGreaterThan(50);
  }, WAIT);
  // Who may be the master by now is asked again, though not without end.
  const left = (await gateway.metric('redis_disconnects_total{role="append"}')) - before;
  expect(left).toBeGreaterThanOrEqual(1);
  expect(left).toBeLessThan(10);
  await redis.client.replicaof('NO', 'ONE');
  await load.moreAcked(300);
  const { failed, unknown, unknownStored } = await load.check(redis.client);
  expect(failed).toBeGreaterThan(20);
  // Those without acks, of which some were refused.
  expect(unknownStored).toBeLessThanOrEqual(unknown);
});
