/** What Redis says of itself, and how far away it is. Nothing is changed by asking. */
import type { Redis } from 'ioredis';
import type { Config } from '../config/settings.js';
import { readSettings } from '../embedded/server-settings.js';
import { type NeededRight, refusedRights } from './rights.js';

export interface RedisFacts {
  /** INFO: every field of every section. */
  readonly info: ReadonlyMap<string, string>;
  /** CONFIG GET; empty where that is not allowed. */
  readonly settings: ReadonlyMap<string, string>;
  /** Ms until a PING is answered: the median of some. */
  readonly pingMs: number;
  /** Ms by which Redis' clock is ahead of ours. */
  readonly skewMs: number;
  /** What the gateway needs and its user may not do. */
  readonly refused: readonly NeededRight[];
  /** The gateway's own, which it starts with settings that it knows. */
  readonly isEmbedded: boolean;
  readonly config: Config;
}

const PINGS = 21;
const SETTINGS = [
  'appendfsync',
  'appendonly',
  'client-output-buffer-limit',
  'cluster-node-timeout',
  'cluster-require-full-coverage',
  'maxclients',
  'maxmemory',
  'maxmemory-policy',
  'min-replicas-to-write',
  'proto-max-bulk-len',
  'save',
  'stop-writes-on-bgsave-error',
  'timeout',
  'tracking-table-max-keys',
];

export async function readRedisFacts(redis: Redis, config: Config, isEmbedded: boolean): Promise<RedisFacts> {
  const { pingMs, skewMs } = await readClock(redis);
  const info = parseInfo(await redis.info().catch(() => ''));
  return {
    info,
    settings: await readSettings(redis, SETTINGS),
    pingMs,
    skewMs,
    refused: await refusedRights(redis, config, isClusterNode(info)),
    isEmbedded,
    config,
  };
}

export const isClusterNode = (info: RedisFacts['info']) => info.get('cluster_enabled') === '1';

/** `name:value` a line, under headings that begin with `#`. */
export function parseInfo(text: string): Map<string, string> {
  return new Map(
    text
      .split('\r\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1)] as const;
      }),
  );
}

/** A refusal is an answer too, and what is wrong is found elsewhere. */
function isAnswer(error: Error): void {
  if (error.name !== 'ReplyError') throw error;
}

/** The fastest of some TIMEs says most of the clocks, since the way there and back is in it. */
async function readClock(redis: Redis): Promise<{ pingMs: number; skewMs: number }> {
  const pings: number[] = [];
  let best = { ms: Number.POSITIVE_INFINITY, skewMs: 0 };
  for (let ping = 0; ping < PINGS; ping++) {
    const begun = performance.now();
    await redis.ping().catch(isAnswer);
    pings.push(performance.now() - begun);
    const asked = Date.now();
    const clock = await redis.time().catch(() => undefined);
    const answered = Date.now();
    if (clock === undefined || answered - asked >= best.ms) continue;
    const theirs = Number(clock[0]) * 1000 + Number(clock[1]) / 1000;
    best = { ms: answered - asked, skewMs: theirs - (asked + answered) / 2 };
  }
  pings.sort((a, b) => a - b);
  return { pingMs: pings[PINGS >> 1]!, skewMs: best.skewMs };
}
