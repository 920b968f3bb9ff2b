/** What a reader knows of the streams that it follows, and how it asks Redis. */
import type { ReplyCursor } from '../src/redis/resp.js';

export interface Followed {
  readonly key: string;
  /** The key as a word of a command. */
  readonly word: string;
  /** The last entry that was read, or after which reading begins. */
  after: string;
  /** Main's number of this following: what is told of an earlier one of the same key, main passes over. */
  readonly generation: number;
  /** The first read that counts for it: an earlier one may still bring entries from an older cursor. */
  readonly firstRead: number;
  /** A follower wants to know of losses: entries wait until it is known whether any before them are missing. */
  isCounted: boolean;
  /** Entries that were ever added to the stream up to `after`, if none was missed; undefined while not known. */
  added: number | undefined;
  /** The last entry up to which it is known whether any was missed. */
  confirmed: string;
  /** Entries after this id were found to be missing, which was not reported yet. */
  lostAfter: string | undefined;
  /** What XINFO STREAM brings of it, in bytes; undefined while not known. */
  infoBytes: number | undefined;
  /** The last connection on which it was read, or on which following began. */
  readOn: number;
  /** Entries came since the stream's end was last looked at. */
  wasRead: boolean;
  /** Entries that the stream held when its end was last looked at. */
  seenLength: number | undefined;
  /** The stream's end is lost: nothing more is read of it until main follows it anew. */
  isLost: boolean;
  /** The last connection on which the stream was known to reach up to `after`. */
  seenOn: number;
  /**
   * Its slot is on the way to the server that is asked, which has the key already: it answers a command only behind an
   * ASKING, and what it does not have may still be at the other server.
   */
  asks: boolean;
}

/** Writes a command and has its reply taken, in its turn. @param key that the command is about */
export type Ask = (command: Buffer, take: (reply: ReplyCursor) => void, key?: string) => void;

/** A stream on its way from the reader of one server to that of another. */
export interface Moving {
  readonly followed: Followed;
  /** Main wants it to be looked at. */
  readonly isWanted: boolean;
}
