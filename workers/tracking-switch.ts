/**
 * Whether a reader's connection tracks what it reads: turns that on and off with the number of streams, and leaves it
 * off for a while where Redis refuses it, or where another server than a tested one takes it and may not mean it.
 *
 * Tracking is a matter of the connection: one that is made anew begins without.
 */
import { encodeCommand } from '../src/redis/resp.js';
import { isOneOfThese } from '../src/redis/server-identity.js';
import { TrackingAttempts } from '../src/redis/tracking-attempts.js';
import type { Ask } from './followed.js';

/**
 * A blocking read costs Redis time for each stream that it names, a tracked one a round trip more. Apart from each
 * other, so that a stream that comes and goes does not have it turned on and off.
 */
const OF_MANY: TrackingLimits = { onAbove: 100, offBelow: 50 };

/** With how many streams it is turned on and off. */
export interface TrackingLimits {
  readonly onAbove: number;
  readonly offBelow: number;
}

export class TrackingSwitch {
  readonly #ask: Ask;
  readonly #limits: TrackingLimits;
  readonly #attempts = new TrackingAttempts();
  /** The server is one of those that were tested, and the connection has notices among its replies. */
  #hasNotices = false;
  /** The connection tracks what it reads. */
  isOn = false;
  /** Redis has not answered yet whether it will. */
  isTurning = false;

  constructor(ask: Ask, limits = OF_MANY) {
    this.#ask = ask;
    this.#limits = limits;
  }

  /** Whether it should be turned on, or off. */
  shouldTurn(streams: number): boolean {
    if (this.isOn) return streams < this.#limits.offBelow;
    return !this.isTurning && streams > this.#limits.onAbove && this.#attempts.mayTry;
  }

  /** Asks for it, between two reads. @param done is called with the answer, unless the connection is lost */
  turnOn(done: () => void): void {
    this.isTurning = true;
    const turned = (isOn: boolean) => {
      this.isTurning = false;
      this.isOn = isOn;
      if (isOn) this.#attempts.succeeded();
      else this.#attempts.failed();
      done();
    };
    const track = () => {
      this.#ask(encodeCommand(['CLIENT', 'TRACKING', 'ON']), (tracking) => turned(!tracking.isError));
    };
    if (this.#hasNotices) {
      track();
      return;
    }
    // Only RESP3 has notices among the replies.
    const changeProtocol = () => {
      this.#ask(encodeCommand(['HELLO', 3]), (hello) => {
        this.#hasNotices = !hello.isError;
        if (this.#hasNotices) track();
        else turned(false);
      });
    };
    this.#ask(encodeCommand(['INFO', 'server']), (info) => {
      if (!info.isError && isOneOfThese(info.text())) changeProtocol();
      else turned(false);
    });
  }

  /** Reads of this connection are tracked no more, from the next on. */
  turnOff(): void {
    this.isOn = false;
    this.#ask(encodeCommand(['CLIENT', 'TRACKING', 'OFF']), () => {});
  }

  /** To be called when the connection is lost. */
  lost(): void {
    if (this.isTurning) this.#attempts.failed();
    this.isTurning = false;
    this.isOn = false;
    this.#hasNotices = false;
  }
}
