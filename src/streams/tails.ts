/** Where streams end now: what `$` stands for, and from where a stream's first follower must read. */
import type { Redis } from 'ioredis';
import { controlFailure } from '../redis/control.js';
import { NEWEST } from '../wire/parameters.js';

/**
 * The last generated id of each stream, `0-0` for one that does not exist, in one round trip.
 * @throws Failure `wrong_type` where a key is no stream; `redis_…` where Redis does not answer
 */
export async function readTails(control: Redis, keys: readonly string[]): Promise<string[]> {
  try {
    // A single stream needs no pipeline object.
    const replies =
      keys.length === 1
        ? [[null, await control.streamTail(keys[0]!)] as const]
        : ((await keys.reduce((pipeline, key) => pipeline.streamTail(key), control.pipeline()).exec()) ?? []);
    return replies.map(([error, tail]) => {
      if (error) throw error;
      return (tail as [string, string])[0];
    });
  } catch (error) {
    throw controlFailure(error);
  }
}

/** Each cursor as a concrete id: `$` becomes the stream's tail. */
export function resolveCursors(cursors: readonly string[], tails: readonly string[]): string[] {
  return cursors.map((cursor, index) => (cursor === NEWEST ? tails[index]! : cursor));
}
