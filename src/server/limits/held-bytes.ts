/**
 * Bytes that clients make the gateway hold while they send or read on, within one bound for all.
 *
 * Where there is no room for another, those give way that have taken long: they are the slow ones, or mean
 * no good. Where nobody has taken long, the new one is refused.
 */

/** Who has been at it for so long gives way to others. */
const SLOW_MS = 10_000;

interface Holding {
  bytes: number;
  readonly since: number;
  /** Ends it; must lead to `release`. */
  readonly giveWay: () => void;
}

export class HeldBytes {
  readonly #max: number;
  /** The oldest first. */
  readonly #holdings = new Map<object, Holding>();
  #bytes = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Holds so much more for `holder`. One alone may hold any amount: its own limits are not set here.
   * @param giveWay ends the holder; called at most once, and never within this call for `holder` itself
   * @returns whether there was room, or could be made
   */
  hold(holder: object, bytes: number, giveWay: () => void): boolean {
    let holding = this.#holdings.get(holder);
    if (!this.#makeRoom(holder, bytes)) return false;
    if (holding === undefined) {
      holding = { bytes: 0, since: performance.now(), giveWay };
      this.#holdings.set(holder, holding);
    }
    holding.bytes += bytes;
    this.#bytes += bytes;
    return true;
  }

  release(holder: object): void {
    this.#bytes -= this.#holdings.get(holder)?.bytes ?? 0;
    this.#holdings.delete(holder);
  }

  #makeRoom(holder: object, bytes: number): boolean {
    const own = this.#holdings.get(holder)?.bytes ?? 0;
    const slowSince = performance.now() - SLOW_MS;
    for (const [other, { since, giveWay }] of this.#holdings) {
      if (this.#bytes + bytes <= this.#max || since > slowSince) break;
      if (other === holder) continue;
      this.release(other);
      giveWay();
    }
    return this.#bytes + bytes <= this.#max || this.#bytes === own;
  }
}
