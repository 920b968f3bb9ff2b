/**
 * One reader thread, and what it follows. A thread that ends unasked, or does not answer, is replaced, and
 * the new one goes on from the last entry that the old one delivered.
 */
import type { Worker } from 'node:worker_threads';
import type { LostEnd, ReaderCommand, ReaderEvent } from '../../workers/messages.js';
import { BackOff } from '../protocol/back-off.js';
import { EntryBatch } from '../protocol/batch.js';
import { Failure } from '../protocol/errors.js';
import { batchOfReply } from '../protocol/packed-reply.js';
import { EntryTrace } from '../system/entry-trace.js';
import type { Logger } from '../system/logger.js';
import { Heartbeat } from './heartbeat.js';

/** One that ends again and again must not keep the machine busy with being replaced. */
const FIRST_RESPAWN_MS = 50;
const LAST_RESPAWN_MS = 1000;
/** A thread that has lived so long ends for a new reason. */
const SETTLED_MS = 10_000;
/**
 * What was taken in is told in steps of so many bytes, a part of what may be under way: each time wakes the
 * thread, which costs as much as taking in a small entry.
 */
const CONSUMED_STEP_BYTES = 1024 * 1024;
/** Far more than the largest reply takes a reader. */
const SILENCE_MS = 1500;

export interface ReaderListener {
  /** @param isCounted `batch.trimmed` says for certain whether entries are missing; otherwise it may come late */
  onEntries(batch: EntryBatch, isCounted: boolean): void;
  /** All of a reply's batches were told; the last is given. */
  onReply(bytes: number, last: EntryBatch | undefined): void;
  /** The key cannot be read and is not followed any more. */
  onEvicted(key: string, failure: Failure): void;
  /** The stream ends before what was read of it; it is not read on before it is followed anew. */
  onLost(end: LostEnd): void;
  /** The stream was looked at; what was found has been told. */
  onChecked(key: string): void;
}

interface Cursor {
  readonly key: string;
  /** The last entry that was delivered. */
  after: string;
  /** Entries ever added to the stream up to there; undefined where it is not known. */
  added: number | undefined;
  isCounted: boolean;
  readonly generation: number;
}

export class ReaderThread {
  readonly #start: () => Worker;
  readonly #listener: ReaderListener;
  readonly #logger: Logger;
  readonly #trace: EntryTrace | undefined;
  readonly #cursors = new Map<string, Cursor>();
  /** The same by the number of the following: what is under way of an earlier one finds none. */
  readonly #followings = new Map<number, Cursor>();
  #generation = 0;
  #worker: Worker;
  #heartbeat: Heartbeat;
  #startedAt = 0;
  /** Taken in, and not told yet. */
  #consumedBytes = 0;
  readonly #backOff = new BackOff(FIRST_RESPAWN_MS, LAST_RESPAWN_MS);
  #respawnTimer: NodeJS.Timeout | undefined;
  #isClosed = false;
  isConnected = false;
  disconnects = 0;
  /** How often it was replaced. */
  replacements = 0;
  /** What the thread said last of its memory. */
  ownBytes = 0;

  constructor(start: () => Worker, listener: ReaderListener, logger: Logger) {
    this.#start = start;
    this.#listener = listener;
    this.#logger = logger;
    this.#trace = EntryTrace.start(logger);
    [this.#worker, this.#heartbeat] = this.#spawn();
  }

  get streams(): number {
    return this.#cursors.size;
  }

  /**
   * Reads the stream from after the entry `after` on; what is under way of an earlier following is passed over.
   * @param added entries ever added to the stream up to there; undefined where it is not known
   * @param isCounted as for `count`
   */
  follow(key: string, after: string, added: number | undefined, isCounted: boolean): void {
    this.#forget(key);
    const cursor = { key, after, added, isCounted, generation: ++this.#generation };
    this.#cursors.set(key, cursor);
    this.#followings.set(cursor.generation, cursor);
    this.#send({ type: 'follow', ...cursor });
    this.#heartbeat.watch();
  }

  /** Whether a follower of the stream wants to know of losses. What is under way is not counted. */
  count(key: string, isCounted: boolean): void {
    const cursor = this.#cursors.get(key);
    if (cursor === undefined) return;
    cursor.isCounted = isCounted;
    this.#send({ type: 'count', key, isCounted });
  }

  unfollow(key: string): void {
    this.#forget(key);
    this.#send({ type: 'unfollow', key });
  }

  /** Sees soon whether the stream still reaches up to what was read of it. */
  check(key: string): void {
    this.#send({ type: 'check', key });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#heartbeat.stop();
    clearTimeout(this.#respawnTimer);
    this.#send({ type: 'stop' });
    await this.#worker.terminate();
  }

  #send(command: ReaderCommand): void {
    this.#worker.postMessage(command);
  }

  #spawn(): [Worker, Heartbeat] {
    const worker = this.#start();
    this.#startedAt = performance.now();
    this.#consumedBytes = 0;
    const heartbeat = new Heartbeat(SILENCE_MS, {
      ask: () => worker.postMessage({ type: 'beat' } satisfies ReaderCommand),
      isBusy: () => this.#cursors.size > 0,
      stopped: () => {
        this.#logger.error('a reader thread does not answer and is replaced');
        void worker.terminate();
      },
    });
    heartbeat.watch();
    worker.on('message', (event: ReaderEvent) => {
      if (event.type === 'beat') {
        this.ownBytes = event.bytes;
        heartbeat.beat();
      } else this.#take(event);
    });
    worker.on('error', (error) => this.#logger.error({ err: error }, 'a reader thread failed'));
    worker.on('exit', (code) => {
      heartbeat.stop();
      this.#exited(code);
    });
    return [worker, heartbeat];
  }

  #exited(code: number): void {
    this.isConnected = false;
    if (this.#isClosed) return;
    this.#logger.error({ code }, 'a reader thread ended and is replaced');
    this.replacements++;
    if (performance.now() - this.#startedAt > SETTLED_MS) this.#backOff.reset();
    this.#respawnTimer = setTimeout(() => {
      [this.#worker, this.#heartbeat] = this.#spawn();
      for (const cursor of this.#cursors.values()) this.#send({ type: 'follow', ...cursor });
    }, this.#backOff.next());
  }

  #forget(key: string): void {
    const cursor = this.#cursors.get(key);
    if (cursor === undefined) return;
    this.#cursors.delete(key);
    this.#followings.delete(cursor.generation);
  }

  /** Whether what is told of a key is about the present following, and not an earlier one. */
  #isCurrent(key: string, generation: number | undefined): boolean {
    return this.#cursors.get(key)?.generation === generation;
  }

  #take(event: Exclude<ReaderEvent, { type: 'beat' }>): void {
    switch (event.type) {
      case 'entries':
        this.#deliver(event);
        break;
      case 'evicted':
        if (!this.#isCurrent(event.key, event.generation)) return;
        this.#forget(event.key);
        this.#listener.onEvicted(event.key, new Failure(event.failure.code, event.failure.error));
        break;
      case 'lost':
        if (this.#isCurrent(event.end.key, event.end.generation)) this.#listener.onLost(event.end);
        break;
      case 'checked':
        this.#listener.onChecked(event.key);
        break;
      case 'connected':
        this.isConnected = true;
        break;
      case 'disconnected':
        this.isConnected = false;
        this.disconnects++;
        this.#logger.warn({ err: event.reason }, 'a reader lost its connection to Redis');
        break;
      case 'refused':
        this.#logger.warn({ err: event.reason }, 'Redis refuses to read streams; trying again');
        break;
    }
  }

  #deliver({ reply, isCounted, bytes }: Extract<ReaderEvent, { type: 'entries' }>): void {
    let last: EntryBatch | undefined;
    reply.generations.forEach((generation, index) => {
      const cursor = this.#followings.get(generation);
      if (cursor === undefined) return;
      const { key, after } = cursor;
      last = new EntryBatch({ key, after, ...batchOfReply(reply, index) });
      this.#trace?.read(last);
      cursor.after = last.lastId;
      if (cursor.added !== undefined) cursor.added = last.trimmed ? undefined : cursor.added + last.length;
      this.#listener.onEntries(last, isCounted);
    });
    this.#listener.onReply(bytes, last);
    this.#consumedBytes += bytes;
    if (this.#consumedBytes < CONSUMED_STEP_BYTES) return;
    this.#send({ type: 'consumed', bytes: this.#consumedBytes });
    this.#consumedBytes = 0;
  }
}
