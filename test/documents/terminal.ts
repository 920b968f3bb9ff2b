/** A program as a reader starts it in a terminal, which Ctrl-C ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

/** Others use the machine at the same time. */
const PATIENCE_MS = 45_000;
/** After so long something that runs on is taken to have begun. */
const BEGUN_MS = 700;

export class Terminal {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #out = '';
  #errors = '';

  constructor(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
    // A group of its own, of which all are sent Ctrl-C.
    this.#child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    this.#child.stdout!.on('data', (chunk) => {
      this.#out += chunk;
    });
    this.#child.stderr!.on('data', (chunk) => {
      this.#errors += chunk;
    });
  }

  get out(): string {
    return this.#out;
  }

  get #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** @throws Error where it fails, or goes on for too long */
  async end(): Promise<void> {
    await Promise.race([this.#closed, delay(PATIENCE_MS, undefined, { ref: false })]);
    if (this.#isRunning) {
      await this.interrupt();
      throw new Error(`it does not end: mark it with <!-- runs on -->\n${this.#out}${this.#errors}`);
    }
    this.#check();
  }

  /** @throws Error where it fails at once */
  async begin(): Promise<void> {
    await Promise.race([this.#closed, delay(BEGUN_MS)]);
    if (!this.#isRunning) this.#check();
  }

  /** Ctrl-C. @throws Error where it had failed before */
  async interrupt(): Promise<void> {
    if (!this.#isRunning) {
      this.#check();
      return;
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(-this.#child.pid!, signal);
      } catch {
        // All of them have ended.
      }
      await Promise.race([this.#closed, delay(3000, undefined, { ref: false })]);
      if (!this.#isRunning) return;
    }
  }

  #check(): void {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0)
      throw new Error(`it ended with ${signalCode ?? exitCode}:\n${this.#out}${this.#errors}`);
  }
}
