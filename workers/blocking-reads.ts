/**
 * One XREAD of all streams that waits for entries: the fastest way to follow few streams, but each read costs Redis
 * time for every stream, whether it has entries or not.
 */
import { BlockingRead } from '../src/redis/stream-reads.js';
import type { RedisTarget } from '../src/redis/target.js';
import type { Followed } from './followed.js';
import type { Arrival } from './held-reads.js';
import { Interrupter } from './interrupter.js';
import type { ReadSize } from './read-size.js';
import type { ReadStrategy, StreamsRead } from './read-strategy.js';

/**
 * A read goes on unaware of a key that becomes another type, which is noticed by the next: soon, where that
 * costs Redis little. Ms to block for each stream, and the least and the most.
 */
const BLOCK_MS_A_STREAM = 1;
const LEAST_BLOCK_MS = 50;
export const MOST_BLOCK_MS = 500;
/** Every XREAD costs Redis time for each stream, so large sets are read after a pause: 1 ms for each … */
const STREAMS_PER_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8;

export class BlockingReads implements ReadStrategy {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #interrupter: Interrupter;
  readonly #command = new BlockingRead();
  /** How many streams the last read brought entries of. */
  #active = 0;

  constructor(followed: ReadonlyMap<string, Followed>, target: RedisTarget) {
    this.#followed = followed;
    this.#interrupter = new Interrupter(target);
  }

  next(size: ReadSize): StreamsRead | undefined {
    const followed = this.#followed;
    if (followed.size === 0) return undefined;
    size.settle(this.#active);
    const blockMs = Math.min(Math.max(followed.size * BLOCK_MS_A_STREAM, LEAST_BLOCK_MS), MOST_BLOCK_MS);
    return {
      command: this.#command.encode(followed, size.count, blockMs),
      keys: () => [...followed.keys()],
      likely: undefined,
    };
  }

  answered(arrivals: readonly Arrival[]): number {
    if (arrivals.length > 0) this.#active = arrivals.length;
    return Math.min(Math.floor(this.#followed.size / STREAMS_PER_PAUSE_MS), MAX_PAUSE_MS);
  }

  /** The next read is of all streams, too. */
  failed(): void {}

  changed(): void {
    this.#command.changed();
  }

  interrupt(clientId: number): void {
    this.#interrupter.begin(clientId);
  }

  ended(): void {
    this.#interrupter.done();
  }

  /** What Redis tells of changes, the read will bring. */
  push(): void {}

  close(): void {
    this.#interrupter.close();
  }
}
