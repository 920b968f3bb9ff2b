/** The gateway's control connection, to a test's own Redis. */
import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { createLogger } from '../../src/logger.js';
import { connectControl } from '../../src/redis/control.js';
import { unixTarget } from '../../src/redis/target.js';
import type { TestRedis } from './redis-server.js';

export async function openControl({ path }: TestRedis): Promise<Redis> {
  const control = connectControl(unixTarget(path), createLogger('silent'));
  await once(control, 'ready');
  return control;
}
