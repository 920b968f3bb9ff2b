/**
 * Long work on the main thread, in slices: between two of them sockets are read, and entries acknowledged.
 */

/** How long others wait at most, in ms. */
const SLICE_MS = 5;

let last: Promise<void> = Promise.resolve();

/**
 * Resolves in a turn of the event loop in which nobody else does: pieces of work that wait at the same time run
 * in as many turns, in the order in which they came.
 */
export function ownTurn(): Promise<void> {
  last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
  return last;
}

/** The slices of one piece of work. */
export class TimeSlices {
  #until = performance.now() + SLICE_MS;

  /** To be awaited now and then: returns at once, unless the slice has lasted long enough. */
  async pause(): Promise<void> {
    if (performance.now() < this.#until) return;
    await ownTurn();
    this.#until = performance.now() + SLICE_MS;
  }
}
