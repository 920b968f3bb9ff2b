/**
 * A gateway of several workers: processes that share the port, each a whole gateway. The supervisor starts them,
 * replaces those that crash, passes signals on, has the embedded Redis, and gathers what one of them is to say for
 * all. It serves no client itself.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/settings.js';
import { ConfigError, StartError } from '../config/start-error.js';
import { shareOf } from '../config/worker-share.js';
import { type EmbeddedRedis, startEmbeddedRedis } from '../embedded/embedded.js';
import { BackOff } from '../protocol/back-off.js';
import { describeTarget, parseRedisUrl, unixTarget } from '../redis/target.js';
import type { Logger } from '../system/logger.js';
import { Inquiries, type Staff } from './inquiries.js';
import { guardPort, type PortGuard } from './port-guard.js';
import { WorkerProcess } from './worker-process.js';

const LEAST_BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 10_000;
/** A worker that ran for this long had nothing wrong with its start. */
const SETTLED_MS = 10_000;
/** What a worker may take to stop beyond SHUTDOWN_GRACE_MS: clients read on, threads end. */
const STOP_MS = 5000;
/** Less than the process takes to end at a second signal. */
const ABORT_MS = 300;

export interface SupervisorOptions {
  /** WORKERS is 2 or more. */
  readonly config: Config;
  readonly logger: Logger;
  /** Path of the program that a worker runs. */
  readonly program: string;
}

export class Supervisor implements Staff {
  readonly #options: SupervisorOptions;
  readonly #guard: PortGuard;
  readonly #embedded: EmbeddedRedis | undefined;
  /** By their numbers, from 1 on; each is replaced by the next of the same number. */
  readonly #workers = new Map<number, WorkerProcess>();
  readonly #inquiries = new Inquiries(this);
  readonly #stopping = new AbortController();
  readonly #keeping: Promise<void>[] = [];
  #stopped: Promise<void> | undefined;
  #replaced = 0;

  private constructor(options: SupervisorOptions, guard: PortGuard, embedded: EmbeddedRedis | undefined) {
    this.#options = options;
    this.#guard = guard;
    this.#embedded = embedded;
  }

  /**
   * Resolves once the workers listen. Where one of them ends before, all do: what is wrong with the settings is said
   * once.
   * @throws StartError
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { config, logger } = options;
    if (process.platform !== 'linux') {
      throw new ConfigError(
        'WORKERS must be 1 on this system: only Linux spreads connections over processes.',
      );
    }
    // Of the settings, what can be wrong with them before anything is started.
    const target = config.REDIS_URL === undefined ? undefined : parseRedisUrl(config.REDIS_URL);
    const guard = await guardPort(config.HOST, config.PORT);
    let embedded: EmbeddedRedis | undefined;
    try {
      if (target === undefined) {
        embedded = await startEmbeddedRedis({ dataDir: config.STREAMGATE_DATA_DIR, logger });
      }
    } catch (error) {
      await guard.release();
      throw error;
    }
    const supervisor = new Supervisor(options, guard, embedded);
    const address = await supervisor.#startWorkers();
    const redis = describeTarget(target ?? unixTarget(embedded!.socketPath));
    logger.info({ redis, workers: supervisor.size }, `streamgate is listening on ${address}`);
    return supervisor;
  }

  get port(): number {
    return this.#guard.port;
  }

  get size(): number {
    return this.#options.config.WORKERS;
  }

  get replaced(): number {
    return this.#replaced;
  }

  get listening(): readonly WorkerProcess[] {
    return [...this.#workers.values()].filter(({ isListening }) => isListening);
  }

  /** Has all workers read the files again that may change. */
  async reload(): Promise<void> {
    for (const worker of this.#workers.values()) worker.send({ type: 'reload' });
  }

  /** Stops all workers in order, then Redis. Resolves when all have ended. */
  stop(): Promise<void> {
    this.#stopped ??= this.#endAll('stop', this.#options.config.SHUTDOWN_GRACE_MS + STOP_MS);
    return this.#stopped;
  }

  /** Ends the workers and nothing else, for a process that is to end now. */
  abort(): Promise<void> {
    return this.#endWorkers('abort', ABORT_MS);
  }

  async #endAll(how: 'stop' | 'abort', withinMs: number): Promise<void> {
    await this.#endWorkers(how, withinMs);
    await this.#embedded?.stop();
    await this.#guard.release();
  }

  async #endWorkers(how: 'stop' | 'abort', withinMs: number): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#workers.values()].map((worker) => worker.end(how, withinMs)));
    await Promise.all(this.#keeping);
  }

  /** @returns the address that they listen on @throws StartError */
  async #startWorkers(): Promise<string> {
    const workers = Array.from({ length: this.size }, (_, index) => this.#launch(index + 1));
    // All begin to listen together, or clients that come back after a restart would all be the first one's.
    await this.#allReach(workers, ({ prepared }) => prepared);
    for (const worker of workers) worker.send({ type: 'listen' });
    const [address] = await this.#allReach(workers, ({ listening }) => listening);
    for (const worker of workers) this.#keeping.push(this.#keepRunning(worker));
    return address!;
  }

  /** @param step resolves to undefined where the worker has ended @throws StartError after all have ended */
  async #allReach<T>(
    workers: readonly WorkerProcess[],
    step: (worker: WorkerProcess) => Promise<T | undefined>,
  ): Promise<T[]> {
    const reach = async (worker: WorkerProcess) => {
      const reached = await step(worker);
      if (reached !== undefined) return reached;
      throw new StartError(worker.fault ?? `A worker ${await worker.ended} before it listened.`);
    };
    try {
      return await Promise.all(workers.map(reach));
    } catch (error) {
      await this.#endAll('abort', ABORT_MS);
      throw error;
    }
  }

  #launch(number: number): WorkerProcess {
    const { config, program } = this.#options;
    const worker = new WorkerProcess(
      program,
      {
        type: 'start',
        number,
        config: { ...shareOf(config), PORT: this.port },
        redisSocket: this.#embedded?.socketPath,
      },
      (from, message) => {
        if (message.type === 'ask') this.#inquiries.begin(from, message);
        else this.#inquiries.answered(from, message.id, message.answer);
      },
    );
    this.#workers.set(number, worker);
    return worker;
  }

  /** Replaces a worker whenever it has ended. */
  async #keepRunning(first: WorkerProcess): Promise<void> {
    const { signal } = this.#stopping;
    const { number } = first;
    const backOff = new BackOff(LEAST_BACKOFF_MS, MOST_BACKOFF_MS);
    let worker = first;
    for (;;) {
      const end = await worker.ended;
      this.#workers.delete(number);
      this.#inquiries.left(worker);
      if (signal.aborted) return;
      if (performance.now() - worker.startedAt >= SETTLED_MS) backOff.reset();
      const pauseMs = backOff.next();
      this.#options.logger.error(
        { worker: number, reason: worker.fault },
        `a worker ${end}; it is started again in ${pauseMs} ms`,
      );
      await delay(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#replaced++;
      const next = this.#launch(number);
      next.prepared.then(() => next.send({ type: 'listen' }));
      worker = next;
    }
  }
}
