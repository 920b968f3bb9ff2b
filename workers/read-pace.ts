/**
 * How fast tracked reads follow each other. Each one costs this thread and main more than the entries that it brings,
 * so where many streams are busy reads wait for a moment and bring entries of more streams at once.
 */

/** So many reads may be sent at once … */
const MOST_AT_ONCE = 20;
/** … and so many in a ms on average. */
const READS_A_MS = 1;

export class ReadPace {
  #allowed = MOST_AT_ONCE;
  #at = Number.NEGATIVE_INFINITY;

  /** Counts a read. @param now in ms, of any clock that does not go back @returns ms to wait before the next */
  count(now: number): number {
    this.#allowed = Math.min(this.#allowed + (now - this.#at) * READS_A_MS, MOST_AT_ONCE) - 1;
    this.#at = now;
    return this.#allowed >= 0 ? 0 : Math.ceil(-this.#allowed / READS_A_MS);
  }
}
