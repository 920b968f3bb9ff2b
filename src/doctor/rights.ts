/**
 * Whether the gateway's user may do in Redis what the gateway does.
 *
 * ACL DRYRUN tells of any command, but is itself for administrators and unknown before Redis 7.0. Where it
 * is not to be had, commands that change nothing are tried instead: of a key that does not exist, or not at all.
 */
import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { allowsFlush } from '../config/finished-defaults.js';
import type { Config } from '../config/settings.js';
import { DEFAULT_DEVICE } from '../protocol/parameters.js';
import {
  DEVICE_CONNECTED_EVENT,
  DEVICES_SEEN,
  deviceMetaKey,
  streamKey,
  streamMetaKey,
} from '../redis/keys.js';

/** A command that the gateway sends, and what it cannot do without. */
export interface NeededRight {
  readonly command: readonly string[];
  readonly use: string;
  /** Changes nothing, so that it can be tried. */
  readonly isHarmless: boolean;
  /** All else works without it. */
  readonly isOptional: boolean;
}

/** A stream and a device that nobody has. */
const NAME = `streamgate-doctor-${randomUUID()}`;
/** The last id that there can be. */
const NO_CLIENT = '9223372036854775807';
/** What Redis says to one who may not, and where a command was renamed. */
const REFUSED = /^(NOPERM|ERR unknown (sub)?command)/i;

function rightsNeeded(config: Config, isCluster: boolean): NeededRight[] {
  const stream = streamKey(DEFAULT_DEVICE, '', NAME, !config.DISABLE_MULTI_DEVICE_PREFIXING);
  const meta = streamMetaKey(stream);
  const right = (isHarmless: boolean, isOptional: boolean) => {
    return (use: string, ...command: string[]): NeededRight => ({ command, use, isHarmless, isOptional });
  };
  const harmless = right(true, false);
  const changing = right(false, false);
  const optional = right(true, true);
  return [
    harmless('to connect', 'PING'),
    harmless('to store entries', 'XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', '1', '*', 'd', ''),
    harmless('to follow streams', 'XREAD', 'COUNT', '1', 'STREAMS', stream, '0'),
    harmless('to read entries', 'XRANGE', stream, '-', '+', 'COUNT', '1'),
    harmless('to read the newest entry', 'XREVRANGE', stream, '+', '-', 'COUNT', '1'),
    harmless('to notice trimming', 'XLEN', stream),
    harmless('to describe streams', 'XINFO', 'STREAM', stream),
    harmless('to find where a stream ends', 'EVAL', "return redis.call('EXISTS', KEYS[1])", '1', stream),
    harmless('to tell readers of new streams', 'CLIENT', 'ID'),
    harmless('to tell readers of new streams', 'CLIENT', 'UNBLOCK', '0'),
    harmless('to list streams', 'SCAN', '0', 'COUNT', '1'),
    harmless('to read metadata', 'MGET', meta),
    changing('to keep metadata', 'SET', meta, '{}'),
    harmless('to list devices', 'SMEMBERS', DEVICES_SEEN),
    changing('to keep devices', 'SADD', DEVICES_SEEN, NAME),
    changing('to keep metadata of devices', 'SET', deviceMetaKey(NAME), '{}'),
    changing('to tell of devices', 'XADD', DEVICE_CONNECTED_EVENT, 'MAXLEN', '~', '1000', '*', 'd', '{}'),
    optional('to find out what became of entries when a connection is lost', 'CLIENT', 'INFO'),
    optional(
      'to find out what became of entries when a connection is lost',
      'CLIENT',
      'LIST',
      'ID',
      NO_CLIENT,
    ),
    optional(
      'to find out what became of entries when a connection is lost',
      'CLIENT',
      'KILL',
      'ID',
      NO_CLIENT,
    ),
    optional('to find out what became of entries when a connection is lost', 'TIME'),
    optional(
      'to follow many streams at little cost, and to give followers here at once what is pushed here',
      'CLIENT',
      'TRACKING',
      'OFF',
    ),
    ...(isCluster ? clusterRights(right) : TRANSACTION_RIGHTS),
    optional('for min_replicas', 'WAIT', '0', '1'),
    ...(allowsFlush(config) ? [changing('for the flush mutation', 'FLUSHDB')] : []),
  ];
}

const TRANSACTION_RIGHTS: readonly NeededRight[] = ['MULTI', 'EXEC'].map((command) => {
  const use = 'to give followers here at once what is pushed here';
  return { command: [command], use, isHarmless: false, isOptional: true };
});

/** What a cluster needs besides. */
function clusterRights(
  right: (isHarmless: boolean, isOptional: boolean) => (use: string, ...command: string[]) => NeededRight,
): NeededRight[] {
  const harmless = right(true, false);
  const optional = right(true, true);
  return [
    harmless('to find the masters', 'CLUSTER', 'SLOTS'),
    harmless('to notice a failover', 'ROLE'),
    harmless('to follow keys while slots move', 'ASKING'),
    harmless('to keep devices', 'SISMEMBER', DEVICES_SEEN, NAME),
    right(false, false)('to keep devices', 'SREM', DEVICES_SEEN, NAME),
    harmless('to keep devices', 'TYPE', DEVICES_SEEN),
    optional('to follow keys while slots move', 'SCRIPT', 'LOAD', 'return 0'),
    optional('to find masters without slots', 'CLUSTER', 'SHARDS'),
    optional('to tell which node knows of the latest change', 'CLUSTER', 'INFO'),
    optional('to list all streams while slots move', 'CLUSTER', 'NODES'),
  ];
}

/** Of what the gateway needs, what Redis refuses it. */
export async function refusedRights(
  redis: Redis,
  config: Config,
  isCluster: boolean,
): Promise<NeededRight[]> {
  const user = await redis.acl('WHOAMI').catch(() => 'default');
  const refused: NeededRight[] = [];
  for (const right of rightsNeeded(config, isCluster)) {
    if (!(await isAllowed(redis, user as string, right))) refused.push(right);
  }
  return refused;
}

async function isAllowed(redis: Redis, user: string, { command, isHarmless }: NeededRight): Promise<boolean> {
  try {
    return (await redis.call('ACL', 'DRYRUN', user, ...command)) === 'OK';
  } catch {
    if (!isHarmless) return true;
  }
  const [name, ...args] = command;
  const error = await redis.call(name!, ...args).then(
    () => '',
    ({ message }: Error) => message,
  );
  return !REFUSED.test(error);
}
