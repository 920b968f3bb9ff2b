/**
 * How much of a stream is read at once for one follower: as much as its client was seen to take. Kept for as
 * long as the stream is followed, since a client that falls behind again takes about as much as before.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import type { RangeSize } from './range-port.js';

const FIRST_BYTES = 256 * 1024;
const LEAST_BYTES = 64 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
/** A range ends with the entry that fills it. One that is larger than this, of large entries, is not held twice. */
const MOST_AHEAD_BYTES = 2 * MOST_BYTES;
const MAX_COUNT = 10_000;
/** What an entry is taken for before any was seen. */
const GUESS_ENTRY_BYTES = 64 * 1024;

export class ReadWindow {
  #bytes = FIRST_BYTES;
  /** Average payload size of what was read last, in bytes; 0 while nothing was. */
  #entryBytes = 0;
  /** In a replay what may be held while nothing of it is due, in bytes. */
  share: number | undefined;

  constructor(share: number | undefined) {
    this.share = share;
  }

  /** @param entryBytes what an entry of the stream takes, as far as others know; 0 where they do not */
  size(latest: boolean, entryBytes: number): RangeSize {
    return {
      count: latest ? 1 : MAX_COUNT,
      maxBytes: Math.min(this.#bytes, this.share ?? MOST_BYTES),
      expectedBytes: this.#entryBytes || entryBytes || GUESS_ENTRY_BYTES,
    };
  }

  /** Whether what follows a batch may be read before that is sent. In a replay there is time. */
  mayReadAhead({ bytes }: EntryBatch): boolean {
    return this.share === undefined && bytes.length <= MOST_AHEAD_BYTES;
  }

  /** A batch was read. */
  measure(batch: EntryBatch): void {
    if (batch.length > 0) this.#entryBytes = batch.bytes.length / batch.length;
  }

  /** The client has taken all that was read. */
  grow(): void {
    this.#bytes = Math.min(this.#bytes * 2, MOST_BYTES);
  }

  /** The client does not take what was read. */
  shrink(): void {
    this.#bytes = Math.max(this.#bytes / 2, LEAST_BYTES);
  }
}
