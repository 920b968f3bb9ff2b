/** Servers of one test's own, which end with it, the last one first. */
import { onTestFinished } from 'vitest';
import { startRedis, type TestRedis } from './redis-server.js';

export async function redisForTest(...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis(...settings);
  onTestFinished(() => redis.stop());
  return redis;
}
