/**
 * What the pool has read of a stream for one follower: the batch that is sent, and the one after it.
 *
 * They are of a size that the client has shown to take, and are held only while the follower lets it. What is
 * let go the stream's cursor finds again.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import type { Failure } from '../../protocol/errors.js';
import type { Threads } from '../../threads/threads.js';
import { isFull, RangePort, type RangeSize } from './range-port.js';

/** What the pool is asked for. */
export interface Question {
  readonly after: string;
  readonly until: string | undefined;
  /** The newest entry only. */
  readonly latest: boolean;
  /** Whether entries that were trimmed after `after` are a loss. */
  readonly detectTrimming: boolean;
  /** What an entry of the stream takes, in bytes, as far as others know; 0 where they do not. */
  readonly entryBytes: number;
  /** Up to which id the hub held what follows when this was asked. */
  readonly known: string;
  /** Where nothing is left after this, nothing will follow. */
  readonly isLast: boolean;
}

/** What the pool has read. */
export interface RangeAnswer {
  readonly batch: EntryBatch;
  readonly question: Question;
}

/** Whose backlog it is. */
export interface BacklogOwner {
  /** Whether the pool may read now; if not, `mayRead` is called when it may. */
  askToRead(): boolean;
  /** Nothing is held any more of what the pool has read. */
  endRead(): void;
  /** What comes next: to be held, or passed over. */
  onRead(answer: RangeAnswer): void;
  /** The pool has answered, and there may be something to send. */
  onReady(): void;
  onReadFailed(failure: Failure): void;
}

const FIRST_APPETITE_BYTES = 256 * 1024;
const LEAST_APPETITE_BYTES = 64 * 1024;
const MOST_APPETITE_BYTES = 4 * 1024 * 1024;
/** A range ends with the entry that fills it. One that is larger than this, of large entries, is not held twice. */
const MOST_AHEAD_BYTES = 2 * MOST_APPETITE_BYTES;
const MAX_RANGE_COUNT = 10_000;
/** What an entry is taken for before any was seen. */
const GUESS_ENTRY_BYTES = 64 * 1024;

export class Backlog {
  readonly #threads: Threads;
  readonly #key: string;
  readonly #owner: BacklogOwner;
  #batch: EntryBatch | undefined;
  /** The entry in the batch that comes next. */
  entry = 0;
  /** The batch is the newest entry of a time, rather than what comes next. */
  isNewest = false;
  #ahead: RangeAnswer | undefined;
  /** Average payload size of what was read last, in bytes; 0 while nothing was. */
  #entryBytes = 0;
  /** How much is read at once: as much as the client was seen to take. */
  #appetite = FIRST_APPETITE_BYTES;
  /** In a replay what may be held while nothing of it is due, in bytes: reading needs leave, and holding none. */
  share: number | undefined;
  /** What follows the last range, read in advance: there while ranges follow one another. */
  #following: RangePort | undefined;
  #isReading = false;
  #mayRead = false;
  #awaitsLeave = false;
  /** The pool is not asked again before `retry`. */
  #hasFailed = false;
  /** How often the stream was reset: what was asked for before is of one that is gone. */
  #resets = 0;
  #isClosed = false;

  constructor(threads: Threads, key: string, owner: BacklogOwner, share: number | undefined) {
    this.#threads = threads;
    this.#key = key;
    this.#owner = owner;
    this.share = share;
  }

  /** What is held, be there anything in it to come or not. */
  get batch(): EntryBatch | undefined {
    return this.#batch;
  }

  /** Whether the pool reads, or is to be asked again after a failure. */
  get isReading(): boolean {
    return this.#isReading || this.#hasFailed;
  }

  /** Whether more is to come of what was asked for. */
  get isPending(): boolean {
    return this.isReading || this.#awaitsLeave;
  }

  /** The batch whose entry `entry` comes next; undefined where nothing is held any more. */
  current(): EntryBatch | undefined {
    const batch = this.#batch;
    if (batch === undefined || this.entry < batch.length) return batch;
    // Asked for more, the client has room: all of the batch has left for its socket.
    this.#batch = undefined;
    this.#threads.recycle(batch);
    this.#appetite = Math.min(this.#appetite * 2, MOST_APPETITE_BYTES);
    const ahead = this.#ahead;
    if (ahead === undefined) return undefined;
    this.#ahead = undefined;
    this.#owner.onRead(ahead);
    return this.current();
  }

  hold(batch: EntryBatch, isNewest: boolean): void {
    this.#batch = batch;
    this.entry = 0;
    this.isNewest = isNewest;
  }

  /** Whether what follows a batch may be read before that is sent. In a replay there is time. */
  mayReadAhead({ bytes }: EntryBatch): boolean {
    return this.share === undefined && bytes.length <= MOST_AHEAD_BYTES;
  }

  /** Asks the pool, unless it is reading already or may not yet. */
  async read(question: Question): Promise<void> {
    if (this.#isReading || this.#hasFailed) return;
    this.#mayRead ||= this.#owner.askToRead();
    this.#awaitsLeave = !this.#mayRead;
    if (!this.#mayRead) return;
    this.#isReading = true;
    const resets = this.#resets;
    try {
      const batch = await this.#readRange(question);
      this.#isReading = false;
      if (this.#isClosed) return;
      if (batch === undefined) {
        this.#owner.onReady();
        return;
      }
      if (batch.length > 0) this.#entryBytes = batch.bytes.length / batch.length;
      if (resets === this.#resets) {
        const answer = { batch, question };
        if (this.#batch?.lastId === question.after) this.#ahead = answer;
        else this.#owner.onRead(answer);
      }
      this.#owner.onReady();
    } catch (error) {
      this.#stopFollowing();
      this.#isReading = false;
      this.#hasFailed = true;
      if (!this.#isClosed) this.#owner.onReadFailed(error as Failure);
    }
  }

  /** Lets go of what is held, to be read again from the cursor on. */
  letGo(): void {
    this.#batch = undefined;
    this.#ahead = undefined;
    this.#stopFollowing();
  }

  /** Lets go of what the client does not take, and reads less from now on. @returns whether there was any */
  giveUp(): boolean {
    if (this.#batch === undefined) return false;
    this.letGo();
    this.#appetite = Math.max(this.#appetite / 2, LEAST_APPETITE_BYTES);
    return true;
  }

  /** The stream is another: lets go of all, and passes over what was asked for before. */
  reset(): void {
    this.#resets++;
    this.letGo();
  }

  /** Gives back the leave to read where there is no more use for it. */
  release(): void {
    if (!this.#mayRead || this.#isReading) return;
    if (this.#batch !== undefined && this.share === undefined) return;
    this.#stopFollowing();
    this.#mayRead = false;
    this.#owner.endRead();
  }

  /** The pool may read now. */
  mayRead(): void {
    this.#mayRead = true;
    this.#awaitsLeave = false;
  }

  /** Lets the pool be asked again after it failed. */
  retry(): void {
    this.#hasFailed = false;
  }

  close(): void {
    this.#isClosed = true;
    this.letGo();
  }

  /** @returns undefined where what was read in advance was let go meanwhile */
  async #readRange({ after, until, latest, ...question }: Question): Promise<EntryBatch | undefined> {
    const size: RangeSize = {
      count: latest ? 1 : MAX_RANGE_COUNT,
      maxBytes: Math.min(this.#appetite, this.share ?? MOST_APPETITE_BYTES),
      expectedBytes: this.#entryBytes || question.entryBytes || GUESS_ENTRY_BYTES,
    };
    const following = this.#following;
    if (following !== undefined && following.after === after && !latest) {
      const batch = await following.next(size);
      if (batch === undefined) return undefined;
      if (following.isAtEnd || !this.mayReadAhead(batch)) this.#stopFollowing();
      // That there was nothing in advance does not say that there is nothing now.
      if (batch.length > 0) return batch;
    }
    this.#stopFollowing();
    const { detectTrimming } = question;
    const streams = [{ key: this.#key, after }];
    const [batch] = await this.#threads.range({ ...size, streams, latest, until, detectTrimming });
    if (!latest && isFull(batch!, size) && this.mayReadAhead(batch!) && !this.#isClosed) {
      const task = { key: this.#key, after: batch!.lastId, until };
      this.#following = new RangePort(this.#threads, task, size);
    }
    return batch;
  }

  #stopFollowing(): void {
    this.#following?.close();
    this.#following = undefined;
  }
}
