/** How long to wait before another attempt: twice as long after each failure, up to a limit. */

/** The wait after so many failures before this one, in ms. */
export function backOffMs(failures: number, firstMs: number, mostMs: number): number {
  return Math.min(firstMs * 2 ** failures, mostMs);
}

export class BackOff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #spread: number;
  #failures = 0;

  /**
   * @param firstMs the wait after the first failure
   * @param mostMs no wait is longer
   * @param spread the part of each wait that is drawn, from 0 to 1, so that the clients of a server that was
   *   restarted do not all come at once
   */
  constructor(firstMs: number, mostMs: number, spread = 0) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#spread = spread;
  }

  /** Whether nothing has failed since the start, or since `reset`. */
  get isFresh(): boolean {
    return this.#failures === 0;
  }

  /** To be called when things work again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Ms to wait after one more failure. @param leastMs what the other side has asked for */
  next(leastMs = 0, random = Math.random()): number {
    const whole = backOffMs(this.#failures, this.#firstMs, this.#mostMs);
    this.#failures++;
    return Math.max(whole * (1 - this.#spread), leastMs) + whole * this.#spread * random;
  }
}
