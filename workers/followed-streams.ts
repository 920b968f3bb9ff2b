/** The streams that a reader follows: where each stands, and what reads bring of them. */

import { parseEntryId } from '../src/protocol/entry-id.js';
import { Failure, type FailureBody } from '../src/protocol/errors.js';
import { bulk, type ReplyCursor } from '../src/redis/resp.js';
import { type ReadEntries, readEntries } from '../src/redis/stream-reads.js';
import type { Followed } from './followed.js';
import type { Arrival } from './held-reads.js';
import type { FollowCommand, ReaderEvent } from './messages.js';

function arrivalOf(read: ReadEntries, followed: Followed, count: number): Arrival {
  const { key, after, ids, bytes } = read;
  const isFull = ids.length >= count;
  return {
    read,
    step: { key, followed, after, entries: ids.length, bytes, lastId: ids.at(-1)!, isFull },
  };
}

/** The number of no connection: the server that is read now has not been asked about the stream. */
const NO_CONNECTION = -1;

export class FollowedStreams {
  readonly byKey = new Map<string, Followed>();
  readonly #post: (event: ReaderEvent) => void;
  readonly #changed: (key: string) => void;
  #reads = 0;

  /** @param changed is called with each stream that is followed, perhaps anew, or is not any more */
  constructor(post: (event: ReaderEvent) => void, changed: (key: string) => void) {
    this.#post = post;
    this.#changed = changed;
  }

  get size(): number {
    return this.byKey.size;
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
      key,
      word: bulk(key),
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
      asks: false,
    });
    this.#changed(key);
    return true;
  }

  /** Follows a stream on from where the reader of another server has left it. */
  adopt(followed: Followed, asks: boolean): void {
    const { key } = followed;
    this.byKey.set(key, {
      ...followed,
      asks,
      firstRead: this.#reads + 1,
      readOn: NO_CONNECTION,
      seenOn: NO_CONNECTION,
      wasRead: false,
      seenLength: undefined,
      isLost: false,
    });
    this.#changed(key);
  }

  /** The read under way goes on; what it brings for this key is passed over. */
  unfollow(key: string): void {
    this.byKey.delete(key);
    this.#changed(key);
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

  /** What the last read brought, of at most `count` entries a stream. */
  takeRead(reply: ReplyCursor, count: number): Arrival[] {
    const arrivals: Arrival[] = [];
    if (reply.isNull) return arrivals;
    // RESP3 has a map, RESP2 an array of pairs.
    const isMap = !reply.isArray;
    for (let streams = reply.array() / (isMap ? 2 : 1); streams > 0; streams--) {
      if (!isMap) reply.array();
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
