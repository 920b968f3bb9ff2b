/**
 * Where the keys of a cluster are, as its masters say it: whether keys have moved from one to another in the time between
 * two looks. A walk through all keys may miss one that does.
 */
import type { Redis } from 'ioredis';

export interface Placement {
  /** The same as at another look where each master has the slots that it had then. */
  readonly text: string;
  /** Some slot is on its way. */
  readonly isMoving: boolean;
  /** There are masters with slots besides those that were asked. */
  readonly hasOthers: boolean;
}

/** What a node says of its cluster. */
export interface NodeReport {
  readonly id: string;
  /** Its slots, and those that are on their way to it or from it. */
  readonly own: string;
  readonly isMoving: boolean;
  /** Ids of all nodes with slots. */
  readonly owners: readonly string[];
}

/** @param fallback what is told of the placement where no node may say it */
export async function readPlacement(masters: readonly Redis[], fallback: string): Promise<Placement> {
  const replies = await Promise.all(
    masters.map((redis) => (redis.call('CLUSTER', 'NODES') as Promise<string>).catch(() => undefined)),
  );
  const reports = replies.flatMap((reply) => (reply === undefined ? [] : [readNodes(reply)]));
  if (reports.length === 0) return { text: fallback, isMoving: false, hasOthers: false };
  const known = new Set(reports.map(({ id }) => id));
  const owners = new Set(reports.flatMap((report) => report.owners));
  const others = [...owners].filter((id) => !known.has(id)).length;
  return {
    text: reports.map(({ id, own }) => `${id} ${own}`).join('\n'),
    isMoving: reports.some(({ isMoving }) => isMoving),
    // Some were asked, and say nothing since they are away.
    hasOthers: others > masters.length - reports.length,
  };
}

/**
 * Reads CLUSTER NODES.
 * Source: https://redis.io/docs/latest/commands/cluster-nodes/
 */
export function readNodes(reply: string): NodeReport {
  const owners: string[] = [];
  let [id, own] = ['', ''];
  for (const line of reply.trim().split('\n')) {
    const [nodeId, , flags, , , , , , ...slots] = line.trim().split(' ');
    if (slots.some((slot) => !slot.startsWith('['))) owners.push(nodeId!);
    if (flags?.split(',').includes('myself')) [id, own] = [nodeId!, slots.join(' ')];
  }
  // A slot on its way is [77->-node] or [77-<-node].
  return { id, own, isMoving: own.includes('['), owners };
}
