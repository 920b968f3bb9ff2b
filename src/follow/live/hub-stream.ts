/**
 * A followed stream: its newest batches, and who listens.
 *
 *     Redis   … | entries before `startAfter` | batch n | batch n+1 | … lastId | not read yet
 *                                              firstNumber              nextNumber
 *
 * The batches follow one another without a gap: each was read after the last id of the one before. So a
 * follower whose cursor is at or after `startAfter` can go on here, and any other must ask Redis.
 *
 * A stream that was deleted, made anew or is back in an older state is reset: what is held goes, and reading
 * begins again from where Redis may hold what was not read.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { Failure } from '../../protocol/errors.js';

/** How a stream came to end before what was read of it. */
export type ResetReason = 'deleted' | 'recreated' | 'shortened';

/** A stream is read anew. */
export interface Reset {
  readonly key: string;
  readonly reason: ResetReason;
  /** Nothing after this id was read: a cursor beyond it, of entries that are gone, goes back to it. */
  readonly base: string;
  /** The last id that had been read. */
  readonly lastId: string;
}

/** Counts the streams that the gateway reads on behalf of a client. */
export interface StreamPayer {
  take(streams: number): void;
  give(streams: number): void;
}

export interface HubListener {
  /** Whose client the stream is counted for, if it is the first to follow it; undefined: nobody's. */
  readonly payer?: StreamPayer | undefined;
  /** It wants to know of entries that were lost before they were read. */
  readonly countsLosses?: boolean;
  /** A batch was added. */
  onEntries(): void;
  /** The stream is not what it was. */
  onReset(reset: Reset): void;
  /** The stream cannot be read any more; nothing follows. */
  onEvicted(failure: Failure): void;
}

/** What a batch takes besides its payloads, roughly: small batches must not slip under the bounds. */
const BATCH_OVERHEAD_BYTES = 512;

const heldBytes = (batch: EntryBatch) => batch.bytes.length + BATCH_OVERHEAD_BYTES;

/** Where a follower goes on: entry `index` of batch `number`. */
export interface HubPosition {
  readonly number: number;
  readonly index: number;
}

export class HubStream {
  readonly key: string;
  readonly listeners = new Set<HubListener>();
  readonly #batches: EntryBatch[] = [];
  #firstNumber = 0;
  #startAfter: string;
  /** After this id it is known of each batch whether entries before it are missing. */
  #countedAfter: string;
  #lastId: string;
  #bytes = 0;
  /** How many entries were read so far. */
  entries = 0;
  /** Average payload size seen, in bytes; 0 while nothing was. */
  entryBytes = 0;

  /** @param startAfter the id after which the reader begins */
  constructor(key: string, startAfter: string) {
    this.key = key;
    this.#startAfter = startAfter;
    this.#countedAfter = startAfter;
    this.#lastId = startAfter;
  }

  /** The id after which every entry that was read is still held here. */
  get startAfter(): string {
    return this.#startAfter;
  }

  /** As `startAfter`, and it is known of each entry whether any before it are missing. */
  get countedAfter(): string {
    return compareEntryIds(this.#countedAfter, this.#startAfter) > 0 ? this.#countedAfter : this.#startAfter;
  }

  /** The last entry that was read. */
  get lastId(): string {
    return this.#lastId;
  }

  get newest(): EntryBatch | undefined {
    return this.#batches.at(-1);
  }

  /** The number that the next batch will have. */
  get nextNumber(): number {
    return this.#firstNumber + this.#batches.length;
  }

  /** What the batches held take. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#batches.length;
  }

  /** The number of the oldest batch that is held. */
  get firstNumber(): number {
    return this.#firstNumber;
  }

  /** Batch `number`; undefined once it was let go, or while it has not come. */
  batch(number: number): EntryBatch | undefined {
    return this.#batches[number - this.#firstNumber];
  }

  /**
   * Adds what was read after `lastId`.
   * @param isCounted it is known whether entries before it are missing @returns the bytes it takes
   */
  add(batch: EntryBatch, isCounted: boolean): number {
    // Followers that keep up share the newest batch's messages; those of older ones are not worth keeping.
    this.newest?.forgetMessages();
    this.#batches.push(batch);
    this.#bytes += heldBytes(batch);
    this.#lastId = batch.lastId;
    if (!isCounted) this.#countedAfter = batch.lastId;
    this.entries += batch.length;
    this.entryBytes = batch.bytes.length / batch.length;
    return heldBytes(batch);
  }

  /** Lets the oldest batch go. @returns its bytes */
  dropOldest(): number {
    const batch = this.#batches.shift();
    if (batch === undefined) return 0;
    this.#firstNumber++;
    this.#startAfter = batch.lastId;
    this.#bytes -= heldBytes(batch);
    return heldBytes(batch);
  }

  /** Begins anew after the id `base`. To be called once no batch is held. */
  reset(base: string): void {
    this.#startAfter = base;
    this.#countedAfter = base;
    this.#lastId = base;
  }

  /** Whether the one entry of `newest` is among those held here, to the byte. */
  holds(newest: EntryBatch): boolean {
    for (const held of this.#batches) {
      const index = held.ids.indexOf(newest.lastId);
      if (index >= 0) return Buffer.compare(held.payload(index), newest.bytes) === 0;
    }
    return false;
  }

  /** The last entry that is not after `limit`; undefined where none is held here. */
  newestUpTo(limit: string): HubPosition | undefined {
    const isPast = compareEntryIds(limit, this.#lastId) >= 0;
    const after = isPast ? { number: this.nextNumber, index: 0 } : this.locate(limit);
    if (after === undefined) return undefined;
    if (after.index > 0) return { number: after.number, index: after.index - 1 };
    const number = after.number - 1;
    const before = this.batch(number);
    return before && { number, index: before.length - 1 };
  }

  /** The first entry after `cursor`; undefined where it is no longer, or not yet, held here. */
  locate(cursor: string): HubPosition | undefined {
    const ahead = compareEntryIds(cursor, this.#lastId);
    if (ahead === 0) return { number: this.nextNumber, index: 0 };
    if (ahead > 0 || compareEntryIds(cursor, this.#startAfter) < 0) return undefined;
    // From the newest back, since followers are mostly near it.
    let at = this.#batches.length - 1;
    while (at > 0 && compareEntryIds(cursor, this.#batches[at]!.after) < 0) at--;
    return { number: this.#firstNumber + at, index: this.#batches[at]!.firstAfter(cursor) };
  }
}
