/**
 * When streams are read apart from each other, and which come next.
 *
 * One stream can spoil the read of all: Redis closes the connection over a reply that is too large, or refuses
 * to read some of them together. Then they are read in small groups until it is known which is at fault.
 */

import type { FailureBody } from '../src/protocol/errors.js';
import { ReplyDropped } from '../src/redis/isolating-reads.js';
import type { Followed } from './followed.js';
import { Isolation } from './isolation.js';

/** So many connections in a row that were lost over a read: one of the streams may be the reason. */
const SUSPICIOUS_DROPS = 2;

export class ApartReads {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #evict: (key: string, failure: FailureBody) => void;
  /** Connections that were lost over a read since the last that was answered. */
  #drops = 0;
  #isolation: Isolation | undefined;

  /** @param evict is called with a stream that is at fault */
  constructor(followed: ReadonlyMap<string, Followed>, evict: (key: string, failure: FailureBody) => void) {
    this.#followed = followed;
    this.#evict = evict;
  }

  /** Why streams are read apart; undefined while they are read together. */
  get reason(): Isolation['reason'] | undefined {
    return this.#isolation?.reason;
  }

  begin(reason: Isolation['reason']): void {
    this.#isolation = new Isolation([...this.#followed.keys()], reason);
  }

  end(): void {
    this.#isolation = undefined;
  }

  /** The read of the group that came next was answered. */
  done(): void {
    this.#isolation?.done();
  }

  /** A read was answered with entries, or with none. */
  proven(): void {
    this.#drops = 0;
  }

  /** The connection was lost. @param overRead while a read was under way */
  lost(overRead: boolean): void {
    if (overRead) this.#droppedOverRead();
    // Streams are read together again on the next connection.
    if (this.reason === 'refusal') this.end();
  }

  /** The streams of the next group; undefined once all groups were read. */
  next(): readonly Followed[] | undefined {
    const isolation = this.#isolation;
    for (let keys = isolation?.next; keys !== undefined; keys = isolation?.next) {
      const cursors = keys.flatMap((key) => {
        const followed = this.#followed.get(key);
        return followed === undefined || followed.isLost ? [] : [followed];
      });
      if (cursors.length > 0) return cursors;
      this.done();
    }
    return undefined;
  }

  /** Redis closes a connection whose replies are too large for it, even if one entry alone is. */
  #droppedOverRead(): void {
    if (this.#isolation?.reason !== 'drops') {
      this.#drops++;
      if (this.#drops >= SUSPICIOUS_DROPS) this.begin('drops');
      return;
    }
    const key = this.#isolation.dropped();
    if (key !== undefined) this.#evict(key, new ReplyDropped().body);
  }
}
