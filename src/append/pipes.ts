/**
 * The way of every entry into Redis: one pipe for all, and one for each number of replicas that producers
 * wait for, made when it is first asked for. In a cluster each is one pipe a shard. All share one bound.
 */
import type { SlotTable } from '../redis/cluster/slot-table.js';
import type { RedisTarget } from '../redis/target.js';
import { Histogram, LATENCY_BOUNDS } from '../system/histogram.js';
import type { Logger } from '../system/logger.js';
import type { Receipt } from './batch.js';
import type { AppendBudget } from './budget.js';
import type { AppendStream } from './command.js';
import { AppendPipe, type AppendPipeOptions } from './pipe.js';
import { ReplicatedPipe } from './replicated.js';
import { ShardedPipe } from './sharded.js';
import type { StreamFeed } from './stream-feed.js';
import type { AppendStreams } from './streams.js';

export interface AppendPipesOptions {
  readonly target: RedisTarget;
  /** Which shard has what, where the target is a cluster. */
  readonly cluster?: SlotTable | undefined;
  readonly logger: Logger;
  /** About how many entries every append leaves its stream. */
  readonly maxLength: number;
  readonly maxBufferedBytes: number;
  readonly maxOutageMs: number;
}

/** Where one producer's entries go, all of them, so that they stay in order. */
export interface EntryPipe {
  /** The streams that can be given to `append`. */
  readonly streams: AppendStreams;
  append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void;
}

/** What entries are written by. */
interface OwnPipes {
  /** One for each server. */
  readonly pipes: readonly AppendPipe[];
  idle(): Promise<void>;
  close(): void;
}

export class AppendPipes {
  readonly #options: AppendPipeOptions;
  readonly #budget: AppendBudget;
  readonly #feeds = new Map<string, StreamFeed>();
  readonly #cluster: SlotTable | undefined;
  /** By how many replicas its producers wait for. */
  readonly #pipes = new Map<number, EntryPipe & OwnPipes>();

  constructor({ maxBufferedBytes, cluster, ...options }: AppendPipesOptions) {
    this.#budget = { usedBytes: 0, maxBytes: maxBufferedBytes };
    this.#cluster = cluster;
    this.#options = { ...options, budget: this.#budget, feeds: this.#feeds };
    this.to(0);
  }

  /** @param minReplicas how many replicas must have an entry before it is told to be stored */
  to(minReplicas: number): EntryPipe {
    const known = this.#pipes.get(minReplicas);
    if (known !== undefined) return known;
    const pipe = this.#open(minReplicas);
    this.#pipes.set(minReplicas, pipe);
    return pipe;
  }

  #open(minReplicas: number): EntryPipe & OwnPipes {
    if (this.#cluster !== undefined) return new ShardedPipe(this.#options, this.#cluster, minReplicas);
    const pipe = new AppendPipe(this.#options);
    return minReplicas === 0 ? pipe : new ReplicatedPipe(pipe, minReplicas);
  }

  /** A cluster is made up in another way than before. */
  review(): void {
    for (const pipe of this.#pipes.values()) if (pipe instanceof ShardedPipe) pipe.review();
  }

  /** Gives each entry of the stream to `feed` as soon as it is stored, until this is called with undefined. */
  feed(key: string, feed: StreamFeed | undefined): void {
    if (feed === undefined) this.#feeds.delete(key);
    else this.#feeds.set(key, feed);
    for (const { streams } of this.#pipes.values()) streams.feedChanged(key);
  }

  /** Whether entries can be stored: in a cluster, those of a part of the streams at least. */
  get isReady(): boolean {
    return this.shards.ready > 0;
  }

  /** How many servers have a part of the streams, and how many of them take entries. */
  get shards(): { readonly ready: number; readonly of: number } {
    const { pipes } = this.#pipes.get(0)!;
    return { ready: pipes.filter(({ isReady }) => isReady).length, of: pipes.length };
  }

  /** Bytes of commands that Redis has not answered. */
  get bufferedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Seconds from receiving an entry to Redis' reply. */
  get latency(): Histogram {
    const all = this.#all.map(({ latency }) => latency);
    return Histogram.sum(all, LATENCY_BOUNDS);
  }

  /** Connections lost since the start. */
  get disconnects(): number {
    return this.#all.reduce((sum, { disconnects }) => sum + disconnects, 0);
  }

  /** Resolves once every entry taken so far is stored or given up. */
  async idle(): Promise<void> {
    await Promise.all([...this.#pipes.values()].map((pipe) => pipe.idle()));
  }

  /** Ends the connections; what still waits is given up. */
  close(): void {
    for (const pipe of this.#pipes.values()) pipe.close();
  }

  get #all(): AppendPipe[] {
    return [...this.#pipes.values()].flatMap(({ pipes }) => pipes);
  }
}
