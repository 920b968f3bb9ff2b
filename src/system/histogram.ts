/** How often values fell into which range: a few numbers, kept where the values arise, told by `/metrics`. */

export class Histogram {
  /** Upper bounds of the ranges, rising; what is above the last is counted too. */
  readonly bounds: readonly number[];
  /** How many values fell into each range, in the order of the bounds; the last is beyond them all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  /** What several have counted together; all have the same bounds. */
  static sum(histograms: readonly Histogram[], bounds: readonly number[]): Histogram {
    const all = new Histogram(bounds);
    for (const { counts, sum } of histograms) {
      for (let range = 0; range < counts.length; range++) all.counts[range]! += counts[range]!;
      all.sum += sum;
    }
    return all;
  }

  observe(value: number): void {
    let range = 0;
    while (range < this.bounds.length && value > this.bounds[range]!) range++;
    this.counts[range]!++;
    this.sum += value;
  }
}

/** Seconds, from half a millisecond on: what a local Redis takes, up to what an outage does. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];
