/**
 * Keeps the totals of all workers from falling: a worker that has ended, or does not answer, goes on counting with
 * what it said last.
 */
import { isTotal, type MetricSnapshot, sumMetrics } from './metric-sums.js';

/** @typeParam W what stands for a worker */
export class KeptTotals<W extends object> {
  readonly #last = new Map<W, readonly MetricSnapshot[]>();
  #ended: readonly MetricSnapshot[] = [];

  /** What a worker says of itself now. */
  note(worker: W, metrics: readonly MetricSnapshot[]): void {
    this.#last.set(worker, metrics);
  }

  /** To be called when a worker has ended. */
  keep(worker: W): void {
    const totals = this.#totalsOf(worker);
    this.#last.delete(worker);
    if (totals.length > 0) this.#ended = sumMetrics([this.#ended, totals]);
  }

  /** The totals of all workers that have ended, and of those that run but are not in `answered`. */
  others(answered: { has(worker: W): boolean }): (readonly MetricSnapshot[])[] {
    const silent = [...this.#last.keys()].filter((worker) => !answered.has(worker));
    return [this.#ended, ...silent.map((worker) => this.#totalsOf(worker))];
  }

  #totalsOf(worker: W): readonly MetricSnapshot[] {
    return (this.#last.get(worker) ?? []).filter(isTotal);
  }
}
