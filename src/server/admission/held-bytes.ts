/**
 * Bytes that clients make the gateway hold while they send or read on, within one bound for all, and a share
 * of it for each client.
 *
 * Where there is no room for more, those give way that have taken long: they are slow, or mean no good. Where
 * nobody has taken long, the new one is refused. A client that has used up its share makes room among its own.
 */
import { type Client, ClientShares, type Share, type ShareSettings } from './client-shares.js';

/** A holder gives way to others after so long. */
const SLOW_MS = 10_000;

interface Holding {
  bytes: number;
  readonly since: number;
  readonly share: Share;
  /** Ends it; must lead to `release`. */
  readonly giveWay: () => void;
}

export class HeldBytes {
  readonly #max: number;
  readonly #shares: ClientShares;
  /** The oldest first. */
  readonly #holdings = new Map<object, Holding>();
  #bytes = 0;

  /**
   * @param limitName the setting that bounds all clients together
   * @param max its value
   */
  constructor(limitName: string, max: number, settings: ShareSettings) {
    this.#max = max;
    this.#shares = new ClientShares(limitName, max, settings);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Holds so much more for `holder`. One alone may hold any amount: its own limits are not set here.
   * @param client whose share it is counted for, at the first call for the holder
   * @param giveWay ends the holder; called at most once, and never within this call for `holder` itself
   * @returns whether there was room, or could be made
   */
  hold(holder: object, client: Client, bytes: number, giveWay: () => void): boolean {
    const known = this.#holdings.get(holder);
    const holding = known ?? {
      bytes: 0,
      since: performance.now(),
      giveWay,
      share: this.#shares.open(client),
    };
    if (!this.#makeRoom(holder, holding, bytes)) {
      if (known === undefined) holding.share.close();
      return false;
    }
    if (known === undefined) this.#holdings.set(holder, holding);
    holding.bytes += bytes;
    holding.share.take(bytes);
    this.#bytes += bytes;
    return true;
  }

  release(holder: object): void {
    const holding = this.#holdings.get(holder);
    if (holding === undefined) return;
    this.#holdings.delete(holder);
    this.#bytes -= holding.bytes;
    holding.share.give(holding.bytes);
    holding.share.close();
  }

  #makeRoom(holder: object, { bytes: own, share }: Holding, more: number): boolean {
    const hasShare = () => share.hasRoom(more) || share.used === own;
    const hasRoom = () => this.#bytes + more <= this.#max || this.#bytes === own;
    const slowSince = performance.now() - SLOW_MS;
    for (const [other, holding] of this.#holdings) {
      if ((hasShare() && hasRoom()) || holding.since > slowSince) break;
      // While the client's own share is used up, nobody else makes room for it.
      if (other === holder || (!hasShare() && !holding.share.overlaps(share))) continue;
      this.release(other);
      holding.giveWay();
    }
    return hasShare() && hasRoom();
  }
}
