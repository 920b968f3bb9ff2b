/**
 * Whose turn it is: of a follower's streams those that may have something to send, one message each in turn.
 * A stream that has nothing costs nothing before it is added again.
 */
import type { FollowedStream } from './followed-stream.js';
import type { Run } from './run.js';

/** Turns that were taken are cut off the front of the queue once there are so many. */
const MAX_TAKEN = 1024;

export class Turns {
  #queue: FollowedStream[] = [];
  #taken = 0;

  add(stream: FollowedStream): void {
    if (stream.hasTurn) return;
    stream.hasTurn = true;
    this.#queue.push(stream);
  }

  /**
   * The next message, of at most `count` entries up to `limit`; undefined where no stream has any.
   * @param messages more than one may be taken at once, as long as all are small
   */
  next(count: number, limit?: string, messages = 1): Run | undefined {
    while (this.#taken < this.#queue.length) {
      const stream = this.#queue[this.#taken]!;
      stream.hasTurn = false;
      const run = stream.next(count, limit, messages);
      // The only one stays where it is.
      if (run !== undefined && !stream.hasTurn && this.#taken + 1 === this.#queue.length) {
        stream.hasTurn = true;
        return run;
      }
      this.#advance();
      if (run === undefined) continue;
      this.add(stream);
      return run;
    }
    return undefined;
  }

  #advance(): void {
    if (++this.#taken < MAX_TAKEN) return;
    this.#queue.splice(0, this.#taken);
    this.#taken = 0;
  }
}
