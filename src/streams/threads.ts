/**
 * The worker threads: the one file that starts them. A reader that ends unasked is replaced, and the new
 * one goes on from the last entry that the old one delivered.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type {
  PoolAnswer,
  PoolTasks,
  RangeTask,
  ReaderCommand,
  ReaderEvent,
  ThreadData,
} from '../../workers/messages.js';
import { Failure } from '../errors.js';
import type { Logger } from '../logger.js';
import type {
  DecodedEntry,
  DescribeRequest,
  EntryForm,
  StreamDescription,
} from '../redis/stream-describer.js';
import type { RedisTarget } from '../redis/target.js';
import { EntryBatch } from '../wire/batch.js';
import { SpareBuffers } from './spare-buffers.js';

const READER_FILE = fileURLToPath(new URL('../../workers/reader.js', import.meta.url));
const POOL_FILE = fileURLToPath(new URL('../../workers/pool.js', import.meta.url));
const RESPAWN_MS = 100;
/** How long the pool may finish its tasks at the end. */
const POOL_CLOSE_MS = 2000;
/** Tasks that may wait for a free worker slot; beyond it reads are refused. */
const MAX_QUEUED_TASKS = 20_000;
/** Range reads mostly wait for Redis, so a worker has several under way. */
const TASKS_PER_WORKER = 8;

export interface ReaderListener {
  onEntries(batch: EntryBatch): void;
  /** The key cannot be read and is not followed any more. */
  onEvicted(key: string, failure: Failure): void;
}

/** One reader thread and what it follows. */
export class ReaderThread {
  readonly #data: ThreadData;
  readonly #listener: ReaderListener;
  readonly #logger: Logger;
  /** The last entry delivered of each followed stream. */
  readonly #cursors = new Map<string, string>();
  #worker: Worker;
  #isClosed = false;
  #respawnTimer: NodeJS.Timeout | undefined;
  isConnected = false;
  disconnects = 0;

  constructor(data: ThreadData, listener: ReaderListener, logger: Logger) {
    this.#data = data;
    this.#listener = listener;
    this.#logger = logger;
    this.#worker = this.#spawn();
  }

  get streams(): number {
    return this.#cursors.size;
  }

  follow(key: string, after: string): void {
    this.#cursors.set(key, after);
    this.#send({ type: 'follow', key, after });
  }

  unfollow(key: string): void {
    this.#cursors.delete(key);
    this.#send({ type: 'unfollow', key });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#respawnTimer);
    this.#send({ type: 'stop' });
    await this.#worker.terminate();
  }

  #send(command: ReaderCommand): void {
    this.#worker.postMessage(command);
  }

  #spawn(): Worker {
    const worker = new Worker(READER_FILE, { workerData: this.#data, name: 'streamgate-reader' });
    worker.on('message', (event: ReaderEvent) => this.#take(event));
    worker.on('error', (error) => this.#logger.error({ err: error }, 'a reader thread failed'));
    worker.on('exit', (code) => this.#exited(code));
    return worker;
  }

  #exited(code: number): void {
    this.isConnected = false;
    if (this.#isClosed) return;
    this.#logger.error({ code }, 'a reader thread ended unasked and is replaced');
    this.#respawnTimer = setTimeout(() => {
      this.#worker = this.#spawn();
      for (const [key, after] of this.#cursors) this.#send({ type: 'follow', key, after });
    }, RESPAWN_MS);
  }

  #take(event: ReaderEvent): void {
    if (event.type === 'entries') {
      for (const packed of event.batches) {
        // What was read for a stream that nobody follows any more is let go.
        if (!this.#cursors.has(packed.key)) continue;
        const batch = new EntryBatch(packed);
        this.#cursors.set(packed.key, batch.lastId);
        this.#listener.onEntries(batch);
      }
      this.#send({ type: 'consumed', bytes: event.bytes });
    } else if (event.type === 'evicted') {
      if (!this.#cursors.delete(event.key)) return;
      this.#listener.onEvicted(event.key, new Failure(event.failure.code, event.failure.error));
    } else if (event.type === 'connected') {
      this.isConnected = true;
    } else {
      this.isConnected = false;
      this.disconnects++;
      this.#logger.warn({ err: event.reason }, 'a reader lost its connection to Redis');
    }
  }
}

export interface ThreadsOptions {
  readonly target: RedisTarget;
  readonly readers: number;
  readonly poolThreads: number;
  readonly logger: Logger;
}

export class Threads {
  readonly readers: readonly ReaderThread[];
  readonly #pool: Piscina;
  readonly #logger: Logger;
  readonly #spares = new SpareBuffers();
  #toldOfScripts = false;

  constructor(options: ThreadsOptions, listener: ReaderListener) {
    const data: ThreadData = { target: options.target };
    this.#logger = options.logger;
    this.readers = Array.from(
      { length: options.readers },
      () => new ReaderThread(data, listener, options.logger),
    );
    this.#pool = new Piscina({
      filename: POOL_FILE,
      workerData: data,
      minThreads: options.poolThreads,
      maxThreads: options.poolThreads,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      maxQueue: MAX_QUEUED_TASKS,
      // Parked threads would not read their sockets.
      atomics: 'disabled',
      closeTimeout: POOL_CLOSE_MS,
    });
    this.#pool.on('error', (error) => options.logger.error({ err: error }, 'a pool thread failed'));
  }

  get queuedTasks(): number {
    return this.#pool.queueSize;
  }

  get poolThreads(): number {
    return this.#pool.threads.length;
  }

  /**
   * Reads entries of some streams in the pool.
   * @returns a batch for each stream, in order, empty where there is nothing
   * @throws Failure
   */
  async range(task: Omit<RangeTask, 'type'>): Promise<EntryBatch[]> {
    const spare = this.#spares.take(task.maxBytes);
    const answer = await this.#run<'range'>({ type: 'range', ...task, spare }, spare ? [spare] : []);
    return answer.batches.map((packed) => new EntryBatch(packed));
  }

  /** Takes back the bytes of a batch that `range` gave and nobody will look at again. */
  recycle(batch: EntryBatch): void {
    this.#spares.give(batch.bytes.buffer as ArrayBuffer);
  }

  /** What XINFO STREAM and the metadata say of each key, in order, in one round trip. @throws Failure */
  async describe(request: DescribeRequest): Promise<readonly StreamDescription[]> {
    const { streams, scriptsRefused } = await this.#run<'describe'>({ type: 'describe', ...request });
    if (scriptsRefused && !this.#toldOfScripts) {
      this.#toldOfScripts = true;
      this.#logger.warn('Redis runs no scripts for streamgate: describing streams moves their entries');
    }
    return streams;
  }

  /** Decodes a payload in the pool; `payload` is transferred, so it must have its buffer to itself. @throws Failure */
  decode(payload: Uint8Array<ArrayBuffer>, forms: readonly EntryForm[]): Promise<DecodedEntry> {
    return this.#run<'decode'>({ type: 'decode', payload, forms }, [payload.buffer]);
  }

  async close(): Promise<void> {
    await Promise.all(this.readers.map((reader) => reader.close()));
    await this.#pool.destroy();
  }

  async #run<K extends keyof PoolTasks>(
    task: PoolTasks[K]['task'],
    transferList: ArrayBuffer[] = [],
  ): Promise<PoolTasks[K]['answer']> {
    let answer: PoolAnswer<PoolTasks[K]['answer']>;
    try {
      answer = await this.#pool.run(task, { transferList });
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('Task queue')) {
        throw new Failure('overloaded', 'too many reads wait for the pool');
      }
      throw Object.assign(new Failure('internal', 'a pool thread failed'), { cause: error });
    }
    if ('failure' in answer) throw new Failure(answer.failure.code, answer.failure.error);
    return answer.ok;
  }
}
