/** How often a stream's entries come, learned from those that came, and whether the next one is overdue. */

/** So many intervals are remembered: also a sensor that sends in bursts is known by its pauses then. */
const REMEMBERED = 512;
/** With fewer intervals than these nothing is known yet. */
const ENOUGH = 3;
/** So many expected intervals may pass. */
const MISSED = 3;
/** A hiccup of the network is no silence. */
const SHORTEST_MS = 3000;
/** What is taken for silence while nothing is known. */
const UNKNOWN_MS = 30_000;

export class Arrivals {
  #intervals: number[] = [];
  /** The newest entry's own time, and when it came. */
  #last: { readonly time: number; readonly at: number } | undefined;

  /** @param time the entry's own, milliseconds since 1970 @param at when it came, on a clock that never jumps */
  add(time: number, at: number): void {
    if (this.#last !== undefined) {
      this.#intervals.push(Math.max(time - this.#last.time, 0));
      if (this.#intervals.length > 2 * REMEMBERED) this.#intervals.splice(0, REMEMBERED);
    }
    this.#last = { time, at };
  }

  clear(): void {
    this.#intervals = [];
    this.#last = undefined;
  }

  /**
   * The longest interval in ms that is usual: the longest but one, since an outage makes one long interval.
   * undefined: not known yet.
   */
  get expected(): number | undefined {
    const known = this.#intervals.slice(-REMEMBERED);
    if (known.length < ENOUGH) return undefined;
    const [, second] = known.sort((a, b) => b - a);
    return second;
  }

  /**
   * Whether the next entry is overdue.
   * @param at now, on the clock of `add`
   * @param age of the newest entry by the gateway's clock, in ms: a stream may have ended before it was opened.
   *   Where producers send times of their own that alone proves nothing
   */
  isOverdue(at: number, age: number): boolean {
    if (this.#last === undefined) return false;
    const { expected } = this;
    const limit = expected === undefined ? UNKNOWN_MS : Math.max(MISSED * expected, SHORTEST_MS);
    const elapsed = at - this.#last.at;
    return elapsed > limit || (age > limit && elapsed > Math.max(1.5 * (expected ?? 0), SHORTEST_MS));
  }
}
