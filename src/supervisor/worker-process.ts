/** One run of a worker's process, as the supervisor sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import type { FromWorker, ToWorker, WorkerStart } from './messages.js';

export class WorkerProcess {
  /** From 1 on; one that replaces another has its number. */
  readonly number: number;
  readonly startedAt = performance.now();
  /** Resolves to how it ended: `ended with status 1`. Never rejects. */
  readonly ended: Promise<string>;
  /** Resolves to true once it could listen; to undefined where it ended without. */
  readonly prepared: Promise<true | undefined>;
  /** Resolves to the address that it listens on; undefined where it ended without. */
  readonly listening: Promise<string | undefined>;
  readonly #child: ChildProcess;
  #isListening = false;
  #fault: string | undefined;

  /**
   * @param program path of the program that a worker runs
   * @param receive gets what it asks and answers
   */
  constructor(
    program: string,
    start: WorkerStart,
    receive: (worker: WorkerProcess, message: Extract<FromWorker, { type: 'ask' | 'answer' }>) => void,
  ) {
    this.number = start.number;
    this.#child = fork(program, { serialization: 'advanced' });
    this.ended = new Promise((resolve) => {
      this.#child.once('error', ({ message }) => resolve(`could not be started: ${message}`));
      this.#child.once('exit', (status, signal) => {
        const how = signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
        // What it said last may still be on its way.
        if (this.#child.connected) this.#child.once('disconnect', () => resolve(how));
        else resolve(how);
      });
    });
    this.#child.on('message', (message: FromWorker) => {
      if (message.type === 'ask' || message.type === 'answer') receive(this, message);
      else if (message.type === 'listening') this.#isListening = true;
      else if (message.type === 'failed') this.#fault = message.reason;
    });
    const without = this.ended.then(() => undefined);
    this.prepared = Promise.race([this.#first('prepared').then(() => true as const), without]);
    this.listening = Promise.race([this.#first('listening').then(({ address }) => address), without]);
    this.send(start);
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  /** Why its start failed, where that is the user's to mend: a sentence. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** To one that has ended it does nothing. */
  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Ends it by `stop` or `abort`, or kills it if it has not ended by then; resolves when it has ended. */
  async end(how: 'stop' | 'abort', withinMs: number): Promise<void> {
    this.send({ type: how });
    const deadline = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    await this.ended;
    clearTimeout(deadline);
  }

  #first<T extends FromWorker['type']>(type: T): Promise<Extract<FromWorker, { type: T }>> {
    return new Promise((resolve) => {
      this.#child.on('message', (message: FromWorker) => {
        if (message.type === type) resolve(message as Extract<FromWorker, { type: T }>);
      });
    });
  }
}
