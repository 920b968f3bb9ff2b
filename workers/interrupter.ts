/**
 * Ends a blocking read from a second connection, so that the next one has a changed set of streams.
 * CLIENT UNBLOCK does nothing to a read that Redis has not begun, so it is sent again until it has ended.
 */
import { RedisConnection } from '../src/redis/connection.js';
import { encodeCommand } from '../src/redis/resp.js';
import { SilenceWatch } from '../src/redis/silence-watch.js';
import type { RedisTarget } from '../src/redis/target.js';

/** A read that has not ended by then was not blocked when the interruption came. */
const AGAIN_MS = 5;
const SILENCE_MS = 2000;

export class Interrupter {
  readonly #target: RedisTarget;
  #connection: RedisConnection | undefined;
  #watch: SilenceWatch | undefined;
  #isReady = false;
  #unanswered = 0;
  #clientId: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(target: RedisTarget) {
    this.#target = target;
  }

  /** Ends the read of that client, unless `done` is called before. */
  begin(clientId: number): void {
    if (this.#clientId !== undefined) return;
    this.#clientId = clientId;
    if (this.#connection === undefined) this.#connect();
    this.#send();
  }

  /** The read has ended. */
  done(): void {
    this.#clientId = undefined;
    clearTimeout(this.#timer);
  }

  close(): void {
    this.done();
    this.#connection?.destroy();
  }

  #connect(): void {
    const connection = new RedisConnection(this.#target, 'interrupt', {
      ready: () => {
        this.#isReady = true;
        this.#send();
      },
      reply: () => {
        this.#unanswered--;
      },
      closed: () => {
        this.#watch?.stop();
        this.#connection = undefined;
        this.#isReady = false;
      },
    });
    this.#connection = connection;
    this.#unanswered = 0;
    this.#watch = new SilenceWatch(connection, SILENCE_MS, () => this.#unanswered > 0);
  }

  #send(): void {
    clearTimeout(this.#timer);
    if (this.#clientId === undefined || !this.#isReady) return;
    // One at a time: a connection that says nothing must not be filled.
    if (this.#unanswered === 0) {
      this.#unanswered++;
      this.#connection?.write(encodeCommand(['CLIENT', 'UNBLOCK', this.#clientId]));
    }
    this.#timer = setTimeout(() => this.#send(), AGAIN_MS);
  }
}
