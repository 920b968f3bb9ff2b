/**
 * Notices that Redis owes an answer and says nothing. A half-open connection gives no other sign: its other
 * end is gone without a word, and the kernel keeps what is written to it for minutes.
 *
 * It counts looks rather than time, so that neither a clock that jumps nor a process that was stopped for a
 * while makes a connection look silent; and bytes, either way, rather than answers, so that a large command or answer
 * may take its time.
 */
import type { RedisConnection } from './connection.js';

/** How often a connection is looked at until it counts as silent. */
const LOOKS = 8;

export class SilenceWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #lookMs: number;
  #movedBytes = 0;
  #silentLooks = 0;

  /**
   * Calls `giveUp` once nothing has moved on `connection` for about `limitMs` while `owesAnswer` said so. Stop it when
   * the connection is closed.
   */
  constructor(
    connection: Pick<RedisConnection, 'movedBytes'>,
    limitMs: number,
    owesAnswer: () => boolean,
    giveUp: (cause: Error) => void,
  ) {
    this.#lookMs = limitMs / LOOKS;
    this.#timer = setInterval(() => {
      const { movedBytes } = connection;
      const isSilent = owesAnswer() && movedBytes === this.#movedBytes;
      this.#movedBytes = movedBytes;
      this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0;
      if (this.#silentLooks < LOOKS) return;
      giveUp(new Error(`Redis owes an answer and has said nothing for ${limitMs} ms`));
    }, this.#lookMs);
  }

  /** For how long nothing has moved while an answer was owed, in ms. */
  get silentMs(): number {
    return this.#silentLooks * this.#lookMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
