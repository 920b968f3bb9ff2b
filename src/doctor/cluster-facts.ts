/** What the nodes of a cluster say of it, and each master of itself. Nothing is changed by asking. */
import type { Redis } from 'ioredis';
import type { Config } from '../config/settings.js';
import type { RedisAddress } from '../redis/address.js';
import { nodeTarget } from '../redis/cluster/open-cluster.js';
import { readNodes } from '../redis/cluster/placement.js';
import { readSlots, type SlotsReply } from '../redis/cluster/slot-replies.js';
import { reachedBy } from '../redis/cluster/slot-table.js';
import type { RedisTarget } from '../redis/target.js';
import { type Asked, askServer } from './ask-server.js';
import { type RedisFacts, readRedisFacts } from './redis-facts.js';

/** One node's view of the cluster. */
export interface ClusterView {
  readonly masters: readonly MasterView[];
  /** `ok` or `fail`; undefined where it may not be asked. */
  readonly state: string | undefined;
}

export interface MasterView {
  /** As the cluster names it. */
  readonly address: RedisAddress;
  /** First and last slot of each range. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
  /** Where its replicas are that are well. */
  readonly replicaHosts: readonly string[];
}

/** What a master says of itself. */
export interface OwnFacts {
  readonly redis: RedisFacts;
  /** Slots that are on their way to it or from it, as `[7->-ID]`. */
  readonly moving: readonly string[];
}

export interface MasterFacts extends MasterView {
  readonly own: Asked<OwnFacts>;
}

export interface ClusterFacts {
  readonly masters: readonly MasterFacts[];
  readonly state: string | undefined;
}

export async function readClusterView(redis: Redis, asked: RedisAddress): Promise<ClusterView> {
  const slots = (await redis.call('CLUSTER', 'SLOTS')) as SlotsReply;
  const info = (await redis.call('CLUSTER', 'INFO').catch(() => '')) as string;
  const masters = readSlots(slots, asked).map(({ ids, address, ranges }) => {
    const row = slots.find(([, , master]) => master?.[2] === ids[0])!;
    const [, , , ...replicas] = row;
    const replicaHosts = replicas.map(([host]) => (host === null || host === '' ? asked.host : host));
    return { address, ranges, replicaHosts };
  });
  return { masters, state: /^cluster_state:(\w+)/m.exec(info)?.[1] };
}

/** Asks each master. */
export async function readClusterFacts(
  target: RedisTarget,
  { masters, state }: ClusterView,
  config: Config,
): Promise<ClusterFacts> {
  const asked = masters.map(async (master) => ({
    ...master,
    own: await askServer(
      nodeTarget(target, reachedBy(config.REDIS_NAT_MAP, master.address)),
      async (redis) => ({
        redis: await readRedisFacts(redis, config, false),
        moving: await readMoving(redis),
      }),
    ),
  }));
  return { masters: await Promise.all(asked), state };
}

async function readMoving(redis: Redis): Promise<string[]> {
  const nodes = await redis.call('CLUSTER', 'NODES').catch(() => undefined);
  if (nodes === undefined) return [];
  return readNodes(nodes as string)
    .own.split(' ')
    .filter((slot) => slot.startsWith('['));
}
