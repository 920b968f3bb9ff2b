/** Where the followers of a stream at this gateway take in entries as soon as they are stored. */
import type { PackedBatch } from '../protocol/batch.js';

export interface StreamFeed {
  /** The last entry that the followers were given: the next one is wanted. */
  readonly lastId: string;
  /** Whether it must be certain that no entry was lost before one that they are given. */
  readonly isCounted: boolean;
  /** About what an entry takes, in bytes; 0 while that is not known. */
  readonly entryBytes: number;
  /** Entries were sent to Redis: `stored` may follow, and `answered` will. */
  written(): void;
  /** Redis has answered what was written; what is known to follow one another was told. */
  answered(): void;
  /**
   * Entries that Redis has stored. Between `batch.after` and the first of them Redis held none.
   * @param isCounted none was there and removed again, either
   */
  stored(batch: PackedBatch, isCounted: boolean): void;
  /** Others have written to the stream, or removed something. */
  changedByOthers(): void;
}
