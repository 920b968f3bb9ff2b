/**
 * Which WebSockets are read at the moment.
 *
 * Within one round of events the library reads up to 512 KiB of each socket (LIBUS_RECV_BUFFER_LENGTH of uSockets),
 * and nothing can stop it before the round ends. A thousand sockets would take half a gigabyte. So of sockets that
 * never completed a message, only as many are read at a time as there is room for. The others are paused and take
 * turns. A socket that has completed a message is always read, except that after a common pause sockets go on in
 * parts of that size, too.
 */

/** What the library may read of a socket within a round. */
const READ_BYTES = 512 * 1024;
/** Even where no room is left, so many go on: with a thousand sockets, each gets its turn within two seconds. */
const LEAST_ROOM = 64;
/** How long sockets are read while others wait. */
const TURN_MS = 100;

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
  #turnEndsAt = 0;

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @param roomBytes what may be read at once; `Infinity` where that is bounded anyway */
  open(taker: T, roomBytes: number): void {
    if (this.#newcomers.size < roomFor(roomBytes) && this.#waiting.size === 0) this.#newcomers.add(taker);
    else this.#wait(taker);
  }

  proven(taker: T): void {
    this.#newcomers.delete(taker);
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
    let room = roomFor(roomBytes) - this.#newcomers.size;
    for (const taker of this.#waiting) {
      if (room-- <= 0) return;
      this.#waiting.delete(taker);
      if (!taker.isProven) this.#newcomers.add(taker);
      taker.resumeReading();
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
}

const roomFor = (bytes: number) => Math.max(Math.floor(bytes / READ_BYTES), LEAST_ROOM);
