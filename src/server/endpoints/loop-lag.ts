/**
 * How late the main thread's event loop comes to what is due. The library's own monitor wakes an idle
 * process up a hundred times a second, and counts the time between two of its samples as lag.
 */
import { createHistogram, type EventLoopUtilization, performance } from 'node:perf_hooks';

/** How often the loop is looked at while it is busy. */
const BUSY_SAMPLE_MS = 10;
/** While it is idle there is next to no lag to be found. */
const IDLE_SAMPLE_MS = 500;
/** So many samples without anything to do make it idle. */
const QUIET_SAMPLES = 10;
/** It is busy where it did something for so long between two samples. */
const BUSY_ACTIVE_MS = 2;
const NANOSECONDS = 1e9;

/** In seconds; of a span without a sample, zeros. */
export interface LoopLags {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const NONE: LoopLags = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };

export class LoopLag {
  readonly #lags = createHistogram();
  #usage: EventLoopUtilization = performance.eventLoopUtilization();
  #dueAt = 0;
  #quiet = QUIET_SAMPLES;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.#wait();
  }

  /** @returns what was seen since it was last called; whatever comes right after that is looked at closely */
  take(): LoopLags {
    this.#quiet = 0;
    this.#wait();
    const lags = this.#lags;
    if (lags.count === 0) return NONE;
    const percentile = (share: number) => lags.percentile(share) / NANOSECONDS;
    const taken: LoopLags = {
      min: lags.min / NANOSECONDS,
      max: lags.max / NANOSECONDS,
      mean: lags.mean / NANOSECONDS,
      stddev: lags.stddev / NANOSECONDS,
      p50: percentile(50),
      p90: percentile(90),
      p99: percentile(99),
    };
    lags.reset();
    return taken;
  }

  #wait(): void {
    const ms = this.#quiet < QUIET_SAMPLES ? BUSY_SAMPLE_MS : IDLE_SAMPLE_MS;
    this.#dueAt = performance.now() + ms;
    clearTimeout(this.#timer);
    // It keeps no process from ending.
    this.#timer = setTimeout(() => this.#sample(), ms).unref();
  }

  #sample(): void {
    // The histogram takes whole numbers from 1 on.
    const late = Math.max(1, Math.round((performance.now() - this.#dueAt) * 1e6));
    this.#lags.record(late);
    const usage = performance.eventLoopUtilization();
    const { active } = performance.eventLoopUtilization(usage, this.#usage);
    this.#usage = usage;
    this.#quiet = active > BUSY_ACTIVE_MS ? 0 : this.#quiet + 1;
    this.#wait();
  }
}
