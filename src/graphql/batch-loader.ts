/** Collects what resolvers ask for in one turn of the loop, and loads it in one go. */
export class BatchLoader<T, R> {
  readonly #load: (items: readonly T[]) => Promise<readonly R[]>;
  #waiting: { item: T; resolve: (result: R) => void; reject: (cause: unknown) => void }[] = [];

  /** @param load gives a result for each item, in order */
  constructor(load: (items: readonly T[]) => Promise<readonly R[]>) {
    this.#load = load;
  }

  load(item: T): Promise<R> {
    // A turn later all resolvers of this depth have run, also those that wait for something settled.
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    return new Promise((resolve, reject) => this.#waiting.push({ item, resolve, reject }));
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const results = await this.#load(waiting.map(({ item }) => item));
      waiting.forEach(({ resolve }, index) => resolve(results[index]!));
    } catch (cause) {
      for (const { reject } of waiting) reject(cause);
    }
  }
}
