/** Asks a server whether it is a node of a cluster. */
import type { Redis } from 'ioredis';

/** @returns undefined where that is not known: the server is away, or we may not ask */
export async function isClusterEnabled(redis: Redis): Promise<boolean | undefined> {
  const info = await redis.info('cluster').catch(() => undefined);
  return info === undefined ? undefined : /^cluster_enabled:1/m.test(info);
}
