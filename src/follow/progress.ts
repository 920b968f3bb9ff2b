/**
 * How far a stream was sent to one follower, what was lost on the way, and whether all of it was sent.
 *
 * Sources read it to know what comes next.
 */

import type { EntryBatch } from '../protocol/batch.js';
import { BEFORE_FIRST, compareEntryIds } from '../protocol/entry-id.js';
import type { Gap } from '../protocol/pull-message.js';
import type { Reset } from './live/hub-stream.js';

export interface ProgressStart {
  /** Entries after this id are wanted. */
  readonly cursor: string;
  /** The stream's last generated id at the request. */
  readonly tail: string;
  /** The client has read up to the cursor, and wants to know what it missed since. */
  readonly isResumed: boolean;
  /** Losses are reported. */
  readonly countsLosses: boolean;
  /** No entry after this id is wanted. */
  readonly until: string | undefined;
}

export class Progress {
  readonly until: string | undefined;
  #cursor: string;
  /** The cursor is one that we read. */
  #isOwnCursor: boolean;
  #hadCursor: boolean;
  #tail: string;
  /** Entries after that id were lost, and the client has not been sent any since. */
  #loss: Omit<Gap, 'resumedAt'> | undefined;
  #isPastUntil = false;
  #isFinished = false;

  constructor({ cursor, tail, isResumed, countsLosses, until }: ProgressStart) {
    this.until = until;
    this.#cursor = cursor;
    this.#tail = tail;
    this.#isOwnCursor = cursor === tail && tail !== BEFORE_FIRST;
    this.#hadCursor = this.#isOwnCursor || isResumed || (countsLosses && cursor === tail);
    // Ids only grow: it is not the stream that the client read.
    if (isResumed && compareEntryIds(cursor, tail) > 0) this.#loss = { after: cursor, reason: 'deleted' };
  }

  /** The last entry sent. */
  get cursor(): string {
    return this.#cursor;
  }

  /** The client has had the entry at the cursor, so that entries trimmed after it are a loss. */
  get hadCursor(): boolean {
    return this.#hadCursor;
  }

  /** Where the stream ended when following began. */
  get tail(): string {
    return this.#tail;
  }

  /** No entry up to `until` can be stored any more: what Redis holds up to there is all there will be. */
  get isPastUntil(): boolean {
    return this.#isPastUntil;
  }

  /** Every entry up to `until` was sent. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Entries up to this id were sent. */
  moveTo(id: string): void {
    this.#cursor = id;
    this.#isOwnCursor = true;
    this.#hadCursor = true;
  }

  /** Redis holds no entry up to this id any more. @param trimmed entries that it held are lost */
  passOver(id: string, trimmed: boolean): void {
    if (trimmed) this.#loss ??= { after: this.#cursor, reason: 'trimmed' };
    this.#cursor = id;
  }

  passUntil(): void {
    this.#isPastUntil = true;
  }

  finish(): void {
    this.#isFinished = true;
  }

  /** The stream is read again from `base` on. */
  reset({ base, lastId }: Reset): void {
    // A client may have named a cursor ahead of all that there was: it is used as given.
    // One that the stream had at the request may be further than what was read since.
    const isAhead =
      compareEntryIds(this.#cursor, lastId) > 0 && compareEntryIds(this.#cursor, this.#tail) > 0;
    if (this.#isOwnCursor || !isAhead) {
      // Redis may have come back with older data, so unread entries may be missing.
      this.#loss ??= { after: this.#cursor, reason: 'deleted' };
      if (compareEntryIds(this.#cursor, base) > 0) this.#cursor = base;
      this.#isOwnCursor = this.#cursor !== BEFORE_FIRST;
      this.#hadCursor = this.#isOwnCursor;
    }
    this.#tail = base;
  }

  /** What was lost before entry `from` of a batch, of which nothing was skipped. */
  gapBefore(batch: EntryBatch, from: number): Gap | undefined {
    const isTorn = from === 0 && batch.trimmed;
    if (this.#loss !== undefined)
      return { ...this.#loss, resumedAt: isTorn ? batch.resumedAt! : batch.ids[from]! };
    if (!isTorn) return undefined;
    const isLate = compareEntryIds(batch.lostAfter, this.#cursor) < 0;
    return {
      after: isLate ? batch.lostAfter : this.#cursor,
      resumedAt: batch.resumedAt!,
      reason: 'trimmed',
    };
  }

  /** With `latest`, what was lost before an entry: what is skipped is no loss. */
  gapBeforeNewest(id: string): Gap | undefined {
    return this.#loss && { ...this.#loss, resumedAt: id };
  }

  /** The client was sent the gap. */
  gapReported(): void {
    this.#loss = undefined;
  }
}
