/**
 * The hub's batches as a follower's source: a place among them, and no copy. It ends where the hub no longer
 * holds what follows the cursor.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { Progress } from '../progress.js';
import type { Source } from '../source.js';
import type { HubStream } from './hub-stream.js';

/** The place must be looked up by the cursor: no batch has this number. */
const UNKNOWN = -1;

export class LiveSource implements Source {
  readonly #hub: HubStream;
  readonly #progress: Progress;
  readonly #countsLosses: boolean;
  /** The batch that comes next. */
  #number = UNKNOWN;
  entry = 0;
  hasEnded = false;
  readonly isPending = false;
  readonly held = undefined;

  constructor(hub: HubStream, progress: Progress, countsLosses: boolean) {
    this.#hub = hub;
    this.#progress = progress;
    this.#countsLosses = countsLosses;
  }

  next(): EntryBatch | undefined {
    const hub = this.#hub;
    // What came before the reader began to count for this follower is read from Redis, with proof.
    if (this.#countsLosses && compareEntryIds(this.#progress.cursor, hub.countedAfter) < 0)
      return this.#end();
    while (this.#number !== hub.nextNumber) {
      const batch = hub.batch(this.#number);
      if (batch === undefined) {
        // It is not known yet, or the hub has let it go, perhaps after all of it was sent.
        if (!this.#locate()) return undefined;
      } else if (this.entry < batch.length) {
        return batch;
      } else {
        this.#number++;
        this.entry = 0;
      }
    }
    return undefined;
  }

  newest(limit: string | undefined): EntryBatch | undefined {
    const hub = this.#hub;
    const { cursor } = this.#progress;
    this.#number = UNKNOWN;
    if (compareEntryIds(hub.lastId, cursor) <= 0) return undefined;
    if (limit === undefined || compareEntryIds(hub.lastId, limit) <= 0) {
      const { newest } = hub;
      if (newest === undefined) return this.#end();
      this.entry = newest.length - 1;
      return newest;
    }
    if (hub.locate(cursor) === undefined) return this.#end();
    const place = hub.newestUpTo(limit);
    const batch = place && hub.batch(place.number);
    if (batch === undefined || compareEntryIds(batch.ids[place!.index]!, cursor) <= 0) return undefined;
    this.entry = place!.index;
    return batch;
  }

  consumed(to: number): void {
    this.entry = to;
  }

  letGo(): void {
    this.#number = UNKNOWN;
  }

  close(): void {}

  /** Goes to what follows the cursor. @returns whether the hub holds that, or will hold it next */
  #locate(): boolean {
    const { cursor } = this.#progress;
    const place = this.#hub.locate(cursor);
    if (place !== undefined) {
      this.#number = place.number;
      this.entry = place.index;
      return true;
    }
    this.#number = UNKNOWN;
    // A client may have named a cursor ahead of all that was read: then the hub has to come there first.
    this.hasEnded = compareEntryIds(cursor, this.#hub.startAfter) < 0;
    return false;
  }

  #end(): undefined {
    this.hasEnded = true;
  }
}
