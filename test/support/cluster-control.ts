/** What main has of a cluster, for a test's own. */

import { type OpenCluster, openCluster } from '../../src/redis/cluster/open-cluster.js';
import type { NatMap } from '../../src/redis/cluster/slot-table.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import type { ClusterNode } from './cluster-node.js';
import type { TestCluster } from './redis-cluster.js';
import { until } from './until.js';

/** Resolves once all masters are connected. To be closed by its `control`. */
export async function openTestCluster(url: string, natMap: NatMap = {}): Promise<OpenCluster> {
  const open = await openCluster(parseRedisUrl(url), natMap, createLogger('silent'));
  await until(async () => {
    const { nodes } = open.control.figures;
    if (nodes.connected === 0 || nodes.away > 0) throw new Error(`masters are away: ${open.control.away}`);
  });
  return open;
}

export const slotIn = async ({ nodes }: TestCluster, key: string) =>
  Number(await nodes.find((node) => node.isLiving())!.inquirer.cluster('KEYSLOT', key));

/** The first of `{start}0`, `{start}1`, … that the node has. */
export async function keyAt(cluster: TestCluster, node: ClusterNode, start: string): Promise<string> {
  for (let number = 0; ; number++) {
    if ((await cluster.ownerOf(`${start}${number}`)) === node) return `${start}${number}`;
  }
}
