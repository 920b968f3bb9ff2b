/**
 * The way of every entry into Redis: a few append pipes that share one bound.
 *
 * One connection does not keep Redis busy, since it reads 16 KiB of one at a time and each side then
 * waits for the other to wake up. Order is promised within one producer's connection only, so each
 * producer is given one pipe for its life.
 */
import type { Logger } from '../logger.js';
import { type AppendBudget, AppendPipe } from './append-pipe.js';
import type { RedisTarget } from './target.js';

const PIPES = 1;

export interface AppendPipesOptions {
  readonly target: RedisTarget;
  readonly logger: Logger;
  readonly maxBufferedBytes: number;
  readonly maxOutageMs: number;
}

export class AppendPipes {
  readonly #pipes: readonly AppendPipe[];
  readonly #budget: AppendBudget;
  #next = 0;

  constructor({ maxBufferedBytes, ...options }: AppendPipesOptions) {
    this.#budget = { usedBytes: 0, maxBytes: maxBufferedBytes };
    this.#pipes = Array.from({ length: PIPES }, () => new AppendPipe({ ...options, budget: this.#budget }));
  }

  /** The pipe for a new producer: all that it sends must go through this one. */
  assign(): AppendPipe {
    this.#next = (this.#next + 1) % this.#pipes.length;
    return this.#pipes[this.#next]!;
  }

  /** The pipe of all who send one message at a time: together they fill it best. */
  get shared(): AppendPipe {
    return this.#pipes[0]!;
  }

  get isReady(): boolean {
    return this.#pipes.every(({ isReady }) => isReady);
  }

  /** Bytes of commands that Redis has not answered. */
  get bufferedBytes(): number {
    return this.#budget.usedBytes;
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
