/**
 * Whether entries of a stream were trimmed before a reader had read them.
 *
 * XLEN before a read costs Redis next to nothing, and clears nearly every read of the suspicion: what the
 * stream held besides the entries read was older. A script settles the rest.
 */

import { readOvertaken } from '../src/redis/overtaken.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import type { Followed } from './followed.js';
import type { TakeReply } from './reader-link.js';

/** So many entries at once of a stream whose length was not asked may be what trimming left of more. */
const MANY_ENTRIES = 64;
/** Streams whose length is asked before a read. */
const MAX_LENGTHS = 256;

export class TrimCheck {
  readonly #followed: ReadonlyMap<string, Followed>;
  /** The streams whose lengths were asked. */
  #asked: readonly Followed[] = [];

  constructor(followed: ReadonlyMap<string, Followed>) {
    this.#followed = followed;
  }

  /**
   * The questions to send right before a read.
   * @param active streams that the last read brought entries of
   * @param expect says who takes the reply to each
   */
  lengths(active: readonly string[], expect: (take: TakeReply) => void): Buffer[] {
    const commands: Buffer[] = [];
    const asked: Followed[] = [];
    for (const key of active) {
      if (commands.length === MAX_LENGTHS) break;
      const followed = this.#followed.get(key);
      if (followed === undefined) continue;
      expect((reply) => {
        if (!reply.isError) followed.length = reply.number();
      });
      asked.push(followed);
      commands.push(encodeCommand(['XLEN', key]));
    }
    this.#asked = asked;
    return commands;
  }

  /**
   * @param entries that the read brought of the stream @param count most that it could have brought
   * @param connection the number of the one that was read on
   */
  isSuspect({ length, readOn }: Followed, entries: number, count: number, connection: number): boolean {
    // Nobody read while there was no connection.
    if (readOn !== connection) return true;
    if (length === undefined) return entries >= Math.min(MANY_ENTRIES, count);
    return length > 0 && (entries === count || entries >= length);
  }

  /** The lengths are of before the read: of no use for the next. */
  forget(): void {
    for (const followed of this.#asked) followed.length = undefined;
    this.#asked = [];
  }

  /**
   * What the script says that settles it. Of a stream that holds one entry at a time, it looks at every read
   * as if some were lost: only the number of entries that were ever added tells, and that is not known at the
   * first.
   */
  isTrimmed(reply: ReplyCursor, followed: Followed, entries: number): boolean {
    const answer = readOvertaken(reply);
    // Where scripts are not allowed, a loss is not noticed.
    if (answer === undefined) return false;
    const { mayBe, added } = answer;
    const expected = followed.added;
    if (added < 0) return mayBe;
    followed.added = added;
    return mayBe && (expected === undefined ? entries > 1 : added > expected);
  }
}
