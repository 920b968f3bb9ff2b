/** Finds out what REDIS_URL leads to, one server or a cluster, and connects to it what is not hot. */
import { ConfigError } from '../config/start-error.js';
import type { Logger } from '../system/logger.js';
import { isClusterEnabled } from './cluster/cluster-enabled.js';
import { openCluster } from './cluster/open-cluster.js';
import type { NatMap } from './cluster/slot-table.js';
import type { Topology } from './cluster/topology.js';
import { type Control, connectControl, ServerControl } from './control.js';
import { describeTarget, type RedisTarget } from './target.js';
import { whenConnected } from './when-connected.js';

/** How long a Redis that says nothing holds up the start. */
const FIRST_CONNECT_MS = 3000;

export interface OpenRedis {
  /** How to connect and log in. */
  readonly target: RedisTarget;
  readonly control: Control;
  /** How the cluster is made up; undefined where it is none. */
  readonly topology: Topology | undefined;
}

/**
 * Waits a little until Redis is reached: nobody should be refused only for having come early.
 *
 * A plain address may be the one endpoint of a managed cluster, which Redis itself says.
 * @throws ConfigError where the address is one of a cluster that it cannot have
 */
export async function openRedis(target: RedisTarget, natMap: NatMap, logger: Logger): Promise<OpenRedis> {
  if (target.cluster !== undefined) return openNodes(target, natMap, logger);
  const redis = connectControl(target, logger);
  await whenConnected(redis, FIRST_CONNECT_MS).catch(() => {});
  const isPlain = target.path === undefined && target.sentinel === undefined;
  // Where it is not told, or Redis is away, it is taken for a single server.
  if (isPlain && (await isClusterEnabled(redis))) {
    redis.disconnect();
    if (target.database !== 0) {
      throw new ConfigError(
        `REDIS_URL must not name the database ${target.database}: it leads to a cluster, which has number 0 only.`,
      );
    }
    logger.info(
      { redis: describeTarget(target) },
      'Redis is a node of a cluster, whose other nodes are used too',
    );
    return openNodes({ ...target, cluster: [{ host: target.host, port: target.port }] }, natMap, logger);
  }
  return { target, control: new ServerControl(redis), topology: undefined };
}

async function openNodes(target: RedisTarget, natMap: NatMap, logger: Logger): Promise<OpenRedis> {
  return { target, ...(await openCluster(target, natMap, logger)) };
}
