/** A client library in a process of its own, told by a test what to do; `protocol.ts` says how. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Message, PullOptions, ToldEntry, ToldError, Verbs } from './protocol.js';

/** What a call of the driven client fails with. */
export class ClientError extends Error {
  readonly code: string;

  constructor({ code, message }: ToldError) {
    super(message);
    this.code = code;
  }
}

/** A pull of the driven client, as its consumer sees it. */
export class DrivenPull {
  readonly entries: ToldEntry[] = [];
  readonly gaps: object[] = [];
  /** Undefined while it goes on; null where it ended without a failure. */
  ended: ToldError | null | undefined;
  readonly #client: DrivenClient;
  readonly #name: string;
  #wake: (() => void)[] = [];

  constructor(client: DrivenClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  get ids(): string[] {
    return this.entries.map(({ id }) => id);
  }

  /** Waits until `condition` holds, which is looked at after everything that happens. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.ended !== undefined) {
        throw new Error(`the pull ended after ${this.entries.length} entries: ${JSON.stringify(this.ended)}`);
      }
      await this.#happening();
    }
  }

  /** @returns the failure that it ended with, null where it ended by itself */
  async end(): Promise<ToldError | null> {
    while (this.ended === undefined) await this.#happening();
    return this.ended;
  }

  async credit(entries: number): Promise<void> {
    await this.#client.call('credit', { name: this.#name, entries });
  }

  async leave(): Promise<void> {
    await this.#client.call('leave', { name: this.#name });
  }

  async cancel(): Promise<void> {
    await this.#client.call('cancel', { name: this.#name });
  }

  /** For the driven client: something was told of this pull. */
  take(message: Exclude<Message, { call: number }>): void {
    if ('entry' in message) this.entries.push(message.entry);
    else if ('gap' in message) this.gaps.push(message.gap);
    else this.ended = message.ended;
    for (const wake of this.#wake.splice(0)) wake();
  }

  #happening(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

/** The process that runs a library's driver. */
export class Driver {
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #pulls = new Map<string, DrivenPull>();
  #lastCall = 0;
  #clients = 0;
  #errors = '';

  constructor([program, ...parameters]: readonly string[]) {
    this.#process = spawn(program!, parameters, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_PROXY: '*' },
    });
    this.#process.stderr!.on('data', (chunk) => {
      this.#errors += chunk;
    });
    this.#process.stdin!.on('error', () => {}); // 'exit' comes as well
    createInterface(this.#process.stdout!).on('line', (line) => this.#take(JSON.parse(line) as Message));
    this.#process.once('exit', () => {
      const message = `the driver ended: ${this.#errors}`;
      for (const { reject } of this.#calls.values()) reject(new Error(message));
      for (const [pull, told] of this.#pulls) told.take({ pull, ended: { code: 'driver', message } });
    });
  }

  newClient(): DrivenClient {
    return new DrivenClient(this, ++this.#clients);
  }

  request(client: number, verb: string, parameters: object): Promise<unknown> {
    const call = ++this.#lastCall;
    const answer = new Promise<unknown>((resolve, reject) => this.#calls.set(call, { resolve, reject }));
    this.#process.stdin!.write(`${JSON.stringify({ client, call, do: verb, ...parameters })}\n`);
    return answer;
  }

  newPull(client: DrivenClient): [name: string, pull: DrivenPull] {
    const name = `pull ${this.#pulls.size}`;
    const pull = new DrivenPull(client, name);
    this.#pulls.set(name, pull);
    return [name, pull];
  }

  /** Its resident memory in bytes. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  #take(message: Message): void {
    if ('call' in message) {
      const { resolve, reject } = this.#calls.get(message.call)!;
      this.#calls.delete(message.call);
      if (message.error !== undefined) reject(new ClientError(message.error));
      else resolve(message.value);
    } else this.#pulls.get(message.pull)?.take(message);
  }
}

/** One client of a library. */
export class DrivenClient {
  readonly driver: Driver;
  readonly #number: number;

  constructor(driver: Driver, number: number) {
    this.driver = driver;
    this.#number = number;
  }

  /** @throws ClientError what the client failed with */
  call<V extends keyof Verbs>(verb: V, parameters: Verbs[V][0]): Promise<Verbs[V][1]> {
    return this.driver.request(this.#number, verb, parameters) as Promise<Verbs[V][1]>;
  }

  async pull(streams: string | readonly string[], options: PullOptions = {}): Promise<DrivenPull> {
    const [name, pull] = this.driver.newPull(this);
    await this.call('pull', { name, streams: [streams].flat(), ...options });
    return pull;
  }
}
