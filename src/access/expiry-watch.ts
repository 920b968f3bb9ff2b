/** Notices when a grant expires that somebody is connected by. While there is none, there is no timer either. */
import type { Grant, LiveGrants } from './grant.js';

/** How late the end of a token may be noticed. Looked at by the clock on the wall, which may be set. */
const LOOK_MS = 1000;

export class ExpiryWatch implements LiveGrants {
  readonly #grants = new Set<Grant>();
  readonly #onExpired: (grant: Grant) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param onExpired is to end the grant */
  constructor(onExpired: (grant: Grant) => void) {
    this.#onExpired = onExpired;
  }

  add(grant: Grant): void {
    if (grant.expires === Number.POSITIVE_INFINITY) return;
    this.#grants.add(grant);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  delete(grant: Grant): void {
    this.#grants.delete(grant);
    if (this.#grants.size === 0) this.close();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = Date.now();
    for (const grant of [...this.#grants]) if (grant.expires <= now) this.#onExpired(grant);
  }
}
