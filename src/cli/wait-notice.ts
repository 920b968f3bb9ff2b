/** Says on standard error what a command waits for, once, where it has waited for some seconds. */

const PATIENCE_MS = 3000;

export class WaitNotice {
  readonly #text: string;
  #timer: NodeJS.Timeout | undefined;

  /** @param text one line */
  constructor(text: string) {
    this.#text = text;
  }

  /** The wait begins; only the first call counts. */
  begin(): void {
    this.#timer ??= setTimeout(() => process.stderr.write(`${this.#text}\n`), PATIENCE_MS);
    // What it waits for keeps the process alive, or nothing does.
    this.#timer.unref();
  }

  /** What it waited for has come, or will not. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
