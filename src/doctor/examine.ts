/** Looks at Redis and at the machine, and says what will hurt. Changes nothing. */
import { resolve } from 'node:path';
import { isLoopback } from '../config/loopback.js';
import type { Config } from '../config/settings.js';
import { RedisBinaryError } from '../embedded/binaries.js';
import { chooseServer } from '../embedded/choose-server.js';
import { embeddedSocket } from '../embedded/embedded.js';
import { EmbeddedRedisError } from '../embedded/embedded-error.js';
import { releaseText } from '../embedded/server-program.js';
import { isListening } from '../embedded/unix-socket.js';
import { describeTarget, parseRedisUrl, type RedisTarget, unixTarget } from '../redis/target.js';
import { askServer } from './ask-server.js';
import { examineCluster } from './examine-cluster.js';
import { type Finding, runChecks } from './findings.js';
import { REDIS_CHECKS } from './redis-checks.js';
import { isClusterNode, readRedisFacts } from './redis-facts.js';
import { SYSTEM_CHECKS } from './system-checks.js';
import { readSystemFacts } from './system-facts.js';

/** @throws ConfigError where REDIS_URL is no address */
export async function examine(config: Config): Promise<Finding[]> {
  const target = config.REDIS_URL === undefined ? undefined : parseRedisUrl(config.REDIS_URL);
  const onRedis = target === undefined ? await examineEmbedded(config) : await examineRedis(target, config);
  const hosts = target?.cluster?.map(({ host }) => host) ?? [target?.host ?? ''];
  const isHere = target === undefined || target.path !== undefined || hosts.some(isLoopback);
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
  if (target.cluster !== undefined) return examineCluster(target, target.cluster, config);
  const where = describeTarget(target);
  const asked = await askServer(target, (redis) =>
    readRedisFacts(redis, config, config.REDIS_URL === undefined),
  );
  if ('reason' in asked) {
    return [
      { check: 'reachable', level: 'problem', message: `Redis cannot be used at ${where}: ${asked.reason}.` },
    ];
  }
  if (isClusterNode(asked.told.info)) return examineCluster(target, [target], config);
  return [
    { check: 'reachable', level: 'ok', message: `Redis answers at ${where}.` },
    ...runChecks(REDIS_CHECKS, asked.told),
  ];
}
