/**
 * Knows how a cluster is made up, and keeps the slot table so: asks some of its nodes now and then, and at once where
 * somebody was sent elsewhere or has lost a node.
 *
 * Several nodes are asked, and the one that knows of the latest change is believed: one that is cut off from the others
 * goes on telling what was.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Logger } from '../../system/logger.js';
import { describeAddress, type RedisAddress } from '../address.js';
import { ClusterNodes } from './cluster-nodes.js';
import { ShardNumbers } from './shard-numbers.js';
import {
  type NamedMaster,
  readEmptyMasters,
  readSlots,
  type ShardsReply,
  type SlotsReply,
} from './slot-replies.js';
import { type NatMap, SlotTable } from './slot-table.js';

/** How often the nodes are asked though nobody wishes for it. */
const AGAIN_MS = 5000;
/** Between two times that they are asked, at least; several gateways are not to ask in step. */
const LEAST_MS = 100;
const JITTER_MS = 50;
/** How many are asked at a time. */
const ASKED_NODES = 3;
/** How long they may take, connecting included, and how long the others may take once one has answered. */
const ANSWER_MS = 1000;
const OTHERS_MS = 200;

interface View {
  readonly masters: readonly NamedMaster[];
  /** Rises with each failover and each slot that has moved. */
  readonly epoch: number;
}

export interface TopologyOptions {
  readonly seeds: readonly RedisAddress[];
  readonly natMap: NatMap;
  readonly logger: Logger;
  /** A client for a node, which connects again by itself. */
  connect(address: RedisAddress): Redis;
  /** A node that is spoken to is connected. */
  nodeReady(): void;
}

export class Topology {
  readonly table: SlotTable;
  readonly nodes: ClusterNodes;
  readonly #options: TopologyOptions;
  readonly #numbers = new ShardNumbers();
  #told = '';
  #text = '';
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the last time somebody answered. */
  #isAnswered = false;
  /** Who waits for the next time. */
  #waiting: (() => void)[] = [];
  /** How often nodes were asked. */
  refreshes = 0;
  /** Called after the table has changed. */
  onChange: () => void = () => {};

  constructor(options: TopologyOptions) {
    this.#options = options;
    this.table = new SlotTable(options.natMap);
    this.nodes = new ClusterNodes(options.connect, () => {
      if (!this.#isAnswered) this.table.wish();
      options.nodeReady();
    });
  }

  /** Resolves after the first attempt, with the masters connected that can be soon; goes on by itself then. */
  async start(): Promise<void> {
    const seen = this.table.wishes;
    await this.#refresh();
    const masters = this.table.shards.map((shard) => this.table.addressOf(shard)!);
    await Promise.allSettled(masters.map((address) => this.nodes.connected(address, ANSWER_MS)));
    void this.#goOn(seen);
  }

  /** Resolves once nodes have been asked that were not asked yet when this was called. */
  refreshed(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.table.wish();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
    clearTimeout(this.#timer);
    this.table.wake();
    this.nodes.close();
  }

  /** @param seen the wishes that there were when nodes were asked last */
  async #goOn(seen: number): Promise<void> {
    for (;;) {
      await this.#pause(LEAST_MS + Math.random() * JITTER_MS);
      if (this.table.wishes === seen) await this.#wishOr(AGAIN_MS, seen);
      if (this.#isClosed) return;
      const waiting = this.#waiting.splice(0);
      seen = this.table.wishes;
      await this.#refresh();
      for (const resolve of waiting) resolve();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, ms);
      this.#timer.unref();
    });
  }

  async #wishOr(ms: number, seen: number): Promise<void> {
    const timer = setTimeout(() => this.table.wake(), ms);
    timer.unref();
    await this.table.nextWish(seen);
    clearTimeout(timer);
  }

  async #refresh(): Promise<void> {
    this.refreshes++;
    this.#isAnswered = false;
    const candidates = this.#candidates();
    for (let from = 0; from < candidates.length && !this.#isClosed; from += ASKED_NODES) {
      const asked = candidates.slice(from, from + ASKED_NODES);
      const found = await answersInTime(asked.map((address) => this.#ask(address)));
      if (found.length === 0) continue;
      this.#isAnswered = true;
      const latest = found.reduce((best, view) => (view.epoch > best.epoch ? view : best));
      this.#take(latest);
      return;
    }
  }

  /** Masters that are known, in any order but that those come first that are connected, then those that the settings name. */
  #candidates(): RedisAddress[] {
    const known = this.table.shards.map((shard) => this.table.addressOf(shard)!);
    const shuffled = known
      .map((address) => ({ address, by: Math.random() + Number(this.nodes.of(address).status !== 'ready') }))
      .sort((a, b) => a.by - b.by);
    const all = [...shuffled.map(({ address }) => address), ...this.#options.seeds];
    return [...new Map(all.map((address) => [describeAddress(address), address])).values()];
  }

  /** @returns undefined where it does not say in time */
  async #ask(address: RedisAddress): Promise<View | undefined> {
    try {
      const client = await this.nodes.connected(address, ANSWER_MS);
      const [slots, shards, info] = await Promise.all([
        client.call('CLUSTER', 'SLOTS') as Promise<SlotsReply>,
        // Redis 6 does not know it, and a user may not be allowed it.
        (client.call('CLUSTER', 'SHARDS') as Promise<ShardsReply>).catch((): ShardsReply => []),
        (client.call('CLUSTER', 'INFO') as Promise<string>).catch(() => ''),
      ]);
      const masters = [...readSlots(slots, address), ...readEmptyMasters(shards, address)];
      const epoch = Number(/^cluster_current_epoch:(\d+)/m.exec(info)?.[1] ?? 0);
      return masters.length === 0 ? undefined : { masters, epoch };
    } catch (error) {
      const { message } = error as Error;
      this.#options.logger.debug({ err: message, node: describeAddress(address) }, 'a node says nothing');
      return undefined;
    }
  }

  #take({ masters }: View): void {
    const { shards, addresses } = this.#numbers.number(masters, (named) => this.table.reached(named));
    const there = addresses.filter((address) => address !== null);
    const text = JSON.stringify([masters, addresses]);
    if (text !== this.#text) {
      this.#text = text;
      this.table.write(shards, addresses);
      this.onChange();
    }
    // Each will be needed, and should be connected by then.
    for (const address of there) this.nodes.of(address);
    this.nodes.keep([...there, ...(there.length === 0 ? this.#options.seeds : [])]);
    const told = there.map(describeAddress).sort().join(', ');
    if (told === this.#told) return;
    this.#told = told;
    this.#options.logger.info({ masters: told }, `the Redis Cluster has ${there.length} masters`);
  }
}

/** Those that answer; once one has, the others are soon waited for no more. */
async function answersInTime<T>(asked: readonly Promise<T | undefined>[]): Promise<T[]> {
  const found: T[] = [];
  const takeAll = asked.map(async (answer) => {
    const one = await answer;
    if (one !== undefined) found.push(one);
    else await new Promise(() => {});
  });
  const pause = (ms: number) => delay(ms, undefined, { ref: false });
  const first = Promise.race(takeAll).then(() => pause(OTHERS_MS));
  await Promise.race([Promise.all(asked), first, pause(ANSWER_MS)]);
  return [...found];
}
