/** What is not hot, at the nodes of a cluster. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Control } from '../control.js';
import { loadScripts } from '../scripts.js';
import { isPassing, type Redirect, readRedirect } from './redirect.js';
import { notServed } from './sharded-reads.js';
import { slotOf } from './slot.js';
import { NO_SHARD } from './slot-table.js';
import type { Topology } from './topology.js';

/** How long a call may be sent on and wait in all. */
const PATIENCE_MS = 2000;
/** How long it waits where nobody serves the slot now. */
const AGAIN_MS = 50;
/** So many redirects are followed at once; further ones wait. */
const MAX_REDIRECTS = 5;

export class ClusterControl implements Control {
  readonly takesManyKeys = false;
  readonly #topology: Topology;
  readonly #listeners: Set<() => void>;

  /** @param listeners that `topology` calls when a node is connected */
  constructor(topology: Topology, listeners: Set<() => void>) {
    this.#topology = topology;
    this.#listeners = listeners;
  }

  get isReady(): boolean {
    return this.masters().some(({ status }) => status === 'ready');
  }

  async of<T>(key: string, call: (redis: Redis) => Promise<T>): Promise<T> {
    const { table } = this.#topology;
    const slot = slotOf(key);
    const until = performance.now() + PATIENCE_MS;
    let shard = table.shardOf(slot);
    let asks = false;
    for (let redirects = 0; ; redirects++) {
      const answer: Redirect | 'passing' | { readonly result: T } = await this.#call(shard, asks, call);
      if (typeof answer === 'object' && 'result' in answer) return answer.result;
      if (performance.now() > until) throw notServed();
      const next: number | undefined =
        answer === 'passing' ? undefined : table.shardOfRedirect(answer, shard);
      table.wish();
      asks = next !== undefined && answer !== 'passing' && answer.kind === 'ask';
      if (next === undefined || redirects >= MAX_REDIRECTS) await delay(AGAIN_MS);
      shard = next ?? table.shardOf(slot);
    }
  }

  masters(): readonly Redis[] {
    const { table, nodes } = this.#topology;
    return table.shards.map((shard) => nodes.of(table.addressOf(shard)!));
  }

  onReady(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#topology.close();
  }

  async #call<T>(
    shard: number,
    asks: boolean,
    call: (redis: Redis) => Promise<T>,
  ): Promise<Redirect | 'passing' | { readonly result: T }> {
    const { table, nodes } = this.#topology;
    const address = shard === NO_SHARD ? undefined : table.addressOf(shard);
    if (address === undefined) return 'passing';
    const redis = nodes.of(address);
    if (asks) await loadScripts(redis);
    try {
      // Both go out together.
      if (asks) redis.call('ASKING').catch(() => {});
      return { result: await call(redis) };
    } catch (error) {
      const { name, message } = error as Error;
      if (name !== 'ReplyError') throw error;
      const redirect = readRedirect(message);
      if (redirect !== undefined) return redirect;
      if (isPassing(message)) return 'passing';
      throw error;
    }
  }
}
