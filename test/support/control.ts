/** The gateway's control connection, to a test's own Redis. */
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { afterAll } from 'vitest';
import { connectControl } from '../../src/redis/control.js';
import { unixTarget } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { startRedis, type TestRedis } from './redis-server.js';

export async function openControl({ path }: TestRedis): Promise<Redis> {
  const control = connectControl(unixTarget(path), createLogger('silent'));
  await once(control, 'ready');
  return control;
}

/** Both for all tests of a file: to be awaited at its top. */
export async function controlForFile(): Promise<{ readonly redis: TestRedis; readonly control: Redis }> {
  const redis = await startRedis();
  const control = await openControl(redis);
  afterAll(async () => {
    control.disconnect();
    await redis.stop();
  });
  return { redis, control };
}
