/** Evenly spaced turns: turn n is due n / rate seconds after the first. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Further behind than this, missed turns are given up rather than made up for in a burst. */
const CATCH_UP_MS = 1000;

export class Pace {
  readonly #intervalMs: number;
  #due: number | undefined;

  /** @param rate turns a second; 0: as fast as possible */
  constructor(rate: number) {
    this.#intervalMs = rate > 0 ? 1000 / rate : 0;
  }

  /** Resolves when the next turn is due: the first at once. Resolves early when the signal fires. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#intervalMs === 0) return;
    const now = performance.now();
    const due = this.#due ?? now;
    this.#due = Math.max(due, now - CATCH_UP_MS) + this.#intervalMs;
    if (due > now) await sleep(due - now, undefined, { signal }).catch(() => {});
  }
}
