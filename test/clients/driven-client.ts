/**
 * A client library in a process of its own, its driver, told by a test what to do.
 *
 * It reads requests from its standard input and writes answers and events to its standard output, a JSON
 * object a line:
 *
 *     → {"client": 1, "call": 7, "do": "append", "stream": "cam", "data": {"text": "hello"}}
 *     ← {"call": 7, "value": "1795336103800-0"}      or      {"call": 7, "error": {"code", "message"}}
 *     ← {"pull": "p", "entry": {"stream", "id", "time", "size", "data" | "sha256"}}
 *     ← {"pull": "p", "gap": {…}}      {"pull": "p", "ended": null | {"code", "message", "closeCode"}}
 *
 * A client is there from its first request, `open`, to its last, `drop`. Requests are answered in any order, as they
 * are done. What a verb takes and gives stands in `Verbs`. The driver ends with its standard input.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A payload: text (UTF-8), bytes, or a stamped frame of so many bytes. */
export type Payload =
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly writer: string; readonly seq: number; readonly bytes: number };

/** An entry as a client hands it out. Payloads of more than 64 KiB are told by their hash. */
export interface ToldEntry {
  readonly stream: string;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly size: number;
  /** base64 */
  readonly data?: string;
  readonly sha256?: string;
}

export interface ToldError {
  readonly code: string;
  readonly message: string;
  /** Where a WebSocket's end brought it; 1006: without a close frame. */
  readonly closeCode?: number | null;
}

export type Outcome = string | ToldError;

export interface PullOptions {
  readonly lastEntryId?: string;
  readonly from?: number;
  readonly until?: number;
  readonly latest?: boolean;
  readonly count?: number;
  readonly maxFps?: number;
  readonly ack?: boolean;
  readonly speed?: number;
  readonly gaps?: boolean;
  readonly reconnect?: boolean;
  /** The consumer takes its first entry and so many more, then one for each that `credit` gives it; unset: all. */
  readonly credit?: number;
}

export interface NewEntry {
  readonly data: Payload;
  readonly stream?: string;
  readonly time?: number | string;
}

/** What a driver does: parameters and value of each verb. */
export interface Verbs {
  open: [{ url: string; token?: string; device?: string; prefix?: string }, null];
  append: [{ stream: string; data: Payload }, string];
  latest: [{ stream: string }, ToldEntry | null];
  read: [
    { streams: readonly string[]; lastEntryId: string; count: number; block: number },
    { entries: ToldEntry[]; cursor: string },
  ];
  graphql: [{ query: string; variables: Readonly<Record<string, unknown>> }, unknown];
  streams: [object, { id: string; length: number }[]];
  devices: [object, { id: string; meta: unknown }[]];
  connectDevice: [{ device: string; meta: object }, null];
  disconnectDevice: [{ device: string }, null];
  streamMeta: [{ key: string }, object];
  updateStreamMeta: [{ key: string; meta: object; merge: boolean }, null];
  /** Begins a pull, of which events tell. */
  pull: [{ name: string; streams: readonly string[] } & PullOptions, null];
  credit: [{ name: string; entries: number }, null];
  /** The consumer leaves its loop, where it waits for credit; answered when the pull has ended. */
  leave: [{ name: string }, null];
  /** The pull is cancelled from outside; answered when it has ended. */
  cancel: [{ name: string }, null];
  /** Opens a producer. */
  push: [{ name: string; stream: string; resend?: boolean; maxInFlightBytes?: number }, null];
  /** All are given to the producer at once; answered when all are settled. */
  send: [{ name: string; entries: readonly NewEntry[] }, Outcome[]];
  /** Gives a producer `writer#0`, `writer#1`, … of `bytes` bytes each, up to `window` under way at once. */
  load: [{ name: string; writer: string; bytes: number; window: number }, null];
  /** Ends that: what became of each, in order, and how many were under way at most. */
  unload: [{ name: string }, { outcomes: Outcome[]; mostUnsettled: number }];
  flush: [{ name: string }, null];
  close: [{ name: string }, null];
  /** Lets go of whatever is still open. */
  drop: [object, null];
}

type Message =
  | { readonly call: number; readonly value?: unknown; readonly error?: ToldError }
  | { readonly pull: string; readonly entry: ToldEntry }
  | { readonly pull: string; readonly gap: object }
  | { readonly pull: string; readonly ended: ToldError | null };

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
