/** The points of a plot: a column of times and one of values for each series, as uPlot takes them. */
import { MOST_SERIES } from '../numbers.js';

/** What a display of any width can show. */
export const MOST_POINTS = 20_000;
/** Points go in lots: moving all the others for each one would take longer than drawing them. */
const SPARE_POINTS = 4000;

export interface Series {
  readonly name: string;
  readonly values: (number | null)[];
  /** The largest absolute value that it has had. */
  most: number;
}

export class PlotData {
  /** In seconds since 1970, ascending. */
  readonly times: number[] = [];
  readonly #series: Series[] = [];

  get series(): readonly Series[] {
    return this.#series;
  }

  /** @param time in milliseconds; points may come in any order, and do so cheaply in that of time */
  add(time: number, numbers: ReadonlyMap<string, number>): void {
    const seconds = time / 1000;
    let at = this.times.length;
    while (at > 0 && this.times[at - 1]! > seconds) at--;
    this.times.splice(at, 0, seconds);
    for (const series of this.#series) {
      const value = numbers.get(series.name);
      series.values.splice(at, 0, value ?? null);
      if (value !== undefined) series.most = Math.max(series.most, Math.abs(value));
    }
    for (const [name, value] of numbers) {
      if (this.#series.some((series) => series.name === name)) continue;
      if (this.#series.length >= MOST_SERIES) break;
      const values = new Array<number | null>(this.times.length).fill(null);
      values[at] = value;
      this.#series.push({ name, values, most: Math.abs(value) });
    }
    if (this.times.length > MOST_POINTS + SPARE_POINTS) this.#dropFirst(this.times.length - MOST_POINTS);
  }

  /** Forgets what is older. @param time in milliseconds */
  dropBefore(time: number): void {
    const first = this.times.findIndex((seconds) => seconds * 1000 >= time);
    const count = first < 0 ? this.times.length : first;
    if (count > SPARE_POINTS) this.#dropFirst(count);
  }

  clear(): void {
    this.times.length = 0;
    this.#series.length = 0;
  }

  #dropFirst(count: number): void {
    this.times.splice(0, count);
    for (const { values } of this.#series) values.splice(0, count);
  }
}
