/** Opens reads of single keys, at one server or at the shards of a cluster. */
import { type KeyReads, ServerReads } from '../key-reads.js';
import type { RedisTarget } from '../target.js';
import { ShardedReads } from './sharded-reads.js';
import { type SharedSlots, SlotTable } from './slot-table.js';

/**
 * @param cluster the slot table where `target` is a cluster
 * @param role what CLIENT LIST shows of the connections behind `streamgate-`
 */
export function openKeyReads(target: RedisTarget, cluster: SharedSlots | undefined, role: string): KeyReads {
  return cluster === undefined
    ? new ServerReads(target, role)
    : new ShardedReads(target, SlotTable.of(cluster), role);
}
