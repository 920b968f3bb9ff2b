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
  readonly #connection: Pick<RedisConnection, 'movedBytes'>;
  readonly #limitMs: number;
  readonly #owesAnswer: () => boolean;
  readonly #giveUp: (cause: Error) => void;
  /** There is none while nothing is owed: an idle process sleeps. */
  #timer: NodeJS.Timeout | undefined;
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
    this.#connection = connection;
    this.#limitMs = limitMs;
    this.#owesAnswer = owesAnswer;
    this.#giveUp = giveUp;
  }

  /** For how long nothing has moved while an answer was owed, in ms. */
  get silentMs(): number {
    return this.#silentLooks * this.#lookMs;
  }

  /** To be called whenever something is asked. Watches until a look finds that nothing is owed. */
  begin(): void {
    if (this.#timer !== undefined) return;
    this.#movedBytes = this.#connection.movedBytes;
    this.#timer = setInterval(() => this.#look(), this.#lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  get #lookMs(): number {
    return this.#limitMs / LOOKS;
  }

  #look(): void {
    if (!this.#owesAnswer()) {
      this.#silentLooks = 0;
      this.stop();
      return;
    }
    const { movedBytes } = this.#connection;
    this.#silentLooks = movedBytes === this.#movedBytes ? this.#silentLooks + 1 : 0;
    this.#movedBytes = movedBytes;
    if (this.#silentLooks < LOOKS) return;
    this.#giveUp(new Error(`Redis owes an answer and has said nothing for ${this.#limitMs} ms`));
  }
}
