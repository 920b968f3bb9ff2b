/**
 * When Redis may be asked to tell a connection of changes by others. Where that was refused, for want of rights perhaps, or
 * the connection was lost over it, as something on the way may do, it is asked again only after a while, so that a
 * connection is not lost over it again and again.
 */
import { BackOff } from '../protocol/back-off.js';

const FIRST_WAIT_MS = 10_000;
const LAST_WAIT_MS = 600_000;

export class TrackingAttempts {
  readonly #backOff = new BackOff(FIRST_WAIT_MS, LAST_WAIT_MS);
  #nextAt = Number.NEGATIVE_INFINITY;

  get mayTry(): boolean {
    return performance.now() >= this.#nextAt;
  }

  failed(): void {
    this.#nextAt = performance.now() + this.#backOff.next();
  }

  succeeded(): void {
    this.#backOff.reset();
    this.#nextAt = Number.NEGATIVE_INFINITY;
  }
}
