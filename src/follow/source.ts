/**
 * Where a followed stream takes its entries from. It has one source at a time:
 *
 *     catch-up/catch-up-source   ranges of Redis, read by the pool for this follower alone
 *     live/live-source           the hub's batches, shared by all followers of the stream
 *
 * The followed stream pulls from its source, and moves on to another when the source has ended. A source
 * calls back through `SourceListener` only. A replay has no source of its own: it takes from the same two,
 * up to the id that is due.
 */

import type { EntryBatch } from '../protocol/batch.js';
import type { Failure } from '../protocol/errors.js';

export interface Source {
  /** The batch that contains what follows the cursor; undefined where nothing is here, or not yet. */
  next(): EntryBatch | undefined;
  /** As `next`, but skips to the newest entry; of those up to `limit`, if that is given. */
  newest(limit: string | undefined): EntryBatch | undefined;
  /** Which entry of the batch returned last comes next. */
  readonly entry: number;
  /** The entries of that batch before `to` were sent, and the cursor has moved. */
  consumed(to: number): void;
  /** This source does not have what follows the cursor: another has to go on. Known after `next` or `newest`. */
  readonly hasEnded: boolean;
  /** A read is under way, or will be made. */
  readonly isPending: boolean;
  /** The batch that is held for this follower alone. */
  readonly held: EntryBatch | undefined;
  /** Drops what is held: it is found again by the cursor. */
  letGo(): void;
  close(): void;
}

export interface SourceListener {
  /** There may be something to take. */
  onReady(): void;
  /** The stream cannot be read; nothing follows. */
  onFailed(failure: Failure): void;
}
