/**
 * The way of every entry into Redis: one pipe for all, and one for each number of replicas that producers
 * wait for, made when it is first asked for. All share one bound.
 */

import type { RedisTarget } from '../redis/target.js';
import { Histogram, LATENCY_BOUNDS } from '../system/histogram.js';
import type { Logger } from '../system/logger.js';
import type { Receipt } from './batch.js';
import type { AppendStream } from './command.js';
import { type AppendBudget, AppendPipe, type AppendPipeOptions } from './pipe.js';
import { ReplicatedPipe } from './replicated.js';
import type { StreamFeed } from './stream-feed.js';
import type { AppendStreams } from './streams.js';

export interface AppendPipesOptions {
  readonly target: RedisTarget;
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

export class AppendPipes {
  readonly #options: AppendPipeOptions;
  readonly #budget: AppendBudget;
  readonly #feeds = new Map<string, StreamFeed>();
  /** All pipes; the first is for those who wait for no replicas. */
  readonly #pipes: AppendPipe[];
  readonly #replicated = new Map<number, ReplicatedPipe>();

  constructor({ maxBufferedBytes, ...options }: AppendPipesOptions) {
    this.#budget = { usedBytes: 0, maxBytes: maxBufferedBytes };
    this.#options = { ...options, budget: this.#budget, feeds: this.#feeds };
    this.#pipes = [new AppendPipe(this.#options)];
  }

  /** @param minReplicas how many replicas must have an entry before it is told to be stored */
  to(minReplicas: number): EntryPipe {
    if (minReplicas === 0) return this.#pipes[0]!;
    let replicated = this.#replicated.get(minReplicas);
    if (replicated === undefined) {
      const pipe = new AppendPipe(this.#options);
      this.#pipes.push(pipe);
      replicated = new ReplicatedPipe(pipe, minReplicas);
      this.#replicated.set(minReplicas, replicated);
    }
    return replicated;
  }

  /** Gives each entry of the stream to `feed` as soon as it is stored, until this is called with undefined. */
  feed(key: string, feed: StreamFeed | undefined): void {
    if (feed === undefined) this.#feeds.delete(key);
    else this.#feeds.set(key, feed);
    for (const { streams } of this.#pipes) streams.feedChanged(key);
  }

  get isReady(): boolean {
    return this.#pipes[0]!.isReady;
  }

  /** Bytes of commands that Redis has not answered. */
  get bufferedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Seconds from receiving an entry to Redis' reply. */
  get latency(): Histogram {
    const all = this.#pipes.map(({ latency }) => latency);
    return Histogram.sum(all, LATENCY_BOUNDS);
  }

  /** Connections lost since the start. */
  get disconnects(): number {
    return this.#pipes.reduce((sum, { disconnects }) => sum + disconnects, 0);
  }

  /** Resolves once every entry taken so far is stored or given up. */
  async idle(): Promise<void> {
    await Promise.all(this.#pipes.map((pipe) => pipe.idle()));
  }

  /** Ends the connections; what still waits is given up. */
  close(): void {
    for (const pipe of this.#pipes) pipe.close();
  }
}
