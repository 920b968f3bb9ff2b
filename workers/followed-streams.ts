/** The streams that a reader follows: where each stands, the blocking read of all, and what it brings. */

import { parseEntryId } from '../src/protocol/entry-id.js';
import { Failure, type FailureBody } from '../src/protocol/errors.js';
import type { ReplyCursor } from '../src/redis/resp.js';
import { BlockingRead, type ReadEntries, readEntries } from '../src/redis/stream-reads.js';
import type { Followed } from './followed.js';
import type { Arrival } from './held-reads.js';
import type { FollowCommand, ReaderEvent } from './messages.js';

/**
 * A read goes on unaware of a key that becomes another type, which is noticed by the next: soon, where that
 * costs Redis little. Ms to block for each stream, and the least and the most.
 */
const BLOCK_MS_A_STREAM = 1;
const LEAST_BLOCK_MS = 50;
export const MOST_BLOCK_MS = 500;

function arrivalOf(read: ReadEntries, followed: Followed, count: number): Arrival {
  const { key, after, ids, bytes } = read;
  const isFull = ids.length >= count;
  return {
    read,
    step: { key, followed, after, entries: ids.length, bytes, lastId: ids.at(-1)!, isFull },
  };
}

export class FollowedStreams {
  readonly byKey = new Map<string, Followed>();
  readonly #command = new BlockingRead();
  readonly #post: (event: ReaderEvent) => void;
  #reads = 0;

  constructor(post: (event: ReaderEvent) => void) {
    this.#post = post;
  }

  get size(): number {
    return this.byKey.size;
  }

  get keys(): string[] {
    return [...this.byKey.keys()];
  }

  /** @param connection the number of the present connection @returns whether the stream is followed now */
  follow({ key, after, added, isCounted, generation }: FollowCommand, connection: number): boolean {
    // Redis would refuse the whole read for it.
    if (parseEntryId(after) !== after) {
      const failure = new Failure('bad_parameter', `'${after}' is no entry id`).body;
      this.#post({ type: 'evicted', key, generation, failure });
      return false;
    }
    this.byKey.set(key, {
      after,
      generation,
      firstRead: this.#reads + 1,
      added,
      isCounted,
      confirmed: after,
      lostAfter: undefined,
      infoBytes: undefined,
      readOn: connection,
      wasRead: false,
      seenLength: undefined,
      isLost: false,
      seenOn: connection,
    });
    this.#command.changed();
    return true;
  }

  /** The read under way goes on; what it brings for this key is passed over. */
  unfollow(key: string): void {
    this.byKey.delete(key);
    this.#command.changed();
  }

  /** From now on, whether a follower wants to know of losses. */
  count(key: string, isCounted: boolean): void {
    const followed = this.byKey.get(key);
    if (followed === undefined) return;
    followed.isCounted = isCounted;
    // What went missing earlier does not matter to a follower that joins now.
    followed.confirmed = followed.after;
    followed.lostAfter = undefined;
  }

  /** The key cannot be read. */
  evict(key: string, failure: FailureBody): void {
    const followed = this.byKey.get(key);
    if (followed === undefined) return;
    this.unfollow(key);
    const { generation } = followed;
    this.#post({ type: 'evicted', key, generation, failure });
  }

  /** A read begins. */
  began(): void {
    this.#reads++;
  }

  /** The blocking read of all streams, of at most `count` entries each. */
  encodeRead(count: number): Buffer[] {
    const blockMs = Math.min(Math.max(this.size * BLOCK_MS_A_STREAM, LEAST_BLOCK_MS), MOST_BLOCK_MS);
    return this.#command.encode(this.byKey, count, blockMs);
  }

  /** What the last read brought, of at most `count` entries a stream. */
  takeRead(reply: ReplyCursor, count: number): Arrival[] {
    const arrivals: Arrival[] = [];
    for (let streams = reply.array(); streams > 0; streams--) {
      reply.array();
      const key = reply.text();
      const followed = this.byKey.get(key);
      if (followed === undefined || followed.firstRead > this.#reads || followed.isLost) {
        reply.skip();
        continue;
      }
      const read = readEntries(reply, key, followed.after);
      // Redis answers with none where a transaction removed the entries that it added.
      if (read.ids.length > 0) arrivals.push(arrivalOf(read, followed, count));
    }
    return arrivals;
  }

  /** Moves the cursors on past what was read: that is not read again. */
  moveOn(arrivals: readonly Arrival[], connection: number): void {
    for (const { step } of arrivals) {
      const { followed } = step;
      followed.after = step.lastId;
      followed.wasRead = true;
      followed.seenLength = undefined;
      followed.readOn = connection;
      followed.seenOn = connection;
    }
  }
}
