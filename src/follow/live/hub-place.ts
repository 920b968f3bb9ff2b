/** A follower's place among the batches that the hub holds of a stream. */
import type { EntryBatch } from '../../protocol/batch.js';
import type { HubStream } from './hub-stream.js';

/** It must be looked up by the cursor. */
const UNKNOWN = -1;

export class HubPlace {
  readonly #hub: HubStream;
  /** The batch that comes next. */
  #number = UNKNOWN;
  /** The entry in it that comes next. */
  entry = 0;

  constructor(hub: HubStream) {
    this.#hub = hub;
  }

  get isKnown(): boolean {
    return this.#number !== UNKNOWN;
  }

  forget(): void {
    this.#number = UNKNOWN;
  }

  /** Goes to what follows the cursor. @returns whether the hub holds that, or will */
  find(cursor: string): boolean {
    const position = this.#hub.locate(cursor);
    if (position === undefined) return false;
    this.#number = position.number;
    this.entry = position.index;
    return true;
  }

  /**
   * The batch whose entry `entry` comes next; undefined where none has come yet, and where the hub has let it
   * go, so that the place is not known any more.
   */
  batch(): EntryBatch | undefined {
    while (this.#number !== UNKNOWN && this.#number !== this.#hub.nextNumber) {
      const batch = this.#hub.batch(this.#number);
      if (batch === undefined) {
        this.#number = UNKNOWN;
      } else if (this.entry < batch.length) {
        return batch;
      } else {
        this.#number++;
        this.entry = 0;
      }
    }
    return undefined;
  }
}
