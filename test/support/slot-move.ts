/**
 * Moves slots between the nodes of a test's cluster, key by key, as redis-cli does it.
 * Source: https://redis.io/docs/latest/commands/cluster-setslot/
 */
import type { ClusterNode } from './cluster-node.js';
import type { TestCluster } from './redis-cluster.js';

const KEYS_AT_ONCE = 100;
const MIGRATE_MS = 10_000;

/** A slot on its way. Keys that have left answer ASK at the old owner, those that have not MOVED at the new one. */
export interface SlotMove {
  readonly slot: number;
  readonly from: ClusterNode;
  readonly to: ClusterNode;
  /** Moves so many keys, or all, and says how many there were. */
  moveKeys(count?: number): Promise<number>;
  /** Makes the new node the owner. All keys must have been moved. */
  end(): Promise<void>;
  /** Leaves the slot with its owner. Keys that were moved stay at the other node, where none finds them. */
  abandon(): Promise<void>;
}

/** Both nodes know afterwards that the slot moves; no key has moved. */
export async function beginMove(cluster: TestCluster, slot: number, to: ClusterNode): Promise<SlotMove> {
  const from = await cluster.ownerOfSlot(slot);
  await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  return {
    slot,
    from,
    to,
    moveKeys: async (count = Number.POSITIVE_INFINITY) => {
      let moved = 0;
      while (moved < count) {
        const limit = Math.min(count - moved, KEYS_AT_ONCE);
        const keys = (await from.client.cluster('GETKEYSINSLOT', slot, limit)) as string[];
        if (keys.length === 0) break;
        await from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, MIGRATE_MS, 'KEYS', ...keys);
        moved += keys.length;
      }
      return moved;
    },
    end: async () => {
      // The new owner first: the slot would belong to nobody if the old one gave it away and then ended.
      const others = cluster.nodes.filter((node) => node !== from && node !== to && node.isLiving());
      for (const node of [to, from, ...others]) {
        const [role] = await node.inquirer.role();
        if (role === 'master') await node.client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
      }
    },
    abandon: async () => {
      for (const { client } of [from, to]) await client.call('CLUSTER', 'SETSLOT', slot, 'STABLE');
    },
  };
}

/** Moves a slot with all its keys. */
export async function moveSlot(cluster: TestCluster, slot: number, to: ClusterNode): Promise<void> {
  const move = await beginMove(cluster, slot, to);
  await move.moveKeys();
  await move.end();
}
