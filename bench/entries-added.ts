/** How many entries a stream was ever given, so that missing ones are noticed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const POLL_MS = 4;
/** A server that stores nothing for so long has lost what is missing. */
const PATIENCE_MS = 10_000;

/** @returns 0 where there is no such stream; what was trimmed since counts */
export async function entriesAdded(redis: Redis, key: string): Promise<number> {
  const info = (await redis.xinfo('STREAM', key).catch(() => [])) as unknown[];
  return Number(info[info.indexOf('entries-added') + 1] ?? 0);
}

/**
 * Resolves when the stream has been given so many; it is asked often, which is cheap as long as entries are small.
 * @throws Error where nothing more comes for a while
 */
export async function whenAdded(redis: Redis, key: string, entries: number): Promise<void> {
  let seen = 0;
  let since = performance.now();
  while (seen < entries) {
    await delay(POLL_MS);
    const added = await entriesAdded(redis, key);
    if (added > seen) since = performance.now();
    seen = added;
    if (performance.now() - since > PATIENCE_MS) throw new Error(`${seen} of ${entries} entries were stored`);
  }
}
