/** Servers of one test's own, which end with it, the last one first. */
import { onTestFinished } from 'vitest';
import { type Answer, type FakeRedis, startFakeRedis } from './fake-redis.js';
import { startRedis, type TestRedis } from './redis-server.js';

export async function redisForTest(...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis(...settings);
  onTestFinished(() => redis.stop());
  return redis;
}

export async function fakeRedisForTest(answer: Answer): Promise<FakeRedis> {
  const fake = await startFakeRedis(answer);
  onTestFinished(() => fake.close());
  return fake;
}
