/**
 * Reads of keys that are spread over the shards of a cluster: one connection to each master that is asked.
 *
 * A read goes where the table says, and on to where it is sent from there. While a slot has no master, or the cluster
 * changes, it waits a little.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../../protocol/errors.js';
import { describeAddress, type RedisAddress } from '../address.js';
import { IsolatingReads } from '../isolating-reads.js';
import type { KeyReads } from '../key-reads.js';
import { encodeCommand, type ReplyCursor } from '../resp.js';
import type { RedisTarget } from '../target.js';
import { isPassing, type Redirect, readRedirect } from './redirect.js';
import { slotOf } from './slot.js';
import { NO_SHARD, type SlotTable } from './slot-table.js';

/** How long a read may be sent on and wait in all. */
const PATIENCE_MS = 2000;
/** How long it waits where nobody serves the slot now. */
const AGAIN_MS = 50;
/** So many redirects are followed at once; further ones wait. */
const MAX_REDIRECTS = 5;
const ASKING = encodeCommand(['ASKING']);

/** How long a server that is not the master any more may take over its last answers. */
const LAST_ANSWERS_MS = 10_000;

/** Reads of a shard, and where its master was when they were opened. */
interface ShardReads {
  readonly reads: IsolatingReads;
  readonly at: string;
}

/** The server does not serve the key now. */
type NotServed = Redirect | 'passing';

export const notServed = () =>
  new Failure('redis_unavailable', 'the Redis Cluster does not serve this stream now');

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

  async send<T>(key: string, command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    const slot = slotOf(key);
    const until = performance.now() + PATIENCE_MS;
    let shard = this.#table.shardOf(slot);
    let asks = false;
    for (let redirects = 0; ; redirects++) {
      const answer: NotServed | { readonly taken: T } =
        shard === NO_SHARD ? 'passing' : await this.#ask(shard, asks, command, take);
      if (typeof answer === 'object' && 'taken' in answer) return answer.taken;
      if (performance.now() > until) throw notServed();
      const next: number | undefined =
        answer === 'passing' ? undefined : this.#table.shardOfRedirect(answer, shard);
      this.#table.wish();
      asks = next !== undefined && answer !== 'passing' && answer.kind === 'ask';
      if (next === undefined || redirects >= MAX_REDIRECTS) await delay(AGAIN_MS);
      shard = next ?? this.#table.shardOf(slot);
    }
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
  ): Promise<NotServed | { readonly taken: T }> {
    const reads = this.#of(shard);
    // Both go out together. Should the connection be lost in between, the answer is another redirect.
    if (asks) reads.send(ASKING, () => undefined).catch(() => {});
    return reads.send(command, (reply) => {
      if (reply.isError) {
        const { position } = reply;
        const error = reply.text();
        const redirect = readRedirect(error);
        if (redirect !== undefined) return redirect;
        if (isPassing(error)) return 'passing';
        reply.moveTo(position);
      }
      return { taken: take(reply) };
    });
  }

  #of(shard: number): IsolatingReads {
    const at = placeOf(this.#table.addressOf(shard));
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

const placeOf = (address: RedisAddress | undefined) =>
  address === undefined ? '' : describeAddress(address);
