/**
 * Follows streams of a Redis Cluster: one connection for each shard that has some of them.
 *
 * A stream is read where the slot table says, or where a node has sent it; it goes over with its cursor, so that nothing
 * comes twice and nothing is left out. What a node that does not have a stream says of it is no news of the stream.
 */
import type { Redirect } from '../src/redis/cluster/redirect.js';
import { slotOf } from '../src/redis/cluster/slot.js';
import { NO_SHARD, type SharedSlots, SlotTable } from '../src/redis/cluster/slot-table.js';
import type { RedisTarget } from '../src/redis/target.js';
import { ClusterConnections } from './cluster-connections.js';
import type { FollowCommand } from './messages.js';
import { StreamReader } from './stream-reader.js';
import type { Post, ThreadReader } from './thread-reader.js';
import type { Underway } from './underway.js';

/** How often the slot table is looked at. */
const LOOK_MS = 250;
/** Nothing tells of a slot that stays where it was after all, so streams that were on their way are read again so often. */
const REVIEW_MS = 1000;
/** So many redirects of a stream are followed within so much time: nodes may send it to and fro. */
const MAX_REDIRECTS = 5;
const REDIRECTS_MS = 1000;

/** A shard that has some of the streams. */
interface Shard {
  readonly reader: StreamReader;
  /** Where it is, as the connection has it. */
  address: string;
}

/** A stream, and where it is read. */
interface Home {
  readonly key: string;
  readonly slot: number;
  shard: number;
  /** The shard that has the slot still, where it is on the way to `shard`. */
  from: number | undefined;
  redirects: number;
  redirectedAt: number;
  /** What is to be followed once it is known who has the slot. */
  waiting: FollowCommand | undefined;
  isWanted: boolean;
}

export class ClusterReader implements ThreadReader {
  readonly #target: RedisTarget;
  readonly #table: SlotTable;
  readonly #underway: Underway;
  readonly #post: Post;
  readonly #connections: ClusterConnections;
  readonly #shards = new Map<number, Shard>();
  readonly #homes = new Map<string, Home>();
  #timer: NodeJS.Timeout | undefined;
  /** The version of the table by which the streams are read; 0 where some are not yet. */
  #seen = 0;
  #reviewedAt = 0;

  /** @param target how to log in to the nodes */
  constructor(target: RedisTarget, cluster: SharedSlots, underway: Underway, post: Post) {
    this.#target = target;
    this.#table = SlotTable.of(cluster);
    this.#underway = underway;
    this.#post = post;
    this.#connections = new ClusterConnections(post);
  }

  start(): void {
    this.#connections.start();
  }

  follow(command: FollowCommand): void {
    const { key } = command;
    this.unfollow(key);
    const slot = slotOf(key);
    const home: Home = {
      key,
      slot,
      shard: NO_SHARD,
      from: undefined,
      redirects: 0,
      redirectedAt: 0,
      waiting: command,
      isWanted: false,
    };
    this.#homes.set(key, home);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    this.#settle(home);
    if (home.shard === NO_SHARD) this.#table.wish();
  }

  unfollow(key: string): void {
    const home = this.#homes.get(key);
    if (home === undefined) return;
    this.#homes.delete(key);
    this.#readerOf(home)?.unfollow(key);
  }

  count(key: string, isCounted: boolean): void {
    const home = this.#homes.get(key);
    if (home?.waiting !== undefined) home.waiting = { ...home.waiting, isCounted };
    else if (home !== undefined) this.#readerOf(home)?.count(key, isCounted);
  }

  check(key: string): void {
    const home = this.#homes.get(key);
    const reader = home && this.#readerOf(home);
    if (reader !== undefined) reader.check(key);
    else if (home !== undefined) home.isWanted = true;
    else this.#post({ type: 'checked', key });
  }

  readOn(): void {
    for (const { reader } of this.#shards.values()) reader.readOn();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const shard of [...this.#shards.keys()]) this.#closeShard(shard);
  }

  #readerOf({ shard }: Home): StreamReader | undefined {
    return this.#shards.get(shard)?.reader;
  }

  #look(): void {
    const { version } = this.#table;
    // Main is writing it while it is odd.
    if (version !== this.#seen && version % 2 === 0) this.#changed(version);
    const now = performance.now();
    if (now - this.#reviewedAt >= REVIEW_MS) {
      this.#reviewedAt = now;
      for (const home of this.#homes.values()) {
        if (home.from !== undefined) this.#readerOf(home)?.review(home.key);
      }
    }
    for (const [shard, { reader }] of this.#shards) if (reader.size === 0) this.#closeShard(shard);
    if (this.#homes.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Shards are elsewhere, or have other slots. */
  #changed(version: number): void {
    this.#seen = version;
    for (const [number, shard] of this.#shards) {
      const address = this.#table.placeOf(number);
      if (address === '' || address === shard.address) continue;
      shard.address = address;
      shard.reader.renew(new Error('the shard has another master now'));
    }
    for (const home of this.#homes.values()) this.#settle(home);
  }

  /** Has the stream read where the table says. */
  #settle(home: Home): void {
    const owner = this.#table.shardOf(home.slot);
    if (owner === NO_SHARD) return;
    if (owner === home.shard) {
      if (home.from !== undefined) this.#readerOf(home)?.arrived(home.key);
      home.from = undefined;
      return;
    }
    // Its slot is on the way still.
    if (home.from === owner) return;
    if (home.waiting !== undefined) this.#begin(home, home.waiting, owner);
    // It is tried again with the next look.
    else if (!this.#move(home, owner, undefined)) this.#seen = 0;
  }

  #begin(home: Home, command: FollowCommand, shard: number): void {
    home.shard = shard;
    home.waiting = undefined;
    const { reader } = this.#open(shard);
    reader.follow(command);
    if (home.isWanted) reader.check(home.key);
  }

  /** @param from the shard that has the slot still @returns whether the stream is read there now */
  #move(home: Home, to: number, from: number | undefined): boolean {
    const moving = this.#readerOf(home)?.leave(home.key);
    if (moving === undefined) return false;
    home.shard = to;
    home.from = from;
    this.#open(to).reader.adopt(moving, from !== undefined);
    return true;
  }

  /** @returns whether the stream is read elsewhere now; otherwise it is to be asked for again a little later */
  #redirected(shard: number, key: string, redirect: Redirect): boolean {
    const home = this.#homes.get(key);
    if (home === undefined || home.shard !== shard) return false;
    const to = this.#table.shardOfRedirect(redirect, shard);
    const isAsk = redirect.kind === 'ask';
    if (!isAsk || to === undefined) this.#table.wish();
    if (to === undefined) return false;
    if (to === shard) {
      // The shard has another master, which the connection is not to.
      if (!isAsk)
        this.#shards.get(shard)?.reader.renew(new Error('the server is not the master of its shard'));
      return false;
    }
    return this.#mayFollow(home) && this.#move(home, to, isAsk ? shard : undefined);
  }

  /** The target of a move does not have the key: it was deleted, or has gone back. */
  #missing(key: string): void {
    const home = this.#homes.get(key);
    if (home?.from !== undefined && this.#mayFollow(home)) this.#move(home, home.from, undefined);
  }

  #mayFollow(home: Home): boolean {
    const now = performance.now();
    if (now - home.redirectedAt > REDIRECTS_MS) {
      home.redirectedAt = now;
      home.redirects = 0;
    }
    home.redirects++;
    return home.redirects <= MAX_REDIRECTS;
  }

  #open(number: number): Shard {
    const shard = this.#shards.get(number);
    if (shard !== undefined) return shard;
    const target = { ...this.#target, shard: { table: this.#table, number } };
    const reader = new StreamReader(target, this.#underway, {
      post: (event, transfer) => {
        // The key cannot be read at all.
        if (event.type === 'evicted') this.#homes.delete(event.key);
        this.#post(event, transfer);
      },
      connected: () => {
        opened.address = this.#table.placeOf(number);
        this.#connections.connected(number);
      },
      disconnected: (cause) => this.#connections.lost(number, cause),
      redirected: (key, redirect) => this.#redirected(number, key, redirect),
      missing: (key) => this.#missing(key),
    });
    const opened: Shard = { reader, address: this.#table.placeOf(number) };
    this.#shards.set(number, opened);
    reader.start();
    return opened;
  }

  #closeShard(number: number): void {
    this.#shards.get(number)?.reader.close();
    this.#shards.delete(number);
    this.#connections.closed(number);
  }
}
