/** One connection to a server that is looked at. */
import { Redis } from 'ioredis';
import { addressOptions } from '../redis/control.js';
import { failureFromRedis } from '../redis/error-replies.js';
import type { RedisTarget } from '../redis/target.js';

const ANSWER_MS = 5000;
const NOT_LOGGED_IN = /^(NOAUTH|WRONGPASS)/;

/** What a server has told, or why it tells nothing. */
export type Asked<T> = { readonly told: T } | { readonly reason: string };

/** Asks a server, once it has let us in; that it cannot serve now is for `ask` to find out. */
export async function askServer<T>(
  target: RedisTarget,
  ask: (redis: Redis) => Promise<T>,
): Promise<Asked<T>> {
  const redis = connect(target);
  // What a failed connection says, and not only that it is closed.
  let cause: Error | undefined;
  redis.on('error', (error: Error) => {
    cause = error;
  });
  try {
    await redis.connect();
    await greet(redis);
    return { told: await ask(redis) };
  } catch (error) {
    const { message } = cause ?? (error as Error);
    const isRefused = NOT_LOGGED_IN.test(message);
    return { reason: isRefused ? failureFromRedis(message).message : message.replace(/\.$/, '') };
  } finally {
    redis.disconnect();
  }
}

/** @throws where Redis lets nobody in */
async function greet(redis: Redis): Promise<void> {
  await redis.ping().catch((error: Error) => {
    if (error.name !== 'ReplyError' || NOT_LOGGED_IN.test(error.message)) throw error;
  });
}

function connect(target: RedisTarget): Redis {
  return new Redis({
    ...addressOptions(target),
    connectionName: 'streamgate-doctor',
    lazyConnect: true,
    // One that reads its data is looked at too.
    enableReadyCheck: false,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
  });
}
