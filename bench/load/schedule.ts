/** When messages are due: fixed before the first, whatever becomes of those before (an open loop). */
export interface Schedule {
  /** The number of the first message. */
  readonly first: number;
  readonly messages: number;
  /** When that is due, and the time between two, in milliseconds of `clock`. */
  readonly start: number;
  readonly interval: number;
}

/** Milliseconds, the same in all threads of a process; `performance.now` counts from each thread's start. */
export function clock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
