/** What is not hot, at the nodes of a cluster. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { describeAddress } from '../address.js';
import type { Control, ControlFigures } from '../control.js';
import { loadScripts } from '../scripts.js';
import { readPlacement } from './placement.js';
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
/** A key that moves during one walk through all keys is met by the next; slots may be on their way for hours. */
const MAX_ROUNDS = 3;

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
    return this.masters().some(isConnected);
  }

  get figures(): ControlFigures {
    const masters = this.masters();
    const connected = masters.filter(isConnected).length;
    const { refreshes, table } = this.#topology;
    return {
      nodes: { connected, away: masters.length - connected },
      refreshes,
      redirects: table.redirects,
    };
  }

  get away(): readonly string[] {
    const { table, nodes } = this.#topology;
    const addresses = table.shards.map((shard) => table.addressOf(shard)!);
    return addresses.filter((address) => !isConnected(nodes.of(address))).map(describeAddress);
  }

  serves(key: string): boolean {
    const { table, nodes } = this.#topology;
    const address = table.addressOf(table.shardOf(slotOf(key)));
    return address !== undefined && isConnected(nodes.of(address));
  }

  async of<T>(key: string, call: (redis: Redis) => Promise<T>): Promise<T> {
    const { table } = this.#topology;
    const slot = slotOf(key);
    const until = performance.now() + PATIENCE_MS;
    let shard = table.shardOf(slot);
    let asks = false;
    for (let redirects = 0; ; redirects++) {
      const answer: Redirect | 'passing' | { readonly result: T } = await this.#call(
        shard,
        asks,
        call,
        until,
      );
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

  partOf(redis: Redis): string {
    const { table, nodes } = this.#topology;
    const shard = table.shards.find((number) => nodes.of(table.addressOf(number)!) === redis);
    return shard === undefined ? 'a part of the slots' : `the slots ${table.rangesOf(shard).join(' ')}`;
  }

  async *rounds(): AsyncGenerator<readonly Redis[], void> {
    let before = await this.#placement();
    if (before.hasOthers) await this.#topology.refreshed();
    for (let round = 1; ; round++) {
      const masters = this.masters();
      if (masters.length === 0) throw notServed();
      yield masters;
      if (round === MAX_ROUNDS) return;
      const after = await this.#placement();
      const isCalm = [before, after].every(({ isMoving, hasOthers }) => !isMoving && !hasOthers);
      if (isCalm && after.text === before.text) return;
      if (after.hasOthers) await this.#topology.refreshed();
      before = after;
    }
  }

  onReady(listener: () => void): () => void {
    if (this.isReady) listener();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#topology.close();
  }

  /** Of masters that are away nothing is said, which holds nobody up. */
  #placement() {
    return readPlacement(this.masters(), String(this.#topology.table.version));
  }

  async #call<T>(
    shard: number,
    asks: boolean,
    call: (redis: Redis) => Promise<T>,
    until: number,
  ): Promise<Redirect | 'passing' | { readonly result: T }> {
    const { table, nodes } = this.#topology;
    const address = shard === NO_SHARD ? undefined : table.addressOf(shard);
    if (address === undefined) return 'passing';
    try {
      const redis = await nodes.connected(address, until - performance.now());
      if (asks) {
        await loadScripts(redis);
        // Both go out together.
        redis.call('ASKING').catch(() => {});
      }
      return { result: await call(redis) };
    } catch (error) {
      const { name, message } = error as Error;
      // It may be down, with another in its place.
      if (name !== 'ReplyError') table.wish();
      const redirect = name === 'ReplyError' ? readRedirect(message) : undefined;
      if (redirect !== undefined) return redirect;
      if (name === 'ReplyError' && isPassing(message)) return 'passing';
      throw error;
    }
  }
}

const isConnected = ({ status }: Redis) => status === 'ready';
