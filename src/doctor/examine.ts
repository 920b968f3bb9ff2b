/** Looks at Redis and at the machine, and says what will hurt. Changes nothing. */
import { resolve } from 'node:path';
import { Redis } from 'ioredis';
import { isLoopback } from '../config/loopback.js';
import type { Config } from '../config/settings.js';
import { RedisBinaryError } from '../embedded/binaries.js';
import { chooseServer } from '../embedded/choose-server.js';
import { embeddedSocket } from '../embedded/embedded.js';
import { EmbeddedRedisError } from '../embedded/embedded-error.js';
import { releaseText } from '../embedded/server-program.js';
import { isListening } from '../embedded/unix-socket.js';
import { addressOptions } from '../redis/control.js';
import { failureFromRedis } from '../redis/error-replies.js';
import { describeTarget, parseRedisUrl, type RedisTarget, unixTarget } from '../redis/target.js';
import { type Finding, runChecks } from './findings.js';
import { REDIS_CHECKS } from './redis-checks.js';
import { readRedisFacts } from './redis-facts.js';
import { SYSTEM_CHECKS } from './system-checks.js';
import { readSystemFacts } from './system-facts.js';

const ANSWER_MS = 5000;
const NOT_LOGGED_IN = /^(NOAUTH|WRONGPASS)/;
/** @throws ConfigError where REDIS_URL is no address */
export async function examine(config: Config): Promise<Finding[]> {
  const target = config.REDIS_URL === undefined ? undefined : parseRedisUrl(config.REDIS_URL);
  const onRedis = target === undefined ? await examineEmbedded(config) : await examineRedis(target, config);
  const isHere = target === undefined || target.path !== undefined || isLoopback(target.host);
  return [...onRedis, ...runChecks(SYSTEM_CHECKS, await readSystemFacts(config, isHere))];
}

/** A server that runs is examined like any other; of one that does not, only its program is known. */
async function examineEmbedded(config: Config): Promise<Finding[]> {
  const socket = embeddedSocket(config.STREAMGATE_DATA_DIR);
  if (await isListening(socket)) return examineRedis(unixTarget(socket), config);
  return [{ check: 'reachable', ...(await examineProgram(resolve(config.STREAMGATE_DATA_DIR))) }];
}

async function examineProgram(folder: string): Promise<Omit<Finding, 'check'>> {
  try {
    const { path, release } = await chooseServer(folder);
    const named = release === undefined ? path : `${releaseText(release)} (${path})`;
    return {
      level: 'ok',
      message: `The embedded Redis is not running; ${named} will be used (run doctor again while the gateway runs).`,
    };
  } catch (error) {
    if (error instanceof RedisBinaryError) {
      return {
        level: 'problem',
        message: 'There is no redis-server to embed: run streamgate setup, or set REDIS_URL.',
      };
    }
    if (error instanceof EmbeddedRedisError) return { level: 'problem', message: error.message };
    throw error;
  }
}

async function examineRedis(target: RedisTarget, config: Config): Promise<Finding[]> {
  const where = describeTarget(target);
  const redis = connect(target);
  // What a failed connection says, and not only that it is closed.
  let cause: Error | undefined;
  redis.on('error', (error: Error) => {
    cause = error;
  });
  try {
    await redis.connect();
    await greet(redis);
    const facts = await readRedisFacts(redis, config, config.REDIS_URL === undefined);
    return [
      { check: 'reachable', level: 'ok', message: `Redis answers at ${where}.` },
      ...runChecks(REDIS_CHECKS, facts),
    ];
  } catch (error) {
    const { message } = cause ?? (error as Error);
    const reason = NOT_LOGGED_IN.test(message)
      ? failureFromRedis(message).message
      : message.replace(/\.$/, '');
    return [
      { check: 'reachable', level: 'problem', message: `Redis cannot be used at ${where}: ${reason}.` },
    ];
  } finally {
    redis.disconnect();
  }
}

/** @throws where Redis lets nobody in; that it cannot serve now is a finding like others */
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
