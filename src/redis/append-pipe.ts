/**
 * A way of entries into Redis: one connection, XADDs pipelined, flushed once a turn of the loop.
 *
 * Promises:
 * - Order: entries are stored in the order of `append`, all streams and producers together.
 * - Each entry's receipt is told once, after Redis answered that XADD, or when the entry is given up.
 * - A lost connection: entries without an answer are sent again and so may be stored twice (at least
 *   once), those never sent follow in order. If Redis stays away for `maxOutageMs`, all that wait are
 *   given up and new ones are refused at once, until it is back.
 * - Bounded: beyond what the budget has left, entries are refused.
 */
import { Failure, failureFromRedis } from '../errors.js';
import type { Logger } from '../logger.js';
import { AppendBatch, type Receipt, SLAB_BYTES } from './append-batch.js';
import type { AppendStream } from './append-command.js';
import { RedisConnection } from './connection.js';
import type { ReplyCursor } from './resp.js';
import type { RedisTarget } from './target.js';

/** A turn's commands are sent before its end once they are this many bytes. */
const FLUSH_BYTES = 256 * 1024;
/** Slabs kept for reuse; more are left to the garbage collector. */
const SPARE_SLABS = 64;
const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 500;
/** A connection with commands outstanding from which nothing has come for so long is taken for dead. */
const SILENCE_MS = 10_000;

/** Bytes that may wait for Redis, in all pipes together. */
export interface AppendBudget {
  usedBytes: number;
  readonly maxBytes: number;
}

export interface AppendPipeOptions {
  readonly target: RedisTarget;
  readonly logger: Logger;
  readonly budget: AppendBudget;
  readonly maxOutageMs: number;
}

export class AppendPipe {
  readonly #options: AppendPipeOptions;
  /** Batches with unanswered commands, oldest first; those from `#unsent` on are not written yet. */
  readonly #batches: AppendBatch[] = [];
  #unsent = 0;
  readonly #spareSlabs: Buffer[] = [];
  #connection: RedisConnection | undefined;
  #isReady = false;
  #isClosed = false;
  #isFlushScheduled = false;
  #bufferedBytes = 0;
  #unflushedBytes = 0;
  #retryMs = FIRST_RETRY_MS;
  #retryTimer: NodeJS.Timeout | undefined;
  #outageTimer: NodeJS.Timeout | undefined;
  readonly #silenceTimer: NodeJS.Timeout;
  #lastReplyAt = 0;
  /** Why entries are refused at once; undefined while they are taken. */
  #outage: Failure | undefined;
  #whenIdle: (() => void)[] = [];
  /** Connections lost since the start. */
  disconnects = 0;

  constructor(options: AppendPipeOptions) {
    this.#options = options;
    this.#silenceTimer = setInterval(() => this.#checkSilence(), SILENCE_MS / 4);
    this.#silenceTimer.unref();
    this.#startOutage();
    this.#connect();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Bytes of commands that Redis has not answered: this pipe's share of the budget that is used. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Takes one entry to store; `payload` is copied before this returns.
   * The receipt is told later, or within the call where the entry cannot be taken.
   */
  append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const refusal = this.#refusal(payload.length);
    if (refusal !== undefined) {
      receipt.refused(token, refusal);
      return;
    }
    const last = this.#batches.length > this.#unsent ? this.#batches.at(-1) : undefined;
    let bytes = last?.add(stream, id, payload, receipt, token) ?? 0;
    if (bytes === 0) {
      const batch = new AppendBatch(this.#spareSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES));
      this.#batches.push(batch);
      bytes = batch.add(stream, id, payload, receipt, token);
    }
    this.#bufferedBytes += bytes;
    this.#options.budget.usedBytes += bytes;
    this.#unflushedBytes += bytes;
    if (this.#unflushedBytes >= FLUSH_BYTES) this.#flush();
    else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      setImmediate(this.#flushTurn);
    }
  }

  /** Resolves once every entry taken so far is stored or given up. */
  idle(): Promise<void> {
    if (this.#batches.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Ends the connection; what still waits is given up. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#silenceTimer);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#outageTimer);
    this.#outage = new Failure('shutting_down', 'the gateway is going down');
    this.#giveUp(this.#outage);
    this.#connection?.destroy();
  }

  #refusal(payloadBytes: number): Failure | undefined {
    if (this.#outage !== undefined) return this.#outage;
    const { usedBytes, maxBytes } = this.#options.budget;
    if (usedBytes + payloadBytes <= maxBytes) return undefined;
    return new Failure(
      'overloaded',
      `${usedBytes} bytes already wait for Redis (MAX_BUFFERED_BYTES is ${maxBytes})`,
    );
  }

  readonly #flushTurn = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  #flush(): void {
    this.#unflushedBytes = 0;
    if (!this.#isReady) return;
    if (this.#unsent === 0) this.#lastReplyAt = Date.now();
    const parts: Uint8Array[] = [];
    for (; this.#unsent < this.#batches.length; this.#unsent++) {
      parts.push(...this.#batches[this.#unsent]!.unansweredParts());
    }
    if (parts.length > 0) this.#connection?.write(...parts);
  }

  #connect(): void {
    this.#connection = new RedisConnection(this.#options.target, 'append', {
      ready: () => this.#ready(),
      reply: (cursor) => this.#reply(cursor),
      closed: (cause) => this.#lost(cause),
    });
  }

  #ready(): void {
    this.#isReady = true;
    this.#retryMs = FIRST_RETRY_MS;
    this.#outage = undefined;
    clearTimeout(this.#outageTimer);
    this.#outageTimer = undefined;
    this.#options.logger.debug({ batches: this.#batches.length }, 'the append pipe is connected');
    // All that has no answer goes out again, in order, before anything new.
    this.#unsent = 0;
    this.#flush();
  }

  #reply(cursor: ReplyCursor): void {
    const batch = this.#batches[0];
    if (batch === undefined || this.#unsent === 0) throw new Error('Redis answered more than it was asked');
    this.#lastReplyAt = Date.now();
    const failure = cursor.isError ? failureFromRedis(cursor.text()) : undefined;
    const bytes = batch.answer((receipt, token) => {
      if (failure === undefined) receipt.stored(token, cursor);
      else receipt.refused(token, failure);
    });
    this.#bufferedBytes -= bytes;
    this.#options.budget.usedBytes -= bytes;
    if (batch.unanswered === 0) this.#retire();
  }

  #retire(): void {
    const batch = this.#batches.shift()!;
    this.#unsent--;
    if (this.#spareSlabs.length < SPARE_SLABS) this.#spareSlabs.push(batch.slab);
    if (this.#batches.length === 0) this.#tellIdle();
  }

  #lost(cause: Error): void {
    if (this.#isClosed) return;
    if (this.#isReady) {
      this.disconnects++;
      this.#options.logger.warn({ err: cause.message }, 'the append pipe lost its connection to Redis');
    } else if (this.#retryMs === FIRST_RETRY_MS) {
      // The first of many attempts, at the start: a wrong address or password shows here.
      this.#options.logger.warn({ err: cause.message }, 'the append pipe cannot connect to Redis');
    }
    this.#isReady = false;
    this.#startOutage();
    this.#retryTimer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #startOutage(): void {
    this.#outageTimer ??= setTimeout(() => {
      this.#outage = new Failure('redis_unavailable', 'Redis cannot be reached');
      this.#giveUp(this.#outage);
    }, this.#options.maxOutageMs);
  }

  #giveUp(failure: Failure): void {
    const batches = this.#batches.splice(0);
    this.#unsent = 0;
    this.#options.budget.usedBytes -= this.#bufferedBytes;
    this.#bufferedBytes = 0;
    for (const batch of batches) {
      while (batch.unanswered > 0) batch.answer((receipt, token) => receipt.refused(token, failure));
    }
    this.#tellIdle();
  }

  #tellIdle(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  #checkSilence(): void {
    if (!this.#isReady || this.#unsent === 0 || Date.now() - this.#lastReplyAt < SILENCE_MS) return;
    this.#connection?.destroy(new Error(`Redis has not answered for ${SILENCE_MS} ms`));
  }
}
