/** How many entries a stream was ever given, so that what is missing can be told. */
import type { Redis } from 'ioredis';

/** @returns 0 where there is no such stream; what was trimmed since counts */
export async function entriesAdded(redis: Redis, key: string): Promise<number> {
  const info = (await redis.xinfo('STREAM', key).catch(() => [])) as unknown[];
  return Number(info[info.indexOf('entries-added') + 1] ?? 0);
}
