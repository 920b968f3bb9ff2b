/** Reads of keys that are spread over the shards of a cluster: one connection to each master that is asked. */
import { IsolatingReads } from '../isolating-reads.js';
import type { KeyReads } from '../key-reads.js';
import { encodeCommand, type ReplyCursor } from '../resp.js';
import type { RedisTarget } from '../target.js';
import { followRedirects, type ShardAnswer } from './follow-redirects.js';
import { readNotServed } from './redirect.js';
import type { SlotTable } from './slot-table.js';

const ASKING = encodeCommand(['ASKING']);

/** How long a server that is not the master any more may take over its last answers. */
const LAST_ANSWERS_MS = 10_000;

/** Reads of a shard, and where its master was when they were opened. */
interface ShardReads {
  readonly reads: IsolatingReads;
  readonly at: string;
}

export class ShardedReads implements KeyReads {
  readonly takesManyKeys = false;
  readonly #target: RedisTarget;
  readonly #table: SlotTable;
  readonly #role: string;
  readonly #shards = new Map<number, ShardReads>();

  /** @param target how to log in to the nodes */
  constructor(target: RedisTarget, table: SlotTable, role: string) {
    this.#target = target;
    this.#table = table;
    this.#role = role;
  }

  send<T>(key: string, command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return followRedirects(this.#table, key, (shard, asks) => this.#ask(shard, asks, command, take));
  }

  flush(): void {
    for (const { reads } of this.#shards.values()) reads.flush();
  }

  close(): void {
    for (const { reads } of this.#shards.values()) reads.close();
  }

  async #ask<T>(
    shard: number,
    asks: boolean,
    command: Buffer,
    take: (reply: ReplyCursor) => T,
  ): Promise<ShardAnswer<T>> {
    const reads = this.#of(shard);
    // Both go out together. Should the connection be lost in between, the answer is another redirect.
    if (asks) reads.send(ASKING, () => undefined).catch(() => {});
    return reads.send(command, (reply) => {
      const error = reply.peekError();
      const elsewhere = error === undefined ? undefined : readNotServed(error);
      return elsewhere ?? { result: take(reply) };
    });
  }

  #of(shard: number): IsolatingReads {
    const at = this.#table.placeOf(shard);
    const known = this.#shards.get(shard);
    if (known?.at === at) return known.reads;
    // Another node is the master now. The old one still owes answers, which lead elsewhere.
    if (known !== undefined) setTimeout(() => known.reads.close(), LAST_ANSWERS_MS).unref();
    this.#forgetGone();
    const target = { ...this.#target, shard: { table: this.#table, number: shard } };
    const reads = new IsolatingReads(target, this.#role);
    this.#shards.set(shard, { reads, at });
    return reads;
  }

  /** Shards that have left the cluster. */
  #forgetGone(): void {
    for (const [shard, { reads }] of this.#shards) {
      if (this.#table.addressOf(shard) !== undefined) continue;
      reads.close();
      this.#shards.delete(shard);
    }
  }
}
