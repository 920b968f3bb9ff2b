/** What is not hot, at the nodes of a cluster. */
import type { Redis } from 'ioredis';
import { describeAddress } from '../address.js';
import type { Control, ControlFigures } from '../control.js';
import { loadScripts } from '../scripts.js';
import { followRedirects, notServed, type ShardAnswer } from './follow-redirects.js';
import { readPlacement } from './placement.js';
import { readNotServed } from './redirect.js';
import { slotOf } from './slot.js';
import type { Topology } from './topology.js';

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

  of<T>(key: string, call: (redis: Redis) => Promise<T>): Promise<T> {
    return followRedirects(this.#topology.table, key, (shard, asks, until) =>
      this.#call(shard, asks, call, until),
    );
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
  ): Promise<ShardAnswer<T>> {
    const { table, nodes } = this.#topology;
    const address = table.addressOf(shard);
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
      const elsewhere = name === 'ReplyError' ? readNotServed(message) : undefined;
      if (elsewhere !== undefined) return elsewhere;
      throw error;
    }
  }
}

const isConnected = ({ status }: Redis) => status === 'ready';
