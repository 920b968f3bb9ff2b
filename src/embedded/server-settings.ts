/** Redis' own settings, as far as it tells them. */
import type { Redis } from 'ioredis';

/** CONFIG GET of some settings; those that are not told, or do not exist, are missing. */
export async function readSettings(redis: Redis, names: readonly string[]): Promise<Map<string, string>> {
  const settings = new Map<string, string>();
  try {
    // One at a time: Redis 6 takes no more.
    for (const name of names) {
      const [, value] = (await redis.config('GET', name)) as string[];
      if (value !== undefined) settings.set(name, value);
    }
  } catch {
    // Not allowed, or renamed, or Redis is away: what is known by then is all.
  }
  return settings;
}
