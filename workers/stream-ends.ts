/**
 * Looks, a few streams at a time, whether each followed stream still reaches up to what was read of it. One
 * that does not was deleted, made anew, or is back in an older state; XREAD says nothing of that, and brings
 * nothing until new ids are larger than the old.
 *
 * It asks on the connection that reads, between two reads: so a cursor does not move while it is asked about.
 */

import { BEFORE_FIRST, compareEntryIds } from '../src/protocol/entry-id.js';
import { isPassing, type Redirect, readRedirect } from '../src/redis/cluster/redirect.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { ENDS_SCRIPT } from '../src/redis/scripts.js';
import { packBatches, readEntries, xnewest } from '../src/redis/stream-reads.js';
import type { Ask, Followed } from './followed.js';
import type { LostEnd } from './messages.js';

/** All streams are looked at within so many looks, if that are not too many at once. */
const LOOKS_A_ROUND = 8;
/** The same where Redis tells of changes: each stream that is told of is looked at in any case. */
const LOOKS_A_TOLD_ROUND = 32;
const LEAST_LOOKED_AT = 32;
const MOST_LOOKED_AT = 1000;
/** What ENDS_SCRIPT takes in place of a length. */
const CLOSE = 'close';
const LENGTH_ONLY = 'length';
/** Keys in one call of the script, which holds up everybody else for as long as it runs. */
const KEYS_A_CALL = 100;
/** To look closely, Redis copies an entry; about so much in one call, and in one look where nothing urges. */
const CLOSE_BYTES = 1024 * 1024;
/** So much in one look where Redis may hold other data than before. */
const URGENT_BYTES = 16 * 1024 * 1024;

export interface StreamEndsHandler {
  lost(end: LostEnd, buffers: ArrayBuffer[]): void;
  /** The stream was `want`ed: what was found of it has been told. */
  checked(key: string): void;
  /** The server does not have the stream. @returns whether it is looked at elsewhere now */
  redirected(key: string, redirect: Redirect): boolean;
  /** The server does not have the stream, whose slot is on the way to it. */
  missing(key: string): void;
}

export class StreamEnds {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #ask: Ask;
  readonly #keysACall: number;
  readonly #handler: StreamEndsHandler;
  /** Keys that main wants looked at first. */
  readonly #wanted = new Set<string>();
  /** Keys that are looked at with the next look: something may be wrong with them. */
  readonly #suspects = new Set<string>();
  /** Keys that could not be looked at, and whether main wants that: they are with the next look. */
  readonly #unseen = new Map<string, boolean>();
  #rotation: Iterator<[string, Followed]>;
  /** How many looks are due. */
  #looksDue = 0;
  /** So many streams are looked at as soon as may be: with each look as many as may be at once. */
  #urgent = 0;
  /** The number of the connection that is asked. */
  #connection = 0;

  /** @param takesManyKeys a command may name several streams */
  constructor(
    followed: ReadonlyMap<string, Followed>,
    ask: Ask,
    takesManyKeys: boolean,
    handler: StreamEndsHandler,
  ) {
    this.#followed = followed;
    this.#ask = ask;
    this.#keysACall = takesManyKeys ? KEYS_A_CALL : 1;
    this.#handler = handler;
    this.#rotation = followed.entries();
  }

  /** To be called for each connection: Redis may hold other data than on the one before. */
  connected(connection: number): void {
    this.#connection = connection;
    this.lookAtAll();
    for (const followed of this.#followed.values()) {
      followed.wasRead = false;
      // The connection may have been lost before it was told.
      followed.isLost = false;
    }
    this.#rotation = this.#followed.entries();
  }

  /** Whether `look` should be called before the next read. */
  get isDue(): boolean {
    return this.#looksDue > 0 || this.#wanted.size > 0;
  }

  lookSoon(): void {
    this.#looksDue++;
    if (this.#unseen.size === 0) return;
    for (const [key, isWanted] of this.#unseen) (isWanted ? this.#wanted : this.#suspects).add(key);
    this.#unseen.clear();
  }

  /** Looks at all streams soon. */
  lookAtAll(): void {
    this.#urgent = this.#followed.size;
    this.#looksDue++;
  }

  /** Has the stream looked at with the next look. */
  suspect(key: string): void {
    this.#suspects.add(key);
  }

  want(key: string): void {
    this.#wanted.add(key);
  }

  /** The stream goes to another reader. @returns whether it is still `want`ed */
  forget(key: string): boolean {
    const isWanted = this.#wanted.delete(key) || this.#unseen.get(key) === true;
    this.#suspects.delete(key);
    this.#unseen.delete(key);
    return isWanted;
  }

  /**
   * Asks about the streams whose turn it is. To be called between two reads.
   * @param entryBytes what an entry takes
   * @param isTold Redis tells of changes, and so of streams that are deleted
   */
  look(entryBytes: number, isTold: boolean): void {
    for (const key of this.#wanted) this.#send([key], () => true);
    const keys = [...this.#nextSuspects(), ...this.#nextInRotation(entryBytes, isTold)];
    const closeShare = CLOSE_BYTES / (keys.length * entryBytes);
    const aCall = Math.min(Math.max(Math.floor(CLOSE_BYTES / entryBytes), 1), this.#keysACall);
    for (let from = 0; from < keys.length; from += aCall) {
      this.#send(keys.slice(from, from + aCall), () => Math.random() < closeShare);
    }
  }

  #nextSuspects(): string[] {
    const keys = [...this.#suspects].filter((key) => this.#canBeLost(this.#followed.get(key)));
    this.#suspects.clear();
    return keys.slice(0, MOST_LOOKED_AT);
  }

  #nextInRotation(entryBytes: number, isTold: boolean): string[] {
    const { size } = this.#followed;
    const share = Math.max(Math.ceil(size / (isTold ? LOOKS_A_TOLD_ROUND : LOOKS_A_ROUND)), LEAST_LOOKED_AT);
    const streams = Math.min(Math.max(share * this.#looksDue, this.#urgent), size, MOST_LOOKED_AT);
    this.#looksDue = 0;
    const keys: string[] = [];
    let urgentBytes = 0;
    for (let looked = 0; looked < streams && urgentBytes < URGENT_BYTES; looked++) {
      if (this.#urgent > 0) this.#urgent--;
      const { value, done } = this.#rotation.next();
      if (done) {
        this.#rotation = this.#followed.entries();
        break;
      }
      const [key, followed] = value;
      const isBusy = followed.wasRead;
      followed.wasRead = false;
      // A busy stream reaches further than its cursor. In a long round that may have been long ago.
      if ((isBusy && !isTold) || !this.#canBeLost(followed)) continue;
      if (this.#known(followed, false) === CLOSE) urgentBytes += entryBytes;
      keys.push(key);
    }
    return keys;
  }

  /** A stream that had nothing has nothing to lose. */
  #canBeLost(followed: Followed | undefined): boolean {
    return followed !== undefined && !followed.isLost && followed.after !== BEFORE_FIRST;
  }

  #send(keys: readonly string[], isClose: () => boolean): void {
    const asked = keys.map((key) => this.#followed.get(key));
    const cursors = asked.flatMap((followed) => [
      followed?.after ?? BEFORE_FIRST,
      this.#known(followed, isClose()),
    ]);
    const command = encodeCommand(['EVAL', ENDS_SCRIPT, keys.length, ...keys, ...cursors]);
    const take = (reply: ReplyCursor) => {
      if (reply.isError) {
        this.#refused(reply.text(), keys, asked);
        return;
      }
      reply.array();
      keys.forEach((key, index) => {
        if (this.#take(reply, key, asked[index])) this.#tellChecked(key);
      });
    };
    this.#ask(command, take, keys[0]);
  }

  #refused(error: string, keys: readonly string[], asked: readonly (Followed | undefined)[]): void {
    const redirect = readRedirect(error);
    keys.forEach((key, index) => {
      const isCurrent = asked[index] !== undefined && this.#followed.get(key) === asked[index];
      // Where scripts are not allowed, what is gone is not noticed; reading is not stopped for that.
      if (!isCurrent || (redirect === undefined && !isPassing(error))) this.#tellChecked(key);
      // That the key is elsewhere, or nowhere for now, says nothing about the stream's end.
      else if (redirect === undefined || !this.#handler.redirected(key, redirect)) this.#lookAgain(key);
    });
  }

  #lookAgain(key: string): void {
    this.#unseen.set(key, this.#wanted.delete(key));
  }

  #known(followed: Followed | undefined, isClose: boolean): string {
    if (isClose) return CLOSE;
    if (followed?.seenLength !== undefined) return String(followed.seenLength);
    // What was seen on this connection, if only by whoever began to follow it, can wait for its turn.
    return followed?.seenOn === this.#connection ? LENGTH_ONLY : CLOSE;
  }

  #tellChecked(key: string): void {
    if (this.#wanted.delete(key)) this.#handler.checked(key);
  }

  /** @returns whether all is told of the stream that there is to tell */
  #take(reply: ReplyCursor, key: string, followed: Followed | undefined): boolean {
    reply.array();
    const length = reply.number();
    const last = reply.text();
    if (followed === undefined || this.#followed.get(key) !== followed) return true;
    if (followed.isLost || length < 0) return true;
    followed.seenLength = length;
    if (last === '' || compareEntryIds(last, followed.after) >= 0) {
      followed.seenOn = this.#connection;
      return true;
    }
    if (followed.asks && last === BEFORE_FIRST) {
      this.#handler.missing(key);
      return false;
    }
    const { generation, after } = followed;
    const isOther = followed.seenOn === this.#connection || last === BEFORE_FIRST;
    followed.isLost = true;
    if (isOther) this.#handler.lost({ key, generation, last, newest: undefined }, []);
    else this.#sendNewest(followed, { key, generation, last }, after);
    return isOther;
  }

  /** Brings the newest entry along, by which main can tell whether it is one that it has had. */
  #sendNewest(followed: Followed, end: Omit<LostEnd, 'newest'>, after: string): void {
    const { key } = end;
    const take = (reply: ReplyCursor) => {
      const error = reply.isError ? reply.text() : undefined;
      const redirect = error === undefined ? undefined : readRedirect(error);
      if (redirect !== undefined) {
        // Whoever has the stream now is asked anew.
        followed.isLost = false;
        if (this.#followed.get(key) !== followed) return;
        if (!this.#handler.redirected(key, redirect)) this.#lookAgain(key);
        return;
      }
      const { batches, buffers } =
        error !== undefined ? { batches: [], buffers: [] } : packBatches([readEntries(reply, key, after)]);
      this.#handler.lost({ ...end, newest: batches[0] }, buffers);
      this.#tellChecked(key);
    };
    this.#ask(xnewest(key), take, key);
  }
}
