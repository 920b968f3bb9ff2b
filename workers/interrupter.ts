/**
 * Ends a blocking read from a second connection, so that the next one has a changed set of streams.
 * CLIENT UNBLOCK does nothing to a read that Redis has not begun, so it is sent again until it has ended.
 */
import { ReconnectingConnection } from '../src/redis/reconnecting-connection.js';
import { encodeCommand } from '../src/redis/resp.js';
import type { RedisTarget } from '../src/redis/target.js';

/** A read that has not ended by then was not blocked when the interruption came. */
const AGAIN_MS = 5;
const SILENCE_MS = 2000;

export class Interrupter {
  readonly #connection: ReconnectingConnection;
  #unanswered = 0;
  #clientId: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: RedisTarget) {
    this.#connection = new ReconnectingConnection(
      { target, role: () => 'interrupt', silenceMs: SILENCE_MS, isOnDemand: true },
      {
        ready: () => this.#send(),
        reply: () => {
          this.#unanswered--;
        },
        owesAnswer: () => this.#unanswered > 0,
        lost: () => {
          this.#unanswered = 0;
        },
      },
    );
  }

  /** Ends the read of that client, unless `done` is called before. */
  begin(clientId: number): void {
    if (this.#clientId !== undefined) return;
    this.#clientId = clientId;
    this.#connection.connect();
    this.#send();
  }

  /** The read has ended. */
  done(): void {
    this.#clientId = undefined;
    clearTimeout(this.#timer);
  }

  close(): void {
    this.done();
    this.#connection.close();
  }

  #send(): void {
    clearTimeout(this.#timer);
    if (this.#clientId === undefined || !this.#connection.isReady) return;
    // One at a time: a connection that says nothing must not be filled.
    if (this.#unanswered === 0) {
      this.#unanswered++;
      this.#connection.write([encodeCommand(['CLIENT', 'UNBLOCK', this.#clientId])]);
    }
    this.#timer = setTimeout(() => this.#send(), AGAIN_MS);
  }
}
