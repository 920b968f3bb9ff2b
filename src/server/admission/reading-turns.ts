/**
 * Which WebSockets are read at the moment.
 *
 * Within one round of events the library reads much of each socket, and nothing can stop it before the round ends:
 * a thousand sockets would take half a gigabyte or more. So of sockets that never completed a message, only as many
 * are read at a time as there is room for. The others are paused and take turns. A socket that has completed a
 * message is always read, except that after a common pause sockets go on in parts of that size, too.
 */
import { IS_NEWER_BUILD } from '../../system/library-build.js';

/**
 * What the library may read of a socket within a round. The older build reads once, into a buffer of 512 KiB. The
 * newer one reads on while it finds that buffer full: all that the system holds, and on loopback what the sender
 * adds meanwhile. Of messages of 16 MiB it was seen to take 8 to 16 MiB at once (docs/limits.md).
 */
const READ_BYTES = IS_NEWER_BUILD ? 16 * 1024 * 1024 : 512 * 1024;
/** Even where no room is left, so many go on: with a thousand sockets each gets its turn within seconds. */
const LEAST_ROOM = IS_NEWER_BUILD ? 8 : 64;
/** How long sockets are read while others wait: as long as it takes to read what has come. */
const TURN_MS = 25;

export interface TurnTaker {
  pauseReading(): void;
  resumeReading(): void;
  /** Whether it has completed a message. */
  readonly isProven: boolean;
}

export class ReadingTurns<T extends TurnTaker> {
  /** Those that are read and are not proven. The oldest turn comes first. */
  readonly #newcomers = new Set<T>();
  /** Those that are paused. The next turn comes first. */
  readonly #waiting = new Set<T>();
  readonly #readBytes: number;
  readonly #leastRoom: number;
  #turnEndsAt = 0;

  /**
   * @param readBytes what the library may read of a socket within a round
   * @param leastRoom sockets that are read at a time at least
   */
  constructor(readBytes = READ_BYTES, leastRoom = LEAST_ROOM) {
    this.#readBytes = readBytes;
    this.#leastRoom = leastRoom;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @param roomBytes what may be read at once; `Infinity` where that is bounded anyway */
  open(taker: T, roomBytes: number): void {
    if (this.#newcomers.size < this.#roomFor(roomBytes) && this.#waiting.size === 0)
      this.#newcomers.add(taker);
    else this.#wait(taker);
  }

  /** The taker has completed a message: the next that waits takes its place at once. */
  proven(taker: T): void {
    if (!this.#newcomers.delete(taker)) return;
    for (const next of this.#waiting) {
      this.#resume(next);
      return;
    }
  }

  closed(taker: T): void {
    this.#newcomers.delete(taker);
    this.#waiting.delete(taker);
  }

  /** Pauses those that are read; they go on with `takeTurns`, the first first. */
  pause(takers: Iterable<T>): void {
    for (const taker of takers) {
      if (this.#waiting.has(taker)) continue;
      this.#newcomers.delete(taker);
      this.#wait(taker);
    }
  }

  /** Lets those go on that there is room for. To be called many times a second while any wait. */
  takeTurns(roomBytes: number, now: number): void {
    if (now >= this.#turnEndsAt) {
      this.#turnEndsAt = now + TURN_MS;
      this.#endTurns();
    }
    let room = this.#roomFor(roomBytes) - this.#newcomers.size;
    for (const taker of this.#waiting) {
      if (room-- <= 0) return;
      this.#resume(taker);
    }
  }

  /** No more turns end than there are sockets that wait. */
  #endTurns(): void {
    let count = this.#waiting.size;
    for (const taker of this.#newcomers) {
      if (count-- <= 0) return;
      this.#newcomers.delete(taker);
      this.#wait(taker);
    }
  }

  #wait(taker: T): void {
    taker.pauseReading();
    this.#waiting.add(taker);
  }

  #resume(taker: T): void {
    this.#waiting.delete(taker);
    if (!taker.isProven) this.#newcomers.add(taker);
    taker.resumeReading();
  }

  #roomFor(bytes: number): number {
    return Math.max(Math.floor(bytes / this.#readBytes), this.#leastRoom);
  }
}
