/** The worker threads: the one file that starts them. */
import { fileURLToPath } from 'node:url';
import { type TransferListItem, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type {
  PoolAnswer,
  PoolGreeting,
  PoolTasks,
  RangesTask,
  RangeTask,
  ThreadData,
} from '../../workers/messages.js';
import type {
  DecodedEntry,
  DescribeRequest,
  EntryForm,
  StreamDescription,
} from '../../workers/stream-description.js';
import { EntryBatch } from '../protocol/batch.js';
import { Failure } from '../protocol/errors.js';
import type { SharedSlots } from '../redis/cluster/slot-table.js';
import { SpareBuffers } from '../redis/spare-buffers.js';
import type { RedisTarget } from '../redis/target.js';
import type { Logger } from '../system/logger.js';
import { Heartbeat } from './heartbeat.js';
import { type ReaderListener, ReaderThread } from './reader-thread.js';
import { TaskDeadlines } from './task-deadlines.js';

const READER_FILE = fileURLToPath(new URL('../../workers/reader.js', import.meta.url));
const POOL_FILE = fileURLToPath(new URL('../../workers/pool.js', import.meta.url));
/**
 * What a thread's heap may take before it alone is ended. Frames lie outside of it; a reader has cursors
 * there, a pool thread what it decodes, of which JSON takes many times its bytes.
 */
const READER_LIMITS = { maxOldGenerationSizeMb: 256 };
const POOL_LIMITS = { maxOldGenerationSizeMb: 1024 };
/** How long the pool may finish its tasks at the end. */
const POOL_CLOSE_MS = 2000;
/** Tasks that may wait for a free worker slot; beyond it reads are refused. */
const MAX_QUEUED_TASKS = 20_000;
/** Range reads mostly wait for Redis, so a worker has several under way. */
const TASKS_PER_WORKER = 8;
/** Beyond what Redis may keep a task waiting. */
const TASK_MS = 30_000;
/** Far more than the largest payload takes a thread of the pool to decode. */
const POOL_SILENCE_MS = 8000;

export interface ThreadsOptions {
  readonly target: RedisTarget;
  /** Which shard has what, where the target is a cluster. */
  readonly cluster?: SharedSlots | undefined;
  readonly readers: number;
  readonly poolThreads: number;
  readonly logger: Logger;
}

/** What can be handed to a thread. */
const shareable = ({ shared, natMap }: SharedSlots): SharedSlots => ({ shared, natMap });

export class Threads {
  readonly readers: readonly ReaderThread[];
  readonly #pool: Piscina;
  readonly #deadlines = new TaskDeadlines(
    TASK_MS,
    () => new Failure('overloaded', `the read took more than ${TASK_MS / 1000} s`),
  );
  /** Of the pool's threads, by their ids. */
  readonly #heartbeats = new Map<number, Heartbeat>();
  readonly #logger: Logger;
  readonly #spares = new SpareBuffers();
  /** What the pool's threads said last of their memory. */
  readonly #poolBytes = new Map<number, number>();
  /** What the pool's threads are waited for. */
  #poolWork = 0;
  /** How many threads of the pool were replaced. */
  poolReplacements = 0;
  #isClosed = false;
  #toldOfScripts = false;

  constructor(options: ThreadsOptions, listener: ReaderListener) {
    const data: ThreadData = {
      target: options.target,
      cluster: options.cluster && shareable(options.cluster),
    };
    this.#logger = options.logger;
    this.readers = Array.from(
      { length: options.readers },
      () =>
        new ReaderThread(
          () =>
            new Worker(READER_FILE, {
              workerData: data,
              name: 'streamgate-reader',
              resourceLimits: READER_LIMITS,
            }),
          listener,
          options.logger,
        ),
    );
    this.#pool = new Piscina({
      filename: POOL_FILE,
      workerData: data,
      minThreads: options.poolThreads,
      maxThreads: options.poolThreads,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      resourceLimits: POOL_LIMITS,
      // Parked threads would not read their sockets.
      atomics: 'disabled',
      closeTimeout: POOL_CLOSE_MS,
    });
    this.#pool.on('error', (error) => options.logger.error({ err: error }, 'a pool thread failed'));
    this.#pool.on('workerDestroy', () => this.poolReplacements++);
    this.#pool.on('message', (greeting: PoolGreeting) => this.#greet(greeting));
  }

  get queuedTasks(): number {
    return this.#pool.queueSize;
  }

  /** Bytes of the heaps and buffers of all threads, as they said last. */
  get ownBytes(): number {
    let bytes = 0;
    for (const reader of this.readers) bytes += reader.ownBytes;
    for (const own of this.#poolBytes.values()) bytes += own;
    return bytes;
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
    const spare = this.takeSpare(task.maxBytes);
    const answer = await this.#run<'range'>({ type: 'range', ...task, spare }, spare ? [spare] : []);
    return answer.batches.map((packed) => new EntryBatch(packed));
  }

  /**
   * Has a thread of the pool serve the other end of a port with ranges of a stream; see `RangePort`.
   * @throws Failure
   */
  async serveRanges(task: Omit<RangesTask, 'type'>): Promise<void> {
    await this.#run<'ranges'>({ type: 'ranges', ...task }, [task.port]);
  }

  /** The same promise, of what a thread of the pool does; until it is kept, one that has stopped is noticed. */
  async watched<T>(work: Promise<T>): Promise<T> {
    this.#poolWork++;
    if (this.#poolWork === 1) for (const heartbeat of this.#heartbeats.values()) heartbeat.watch();
    try {
      return await work;
    } finally {
      this.#poolWork--;
    }
  }

  /** A buffer that a batch of `range` was in, if there is one for so many bytes. */
  takeSpare(bytes: number): ArrayBuffer | undefined {
    return this.#spares.take(bytes);
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
      this.#logger.warn(
        'Redis does not allow scripts (EVAL): describing a stream transfers its newest entry',
      );
    }
    return streams;
  }

  /** Decodes a payload in the pool; `payload` is transferred, so it must have its buffer to itself. @throws Failure */
  decode(payload: Uint8Array<ArrayBuffer>, forms: readonly EntryForm[]): Promise<DecodedEntry> {
    return this.#run<'decode'>({ type: 'decode', payload, forms }, [payload.buffer]);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#deadlines.close();
    for (const heartbeat of this.#heartbeats.values()) heartbeat.stop();
    await Promise.all(this.readers.map((reader) => reader.close()));
    await this.#pool.destroy();
  }

  async #run<K extends keyof PoolTasks>(
    task: PoolTasks[K]['task'],
    transferList: TransferListItem[] = [],
  ): Promise<PoolTasks[K]['answer']> {
    let answer: PoolAnswer<PoolTasks[K]['answer']>;
    if (this.#pool.queueSize >= MAX_QUEUED_TASKS) {
      throw new Failure('overloaded', 'too many reads wait for the pool');
    }
    try {
      // Not by an AbortSignal: Piscina gives a thread that runs such a task no other.
      answer = await this.watched(this.#deadlines.hold(this.#pool.run(task, { transferList })));
    } catch (error) {
      throw this.#failureOf(error as Error);
    }
    if ('failure' in answer) throw new Failure(answer.failure.code, answer.failure.error);
    return answer.ok;
  }

  /** A thread of the pool has started. */
  #greet({ threadId, beats }: PoolGreeting): void {
    const worker = this.#pool.threads.find((thread) => thread.threadId === threadId);
    if (this.#isClosed || worker === undefined) return;
    const heartbeat = new Heartbeat(POOL_SILENCE_MS, {
      ask: () => beats.postMessage(undefined),
      isBusy: () => this.#poolWork > 0,
      stopped: () => {
        this.#logger.error('a pool thread does not answer and is replaced');
        void worker.terminate();
      },
    });
    beats.on('message', (bytes: number) => {
      this.#poolBytes.set(threadId, bytes);
      heartbeat.beat();
    });
    worker.once('exit', () => {
      heartbeat.stop();
      this.#heartbeats.delete(threadId);
      this.#poolBytes.delete(threadId);
    });
    this.#heartbeats.set(threadId, heartbeat);
    heartbeat.watch();
  }

  /** What a task's end without an answer means. */
  #failureOf(error: Error): Failure {
    if (error instanceof Failure) return error;
    if (this.#isClosed) return new Failure('shutting_down', 'the gateway is going down');
    // Its thread is gone, with all that it had under way, or has met what nobody has foreseen.
    this.#logger.error({ err: error }, 'a pool thread failed');
    return new Failure('internal', 'the gateway failed to answer this request', error);
  }
}
