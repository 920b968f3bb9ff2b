/**
 * Losses that the reader found before entries which the followers of a stream had by then, since these were stored here:
 * they are told with the next entry.
 *
 *     reader   a … (x is missing) … c | d           found once c is there and nothing newer: told with d
 *     ours                            | d e         but d came from here
 */
import type { EntryBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';

export class LateLosses {
  /** Between these two nothing is missing, by what was stored here. */
  #provenAfter: string | undefined;
  #provenUpTo: string | undefined;
  /** After this entry some may be missing that nobody was told of. */
  #lostAfter: string | undefined;

  /** Entries were stored here. @param isCounted none was there before them and removed again */
  proven(batch: EntryBatch, isCounted: boolean): void {
    if (!isCounted) this.#provenAfter = batch.lastId;
    else if (this.#provenUpTo === undefined || compareEntryIds(batch.after, this.#provenUpTo) > 0) {
      this.#provenAfter = batch.after;
    }
    this.#provenUpTo = batch.lastId;
  }

  /** The reader brought only what the followers had. */
  passedOver({ trimmed, lostAfter }: EntryBatch): void {
    if (!trimmed || (this.#provenAfter !== undefined && compareEntryIds(lostAfter, this.#provenAfter) >= 0))
      return;
    if (this.#lostAfter === undefined || compareEntryIds(lostAfter, this.#lostAfter) < 0) {
      this.#lostAfter = lostAfter;
    }
  }

  /** The batch as it goes to the followers. */
  tellWith(batch: EntryBatch): EntryBatch {
    const lostAfter = this.#lostAfter;
    this.#lostAfter = undefined;
    return lostAfter === undefined ? batch : batch.lackingAfter(lostAfter);
  }

  clear(): void {
    this.#provenAfter = undefined;
    this.#provenUpTo = undefined;
    this.#lostAfter = undefined;
  }
}
