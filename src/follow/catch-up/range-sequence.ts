/**
 * Ranges of a stream that are read one after the other. While they follow one another, a thread of the pool
 * reads the next one in advance.
 */

import type { EntryBatch } from '../../protocol/batch.js';
import type { Proof } from '../../redis/range-reader.js';
import type { Threads } from '../../threads/threads.js';
import { isFull, RangePort } from './range-port.js';
import type { ReadWindow } from './read-window.js';

/** What the pool is asked for. */
export interface RangeQuestion {
  /** Entries after this id. */
  readonly after: string;
  readonly until: string | undefined;
  /** The newest entry only. */
  readonly latest: boolean;
  /** How it is found out whether entries after `after` were lost. */
  readonly proof: Proof;
  /** What an entry of the stream takes, in bytes, as far as others know; 0 where they do not. */
  readonly entryBytes: number;
}

export class RangeSequence {
  readonly #threads: Threads;
  readonly #key: string;
  readonly #window: ReadWindow;
  readonly #proof: Proof;
  /** What follows the last range, read in advance: there while ranges follow one another. */
  #following: RangePort | undefined;
  #isClosed = false;

  /** @param proof of ranges that follow one that was read */
  constructor(threads: Threads, key: string, window: ReadWindow, proof: Proof) {
    this.#proof = proof;
    this.#threads = threads;
    this.#key = key;
    this.#window = window;
  }

  /** One range at a time. @returns undefined where what was read in advance was let go meanwhile @throws Failure */
  async read(question: RangeQuestion): Promise<EntryBatch | undefined> {
    const batch = await this.#read(question);
    if (batch !== undefined) this.#window.measure(batch);
    return batch;
  }

  /** Lets go of what was read in advance. */
  letGo(): void {
    this.#following?.close();
    this.#following = undefined;
  }

  /** As `letGo`, and nothing is read in advance any more. */
  close(): void {
    this.#isClosed = true;
    this.letGo();
  }

  async #read({ after, until, latest, proof, entryBytes }: RangeQuestion) {
    const window = this.#window;
    const size = window.size(latest, entryBytes);
    const following = this.#following;
    if (following !== undefined && following.after === after && !latest) {
      const batch = await following.next(size);
      if (batch === undefined) return undefined;
      if (following.isAtEnd || !window.mayReadAhead(batch)) this.letGo();
      // That there was nothing in advance does not say that there is nothing now.
      if (batch.length > 0) return batch;
    }
    this.letGo();
    const streams = [{ key: this.#key, after }];
    const [batch] = await this.#threads.range({ ...size, streams, latest, until, proof });
    if (!latest && isFull(batch!, size) && window.mayReadAhead(batch!) && !this.#isClosed) {
      const task = { key: this.#key, after: batch!.lastId, until, proof: this.#proof };
      this.#following = new RangePort(this.#threads, task, size);
    }
    return batch;
  }
}
