/**
 * Notices that a thread has stopped: it spins, or hangs. Main asks it for a beat, and counts the times that it looked
 * in vain rather than the time: a main thread which was held up itself, or a process that was stopped, blames nobody,
 * since what came meanwhile is heard before the next look.
 *
 * A thread without work is not asked, so that an idle gateway sleeps. One that has stopped by then is noticed once it
 * is given work.
 */

/** How often a thread that has work is asked. */
const LOOK_MS = 500;
/** Until the first beat: how long a thread takes to start depends on all else that the machine does. */
const START_MS = 30_000;

export interface WatchedThread {
  /** Asks for a beat. */
  ask(): void;
  /** Whether it has work. */
  isBusy(): boolean;
  /** It was silent for too long; called once. */
  stopped(): void;
}

export class Heartbeat {
  readonly #limitMs: number;
  readonly #thread: WatchedThread;
  #timer: NodeJS.Timeout | undefined;
  #missed = 0;
  #isAwaited = false;
  #hasBegun = false;
  #hasEnded = false;

  /** @param limitMs how long a thread that has work may be silent */
  constructor(limitMs: number, thread: WatchedThread) {
    this.#limitMs = limitMs;
    this.#thread = thread;
  }

  /** The thread starts, or is given work. It is watched until it has none. */
  watch(): void {
    if (this.#timer !== undefined || this.#hasEnded) return;
    this.#ask();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  beat(): void {
    this.#missed = 0;
    this.#isAwaited = false;
    this.#hasBegun = true;
  }

  /** The thread has ended. */
  stop(): void {
    this.#hasEnded = true;
    clearInterval(this.#timer);
  }

  #ask(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#thread.ask();
  }

  #look(): void {
    if (!this.#isAwaited) {
      // The last beat of a thread whose work is done says what memory that has left it with.
      if (!this.#thread.isBusy()) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
      this.#ask();
      return;
    }
    this.#missed++;
    if (this.#missed * LOOK_MS <= (this.#hasBegun ? this.#limitMs : START_MS)) return;
    this.stop();
    this.#thread.stopped();
  }
}
