/**
 * Keys at whose XINFO STREAM Redis closed the connection, as it does where a reply exceeds its
 * `client-output-buffer-limit`. They are not asked about again for a while.
 */

/** A second loss of the connection in the same place is no accident. */
const DROPS = 2;
const FORGET_MS = 60_000;
const MAX_KEYS = 10_000;

export class DroppedKeys {
  readonly #drops = new Map<string, number>();
  #since = performance.now();

  note(key: string): void {
    if (this.#drops.size >= MAX_KEYS) this.#drops.clear();
    if (this.#drops.size === 0) this.#since = performance.now();
    this.#drops.set(key, (this.#drops.get(key) ?? 0) + 1);
  }

  has(key: string): boolean {
    if (this.#drops.size === 0) return false;
    if (performance.now() - this.#since > FORGET_MS) this.#drops.clear();
    return (this.#drops.get(key) ?? 0) >= DROPS;
  }

  /** Redis has answered. */
  delete(key: string): void {
    if (this.#drops.size > 0) this.#drops.delete(key);
  }
}
