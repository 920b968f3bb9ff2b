/** How many runs of entries every one of many followers has. */
export class RunProgress {
  readonly #runEntries: number;
  /** Entries with which a follower has its next run. */
  readonly #marks: Float64Array;
  /** How many followers have each run, from the first that not all have. */
  #having: number[] = [0];
  #complete = 0;

  constructor(followers: number, runEntries: number) {
    this.#runEntries = runEntries;
    this.#marks = new Float64Array(followers).fill(runEntries);
  }

  /** Runs that every follower has. */
  get complete(): number {
    return this.#complete;
  }

  /** A follower has so many entries by now. @returns whether that makes a run complete */
  advance(follower: number, entries: number): boolean {
    while (entries >= this.#marks[follower]!) {
      const ahead = this.#marks[follower]! / this.#runEntries - 1 - this.#complete;
      this.#having[ahead] = (this.#having[ahead] ?? 0) + 1;
      this.#marks[follower]! += this.#runEntries;
    }
    const before = this.#complete;
    while (this.#having[0] === this.#marks.length) {
      this.#having.shift();
      this.#complete++;
    }
    return this.#complete > before;
  }
}
