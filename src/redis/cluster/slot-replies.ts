/** What a node says of how its cluster is made up. */
import type { RedisAddress } from '../address.js';

/** A master and what it has. */
export interface NamedMaster {
  /** Its own and its replicas' ids; its own first. */
  readonly ids: readonly string[];
  readonly address: RedisAddress;
  /** First and last slot of each range. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

type SlotNode = readonly [host: string | null, port: number, id: string, ...rest: unknown[]];
export type SlotsReply = readonly (readonly [first: number, last: number, ...nodes: SlotNode[]])[];
/** Names and values in turn; some servers and protocols have other values than these. */
export type ShardsReply = readonly (readonly unknown[])[];

/** A node that says so of itself has no name that it may tell; of another it does not know the name. */
const NO_HOST = new Set(['', null, undefined]);
const UNKNOWN_HOST = '?';

/**
 * Reads CLUSTER SLOTS: masters with slots.
 * Source: https://redis.io/docs/latest/commands/cluster-slots/
 * @param asked where the node is that answered
 */
export function readSlots(reply: SlotsReply, asked: RedisAddress): NamedMaster[] {
  const masters = new Map<string, NamedMaster & { ranges: (readonly [number, number])[] }>();
  for (const [first, last, master, ...replicas] of reply) {
    const address = master && addressOf(master[0], master[1], asked);
    if (master === undefined || address === undefined) continue;
    const known = masters.get(master[2]);
    if (known !== undefined) known.ranges.push([first, last]);
    else {
      const ids = [master, ...replicas].map(([, , id]) => id);
      masters.set(master[2], { ids, address, ranges: [[first, last]] });
    }
  }
  return [...masters.values()];
}

/**
 * Reads CLUSTER SHARDS, of which only masters without slots are taken: slots may be on their way to them.
 * Source: https://redis.io/docs/latest/commands/cluster-shards/
 */
export function readEmptyMasters(reply: ShardsReply, asked: RedisAddress): NamedMaster[] {
  return reply.flatMap((shard) => {
    const { slots, nodes } = fieldsOf(shard);
    if (!Array.isArray(slots) || slots.length > 0 || !Array.isArray(nodes)) return [];
    const all = nodes.map((node: readonly unknown[]) => fieldsOf(node));
    const master = all.find(({ role, health }) => role === 'master' && health === 'online');
    const port = Number(master?.['tls-port'] ?? master?.port);
    const address = master && addressOf(master.endpoint as string | null, port, asked);
    return address === undefined ? [] : [{ ids: [String(master!.id)], address, ranges: [] }];
  });
}

function fieldsOf(flat: readonly unknown[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (let at = 0; at + 1 < flat.length; at += 2) fields[String(flat[at])] = flat[at + 1];
  return fields;
}

function addressOf(
  host: string | null | undefined,
  port: number,
  asked: RedisAddress,
): RedisAddress | undefined {
  if (host === UNKNOWN_HOST || !(port > 0)) return undefined;
  return { host: NO_HOST.has(host) ? asked.host : host!, port };
}
