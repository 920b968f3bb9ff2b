/**
 * Gives each shard of a cluster a number that it keeps: a replica that becomes the master has the number of the master
 * before it. What was written to the old one, and has no answer, is looked for at the new one.
 */
import type { RedisAddress } from '../address.js';
import type { NamedMaster } from './slot-replies.js';
import { NO_SHARD, SLOTS } from './slot-table.js';

export interface Numbered {
  /** The shard of each slot. */
  readonly shards: Uint16Array;
  /** Of each shard's master; null for one that is gone. */
  readonly addresses: readonly (RedisAddress | null)[];
}

export class ShardNumbers {
  /** Of nodes, masters and replicas alike, by their ids. */
  #ofNode = new Map<string, number>();
  #masters: ReadonlySet<string> = new Set();
  /** The shard of each slot. */
  #shards: Uint16Array = new Uint16Array(SLOTS).fill(NO_SHARD);
  #next = 0;

  /** @param reached where a node is reached that is named so */
  number(masters: readonly NamedMaster[], reached: (named: RedisAddress) => RedisAddress): Numbered {
    const numbers = this.#assign(masters);
    const shards = new Uint16Array(SLOTS).fill(NO_SHARD);
    const addresses = new Array<RedisAddress | null>(this.#next).fill(null);
    masters.forEach(({ address, ranges }, index) => {
      addresses[numbers[index]!] = reached(address);
      for (const [first, last] of ranges) shards.fill(numbers[index]!, first, last + 1);
    });
    this.#shards = shards;
    return { shards, addresses };
  }

  #assign(masters: readonly NamedMaster[]): number[] {
    const before = this.#ofNode;
    const isTaken = new Set<number>();
    const numbers: (number | undefined)[] = masters.map(() => undefined);
    const take = (index: number, number: number | undefined) => {
      if (number === undefined || numbers[index] !== undefined || isTaken.has(number)) return;
      isTaken.add(number);
      numbers[index] = number;
    };
    // One that goes on as the master comes before a replica that has become another; and one that has slots before one
    // that has none, such as a master that has given them to its replica and is not known as the replica yet.
    const firsts = masters.map(({ ids: [id] }) => id!);
    const hasSlots = masters.map(({ ranges }) => ranges.length > 0);
    firsts.forEach((id, index) => {
      if (hasSlots[index] && this.#masters.has(id)) take(index, before.get(id));
    });
    firsts.forEach((id, index) => {
      if (hasSlots[index]) take(index, before.get(id));
    });
    firsts.forEach((id, index) => {
      take(index, before.get(id));
    });
    // The master may have been set up anew, while its replicas are known.
    masters.forEach(({ ids }, index) => {
      for (const id of ids) take(index, before.get(id));
    });
    // A replica that nobody has told of before it took over, with the slots of a master that is not there any more.
    masters.forEach(({ ranges: [range] }, index) => {
      const number = range === undefined ? NO_SHARD : this.#shards[range[0]];
      if (number !== NO_SHARD) take(index, number);
    });
    const assigned = numbers.map((number) => number ?? this.#next++);
    // Of nodes that are not named now, such as a master that is down, what was known is kept.
    const now = new Map(before);
    masters.forEach(({ ids }, index) => {
      for (const id of ids) now.set(id, assigned[index]!);
    });
    this.#ofNode = now;
    this.#masters = new Set(firsts);
    return assigned;
  }
}
