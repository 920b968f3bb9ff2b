/**
 * Notices that Redis owes an answer and says nothing. A half-open connection gives no other sign: its other
 * end is gone without a word, and the kernel keeps what is written to it for minutes.
 *
 * It counts looks rather than time, so that neither a clock that jumps nor a process that was stopped for a
 * while makes a connection look silent; and bytes rather than answers, so that a large one may take its time.
 */
import type { RedisConnection } from './connection.js';

/** How often a connection is looked at until it counts as silent. */
const LOOKS = 4;

export class SilenceWatch {
  readonly #timer: NodeJS.Timeout;
  #receivedBytes = 0;
  #silentLooks = 0;

  /**
   * Destroys `connection` once it has brought nothing for about `limitMs` while `owesAnswer` said so. To be
   * stopped when the connection is closed.
   */
  constructor(
    connection: Pick<RedisConnection, 'receivedBytes' | 'destroy'>,
    limitMs: number,
    owesAnswer: () => boolean,
  ) {
    this.#timer = setInterval(() => {
      const { receivedBytes } = connection;
      const isSilent = owesAnswer() && receivedBytes === this.#receivedBytes;
      this.#receivedBytes = receivedBytes;
      this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0;
      if (this.#silentLooks < LOOKS) return;
      connection.destroy(new Error(`Redis owes an answer and has said nothing for ${limitMs} ms`));
    }, limitMs / LOOKS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
