/** How long to wait before coming back: longer each time, and for each client differently. */
import type { GatewayError } from './gateway-error.js';

const FIRST_MS = 200;
/** A gateway that is back is found within this. */
const MOST_MS = 10_000;

export class BackOff {
  #failures = 0;

  /** To be called when things work again. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Milliseconds to wait after one more failure: half of it fixed, half drawn, so that the clients of a gateway
   * that was restarted do not all come at once. Not less than the gateway has asked for.
   */
  next({ retryAfterMs = 0 }: Pick<GatewayError, 'retryAfterMs'>, random = Math.random()): number {
    const whole = Math.min(FIRST_MS * 2 ** this.#failures, MOST_MS);
    this.#failures += 1;
    return Math.max(whole / 2, retryAfterMs) + (whole / 2) * random;
  }
}

/** Resolves after so long, or when the signal fires. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end);
  });
}
