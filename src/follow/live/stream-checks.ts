/** Who waits for a look at a stream, each for a while only: a reader without a connection does not answer. */
const LONGEST_MS = 1000;

interface Check {
  readonly promise: Promise<void>;
  done(): void;
}

export class StreamChecks {
  readonly #checks = new Map<string, Check>();

  /** Resolves when the stream was looked at. @param begin has it looked at, unless that is under way */
  wait(key: string, begin: () => void): Promise<void> {
    const open = this.#checks.get(key);
    if (open !== undefined) return open.promise;
    let resolve = () => {};
    const promise = new Promise<void>((resolved) => {
      resolve = resolved;
    });
    const timer = setTimeout(() => this.done(key), LONGEST_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    this.#checks.set(key, { promise, done });
    begin();
    return promise;
  }

  /** The stream was looked at. */
  done(key: string): void {
    this.#checks.get(key)?.done();
    this.#checks.delete(key);
  }

  close(): void {
    for (const key of this.#checks.keys()) this.done(key);
  }
}
