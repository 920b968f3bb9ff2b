/**
 * Redis as a follower's source: ranges that the pool reads for this follower alone, from the cursor on. At
 * most two are held: the batch that is sent, and the one after it. The source ends where the hub holds all
 * that follows the cursor.
 *
 * Past `until` the stream is read from Redis to the end, since the hub may not have read all of it yet.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { Failure } from '../../protocol/errors.js';
import type { Proof } from '../../redis/range-reader.js';
import type { Threads } from '../../threads/threads.js';
import type { HubStream } from '../live/hub-stream.js';
import type { Progress } from '../progress.js';
import type { Source, SourceListener } from '../source.js';
import { type RangeQuestion, RangeSequence } from './range-sequence.js';
import type { ReadSlots, SlotUser } from './read-slots.js';
import type { ReadWindow } from './read-window.js';

/** After a failure that may pass the pool is asked again. */
const RETRY_MS = 100;

export interface CatchUpParts {
  readonly threads: Threads;
  readonly hub: HubStream;
  readonly progress: Progress;
  readonly window: ReadWindow;
  readonly slots: ReadSlots;
  readonly listener: SourceListener;
  /** Losses are reported. */
  readonly countsLosses: boolean;
  /** Only the newest entry is wanted. */
  readonly latest: boolean;
}

interface Question extends RangeQuestion {
  /** Up to this id nothing is left where the answer is empty. */
  readonly known: string;
  /** Where the answer is empty, nothing will follow. */
  readonly isLast: boolean;
}

interface Answer {
  readonly batch: EntryBatch;
  readonly question: Question;
}

export class CatchUpSource implements Source, SlotUser {
  readonly #parts: CatchUpParts;
  readonly #ranges: RangeSequence;
  /** How losses are found behind what the client had. */
  readonly #proof: Proof;
  #batch: EntryBatch | undefined;
  entry = 0;
  /** The batch is the newest entry of a time, rather than what comes next. */
  #isNewest = false;
  /** What follows the batch. */
  #ahead: Answer | undefined;
  hasEnded = false;
  /** Redis was asked what it holds after the cursor: the hub has all that comes after that. */
  #hasAnswer = false;
  #isReading = false;
  #hasSlot = false;
  #awaitsSlot = false;
  /** The pool is not asked again: for a while, or at all. */
  #hasFailed = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
    const { threads, hub, window, latest, countsLosses } = parts;
    // A loss that is not reported is counted all the same, for the metrics. What `latest` skips is none.
    if (latest) this.#proof = 'none';
    else this.#proof = countsLosses ? 'state' : 'presence';
    this.#ranges = new RangeSequence(threads, hub.key, window, this.#proof);
  }

  get isPending(): boolean {
    return this.#isReading || this.#awaitsSlot || this.#hasFailed;
  }

  get held(): EntryBatch | undefined {
    return this.#batch;
  }

  next(): EntryBatch | undefined {
    const batch = this.#current();
    if (batch === undefined) {
      if (this.#isCaughtUp) this.hasEnded = true;
      else this.#readNext(this.#parts.progress.cursor);
    }
    this.#returnSlot();
    return batch;
  }

  newest(limit: string | undefined): EntryBatch | undefined {
    const batch = this.#newest(limit);
    this.#returnSlot();
    return batch;
  }

  consumed(to: number): void {
    const isFirst = this.entry === 0;
    this.entry = to;
    const batch = this.#batch;
    if (!isFirst || batch === undefined || this.#isNewest) return;
    // The client takes some of this batch: the next one is read meanwhile.
    if (!this.#parts.window.mayReadAhead(batch)) return;
    const isHubPast = compareEntryIds(batch.lastId, this.#hubStart) < 0;
    if (isHubPast || this.#parts.progress.isPastUntil) this.#readNext(batch.lastId);
  }

  letGo(): void {
    this.#batch = undefined;
    this.#ahead = undefined;
    this.#ranges.letGo();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    this.letGo();
    this.#ranges.close();
    this.#parts.slots.leave(this);
    this.#returnSlot();
  }

  onSlot(): void {
    this.#hasSlot = true;
    this.#awaitsSlot = false;
    this.#parts.listener.onReady();
  }

  /** The id after which the hub holds all that this follower needs. */
  get #hubStart(): string {
    const { hub, countsLosses } = this.#parts;
    return countsLosses ? hub.countedAfter : hub.startAfter;
  }

  get #isCaughtUp(): boolean {
    const { progress } = this.#parts;
    if (!this.#hasAnswer || progress.isPastUntil) return false;
    return compareEntryIds(progress.cursor, this.#hubStart) >= 0;
  }

  /** The batch whose entry `entry` comes next; undefined where nothing is held any more. */
  #current(): EntryBatch | undefined {
    const batch = this.#batch;
    if (batch === undefined || this.entry < batch.length) return batch;
    // Asked for more, the client has room: all of the batch has left for its socket.
    this.#batch = undefined;
    this.#parts.threads.recycle(batch);
    this.#parts.window.grow();
    const ahead = this.#ahead;
    if (ahead === undefined) return undefined;
    this.#ahead = undefined;
    this.#take(ahead);
    return this.#current();
  }

  #newest(limit: string | undefined): EntryBatch | undefined {
    const batch = this.#current();
    // What lies between may be skipped.
    if (this.#isHubAhead(limit) || (batch === undefined && this.#isCaughtUp)) {
      this.hasEnded = true;
      return undefined;
    }
    if (batch === undefined) {
      this.#readNewest(limit);
      return undefined;
    }
    if (this.#isNewest || limit === undefined) {
      this.entry = batch.length - 1;
      return batch;
    }
    const end = batch.firstAfter(limit, this.entry);
    if (end === this.entry) return undefined;
    if (end === batch.length) {
      // More of what is up to the limit may follow the batch.
      this.letGo();
      this.#readNewest(limit);
      return undefined;
    }
    this.entry = end - 1;
    return batch;
  }

  /** Whether the hub holds an entry that is newer than all up to the cursor, and none that is after `limit`. */
  #isHubAhead(limit: string | undefined): boolean {
    const { hub, progress } = this.#parts;
    if (progress.isPastUntil || hub.newest === undefined) return false;
    if (limit !== undefined && compareEntryIds(hub.lastId, limit) > 0) return false;
    return compareEntryIds(hub.lastId, progress.cursor) > 0;
  }

  #readNext(after: string): void {
    const { hub, progress } = this.#parts;
    void this.#read({
      after,
      until: progress.until,
      latest: false,
      proof: progress.hadCursor ? this.#proof : 'none',
      entryBytes: hub.entryBytes,
      // What the hub holds from here on need not be read again.
      known: this.#hubStart,
      isLast: progress.isPastUntil,
    });
  }

  #readNewest(limit: string | undefined): void {
    const { hub, progress } = this.#parts;
    const { cursor, until, isPastUntil } = progress;
    void this.#read({
      after: cursor,
      until: limit,
      latest: true,
      proof: 'none',
      entryBytes: hub.entryBytes,
      known: limit === undefined || limit === until ? hub.lastId : cursor,
      isLast: isPastUntil && limit === until,
    });
  }

  /** Asks the pool, unless it is reading already or may not yet. */
  async #read(question: Question): Promise<void> {
    const { progress, slots, listener } = this.#parts;
    if (progress.isFinished || this.#isReading || this.#hasFailed) return;
    this.#hasSlot ||= slots.take(this);
    this.#awaitsSlot = !this.#hasSlot;
    if (!this.#hasSlot) return;
    this.#isReading = true;
    try {
      const batch = await this.#ranges.read(question);
      this.#isReading = false;
      if (this.#isClosed) {
        this.#returnSlot();
        return;
      }
      if (batch !== undefined) {
        const answer = { batch, question };
        if (this.#batch?.lastId === question.after) this.#ahead = answer;
        else this.#take(answer);
      }
      listener.onReady();
    } catch (error) {
      this.#isReading = false;
      this.#ranges.letGo();
      if (this.#isClosed) this.#returnSlot();
      else this.#readFailed(error as Failure);
    }
  }

  #take({ batch, question }: Answer): void {
    const { progress } = this.#parts;
    this.#hasAnswer = true;
    // What came before it was let go, and has to be read again first.
    if (progress.cursor !== question.after) return;
    if (batch.length > 0) {
      this.#batch = batch;
      this.entry = 0;
      this.#isNewest = question.latest;
      return;
    }
    if (question.isLast) progress.finish();
    if (compareEntryIds(question.after, question.known) < 0) progress.passOver(question.known, batch.trimmed);
  }

  #readFailed(failure: Failure): void {
    const { listener } = this.#parts;
    this.#hasFailed = true;
    // The client keeps its connection through whatever passes.
    if (!failure.mayPass && failure.code !== 'internal') {
      listener.onFailed(failure);
      return;
    }
    this.#retryTimer = setTimeout(() => {
      this.#hasFailed = false;
      listener.onReady();
    }, RETRY_MS);
  }

  /** Gives the slot back where there is no more use for it. In a replay, what is held is bounded by its share. */
  #returnSlot(): void {
    if (!this.#hasSlot || this.#isReading) return;
    if (this.#batch !== undefined && this.#parts.window.share === undefined) return;
    this.#ranges.letGo();
    this.#hasSlot = false;
    this.#parts.slots.give();
  }
}
