/** How many entries a read may bring of a stream, so that its reply stays near a size. */

const REPLY_BYTES = 8 * 1024 * 1024;
/** Until entries have been seen they are taken to be large, so that the first reply is not far too. */
const FIRST_GUESS_BYTES = 512 * 1024;
const MAX_COUNT = 1000;
/** Streams in one read that does not block: it holds up Redis for about a millisecond. */
const MAX_STREAMS = 1000;
/** One more than the least, so that a stream of the largest entries can be seen to be read to its end. */
const MIN_COUNT = 2;
/** By how much less a reply may be where Redis closes the connection over it, and more after each that comes. */
const SHRINK = 8;
const GROW = 1.01;
/** How much of the average a read of smaller entries leaves as it was. */
const INERTIA = 0.75;

export class ReadSize {
  /** What an entry is taken for, in bytes. */
  entryBytes = FIRST_GUESS_BYTES;
  /** COUNT of the read under way. */
  count = MIN_COUNT;

  #replyBytes = REPLY_BYTES;

  /** Of how many streams a read may bring entries. */
  get streams(): number {
    const streams = Math.floor(this.#replyBytes / (this.entryBytes * this.#leastCount));
    return Math.min(Math.max(streams, 1), MAX_STREAMS);
  }

  /** Settles COUNT for the next read. @param active streams that it will probably bring entries of */
  settle(active: number): void {
    const count = Math.floor(this.#replyBytes / (this.entryBytes * Math.max(active, 1)));
    this.count = Math.min(Math.max(count, this.#leastCount), MAX_COUNT);
  }

  /** Redis does not send so much in one reply. */
  shrink(): void {
    this.#replyBytes = Math.max(this.#replyBytes / SHRINK, 1);
  }

  get #leastCount(): number {
    return this.#replyBytes < REPLY_BYTES ? 1 : MIN_COUNT;
  }

  /** Larger entries count at once, smaller ones by and by. */
  learn(bytes: number, entries: number): void {
    const seen = bytes / entries;
    this.#replyBytes = Math.min(this.#replyBytes * GROW, REPLY_BYTES);
    this.entryBytes = Math.max(seen, this.entryBytes * INERTIA + seen * (1 - INERTIA), 1);
  }
}
