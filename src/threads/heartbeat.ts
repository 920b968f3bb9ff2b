/**
 * Notices that a thread has stopped: it spins, or hangs. Threads beat of their own accord, and main counts the
 * times that it looked in vain rather than the time: a main thread which was held up itself, or a process
 * that was stopped, blames nobody, since what came meanwhile is heard before the next look.
 */

/** How often a thread beats, and how often main looks: all that an idle gateway's threads wake up for. */
export const BEAT_MS = 500;
/** Until the first beat: how long a thread takes to start depends on all else that the machine does. */
const START_MS = 30_000;

export class Heartbeat {
  readonly #timer: NodeJS.Timeout;
  #missed = 0;
  #hasBegun = false;

  /** @param limitMs how long a thread may be silent @param stopped is called once, when it was */
  constructor(limitMs: number, stopped: () => void) {
    this.#timer = setInterval(() => {
      this.#missed++;
      if (this.#missed * BEAT_MS <= (this.#hasBegun ? limitMs : START_MS)) return;
      this.stop();
      stopped();
    }, BEAT_MS);
  }

  beat(): void {
    this.#missed = 0;
    this.#hasBegun = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
