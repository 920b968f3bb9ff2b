/**
 * Ranges of a stream one after the other, from a thread of the pool that reads in advance: while one is sent,
 * the next is here or on its way. Asked for one at a time, Redis, the thread and main would wait for one another.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { RangeNews, RangesTask, RangeWish } from '../../../workers/messages.js';
import { EntryBatch } from '../../protocol/batch.js';
import { Failure } from '../../protocol/errors.js';
import type { Threads } from '../../threads/threads.js';

/** How much is wanted of a range. */
export type RangeSize = Omit<RangeWish, 'spare'>;

/** Whether a range is all that was wanted, so that there may be more. */
export function isFull(batch: EntryBatch, { count, maxBytes }: RangeSize): boolean {
  return batch.length >= count || batch.bytes.length >= maxBytes;
}

interface Waiting {
  resolve(batch: EntryBatch | undefined): void;
  reject(failure: Failure): void;
}

export class RangePort {
  readonly #threads: Threads;
  readonly #port: MessagePort;
  /** Came, and was not asked for yet. */
  readonly #arrived: EntryBatch[] = [];
  /** Of the ranges that did not come yet. */
  readonly #sizes: RangeSize[] = [];
  #waiting: Waiting | undefined;
  #failure: Failure | undefined;
  /** Where the range begins that `next` brings. */
  after: string;
  /** The last range was not full: what follows, if anything, must be asked for anew. */
  isAtEnd = false;

  /** @param first is wished for at once */
  constructor(threads: Threads, task: Omit<RangesTask, 'type' | 'port'>, first: RangeSize) {
    this.#threads = threads;
    this.after = task.after;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', (news: RangeNews) => this.#take(news));
    // Its thread has ended.
    port1.on('close', () => this.#fail(new Failure('internal', 'the gateway failed to answer this request')));
    threads.serveRanges({ ...task, port: port2 }).catch((failure: Failure) => this.#fail(failure));
    this.#wish(first);
  }

  /**
   * The next range, empty where the stream ends; not to be called again before it is there.
   * @param following is wished for in advance
   * @returns undefined where the port was closed meanwhile @throws Failure
   */
  next(following: RangeSize): Promise<EntryBatch | undefined> {
    this.#wish(following);
    const range = new Promise<EntryBatch | undefined>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settle();
    });
    return this.#threads.watched(range);
  }

  /** Lets go of what was read in advance. */
  close(): void {
    this.#port.close();
    this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }

  #wish(size: RangeSize): void {
    this.#sizes.push(size);
    const spare = this.#threads.takeSpare(size.maxBytes);
    this.#port.postMessage({ ...size, spare } satisfies RangeWish, spare === undefined ? [] : [spare]);
  }

  #take(news: RangeNews): void {
    if ('failure' in news) {
      this.#fail(new Failure(news.failure.code, news.failure.error));
      return;
    }
    this.#arrived.push(new EntryBatch(news.batch));
    this.#settle();
  }

  #fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#settle();
  }

  #settle(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const batch = this.#arrived.shift();
    if (batch === undefined && this.#failure === undefined) return;
    this.#waiting = undefined;
    if (batch === undefined) {
      waiting.reject(this.#failure!);
      return;
    }
    this.after = batch.lastId;
    this.isAtEnd = !isFull(batch, this.#sizes.shift()!);
    waiting.resolve(batch);
  }
}
