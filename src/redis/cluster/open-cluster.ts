/** Opens what main has of a cluster: the topology, which keeps the slot table, and the control connections. */
import type { Logger } from '../../system/logger.js';
import type { RedisAddress } from '../address.js';
import { connectControl } from '../control.js';
import type { RedisTarget } from '../target.js';
import { ClusterControl } from './cluster-control.js';
import type { NatMap } from './slot-table.js';
import { Topology } from './topology.js';

export interface OpenCluster {
  readonly topology: Topology;
  readonly control: ClusterControl;
}

/** @param target whose `cluster` names the nodes to begin with */
export async function openCluster(target: RedisTarget, natMap: NatMap, logger: Logger): Promise<OpenCluster> {
  const listeners = new Set<() => void>();
  const topology = new Topology({
    seeds: target.cluster ?? [],
    natMap,
    logger,
    connect: (address) => connectControl(nodeTarget(target, address), logger),
    nodeReady: () => {
      for (const listener of listeners) listener();
    },
  });
  await topology.start();
  return { topology, control: new ClusterControl(topology, listeners) };
}

/** One node of a cluster by itself. */
export const nodeTarget = (target: RedisTarget, { host, port }: RedisAddress): RedisTarget => ({
  ...target,
  cluster: undefined,
  host,
  port,
});
