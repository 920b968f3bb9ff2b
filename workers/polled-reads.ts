/**
 * Reads of all streams of a cluster's node, again and again: where it does not tell of changes. A read that blocks would do
 * for the streams of one slot only.
 */
import { xreadEach } from '../src/redis/stream-reads.js';
import type { Followed } from './followed.js';
import type { ReadSize } from './read-size.js';
import type { ReadStrategy, StreamsRead } from './read-strategy.js';

/** Between two rounds. */
const ROUND_MS = 20;

export class PolledReads implements ReadStrategy {
  readonly #followed: ReadonlyMap<string, Followed>;
  #rest: Iterator<Followed>;
  #isRoundOver = false;

  constructor(followed: ReadonlyMap<string, Followed>) {
    this.#followed = followed;
    this.#rest = followed.values();
  }

  next(size: ReadSize): StreamsRead | undefined {
    const reading: Followed[] = [];
    this.#isRoundOver = false;
    while (reading.length < size.streams && !this.#isRoundOver) {
      const { value, done } = this.#rest.next();
      if (done) {
        this.#rest = this.#followed.values();
        this.#isRoundOver = true;
      } else if (!value.isLost) reading.push(value);
    }
    if (reading.length === 0) return this.#hasSome() ? this.next(size) : undefined;
    size.settle(reading.length);
    return {
      command: [xreadEach(reading, size.count)],
      apart: reading,
      keys: () => reading.map(({ key }) => key),
      likely: undefined,
    };
  }

  answered(): number {
    return this.#isRoundOver ? ROUND_MS : 0;
  }

  /** They are read in the next round. */
  failed(): void {}

  /** The next round has the stream. */
  changed(): void {}

  /** A read ends by itself. */
  interrupt(): void {}

  ended(): void {}

  push(): void {}

  close(): void {}

  #hasSome(): boolean {
    for (const { isLost } of this.#followed.values()) if (!isLost) return true;
    return false;
  }
}
