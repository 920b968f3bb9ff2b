/** The gateway's control connection, to a test's own Redis. */
import { once } from 'node:events';
import { afterAll } from 'vitest';
import { type Control, connectControl, ServerControl } from '../../src/redis/control.js';
import { unixTarget } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { startRedis, type TestRedis } from './redis-server.js';

export async function openControl({ path }: TestRedis): Promise<Control> {
  const redis = connectControl(unixTarget(path), createLogger('silent'));
  await once(redis, 'ready');
  return new ServerControl(redis);
}

/** Both for all tests of a file: to be awaited at its top. */
export async function controlForFile(): Promise<{ readonly redis: TestRedis; readonly control: Control }> {
  const redis = await startRedis();
  const control = await openControl(redis);
  afterAll(async () => {
    control.close();
    await redis.stop();
  });
  return { redis, control };
}
