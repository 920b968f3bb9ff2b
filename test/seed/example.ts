/** An example of the seed, run by Python a step at a time; `run_example.py` has the other side. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { PYTHON } from '../support/machine.js';

/** What happened in the example. */
export type Happening =
  /** Its WebSocket opened. */
  | { readonly open: true }
  /** It received a frame; of a binary one its length. */
  | { readonly text: string }
  | { readonly binary: number }
  /** It was answered a request; bytes are base64. */
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly content: string }
  /** It handles data; bytes are base64. */
  | { readonly data: readonly (string | number)[] }
  /** It printed something. */
  | { readonly printed: string };

export interface ExampleOptions {
  readonly sid?: string;
  /** Added to every address. */
  readonly query?: string;
}

export class Example {
  readonly #child;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  /** Starts `examples/{name}.py`; it is ended with the test. */
  constructor(name: string, gateway: string, { sid = '', query = '' }: ExampleOptions = {}) {
    const script = join(import.meta.dirname, 'run_example.py');
    const example = join(import.meta.dirname, 'examples', `${name}.py`);
    this.#child = spawn(PYTHON, [script, example, gateway, sid, query], {
      env: { ...process.env, NO_PROXY: '*' },
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    this.#child.stderr.on('data', (chunk) => {
      this.#errors += chunk;
    });
    // It may end of itself while it is told to go on.
    this.#child.stdin.on('error', () => {});
    onTestFinished(() => {
      this.#child.kill('SIGKILL');
    });
  }

  /** Lets it take a step; `value` is the data where the step is to make some. */
  step(value: unknown = null): void {
    this.#child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /** The next thing that happens of a kind; what happens before is dropped. */
  async next<K extends string>(kind: K): Promise<Extract<Happening, Readonly<Record<K, unknown>>>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`the example ended: ${this.#errors}`);
      const happening = (value.startsWith('{') ? JSON.parse(value) : { printed: value }) as Happening;
      if (kind in happening) return happening as Extract<Happening, Readonly<Record<K, unknown>>>;
    }
  }

  /** Allows no more steps and waits for its end. @returns what it wrote to standard error */
  async end(): Promise<string> {
    const close = once(this.#child, 'close');
    this.#child.stdin.end();
    await close;
    return this.#errors;
  }
}
