/** When a reader reads again by itself: at the end of the turn, after a pause, and to look at the ends of streams. */

/** How often, at most, some of the streams are looked at for whether they still reach up to what was read. */
const LOOK_MS = 250;

export interface ReadTimersHandler {
  /** The time to read has come. */
  read(): void;
  /** Streams are to be looked at with the next read. @returns whether there are any */
  look(): boolean;
}

export class ReadTimers {
  readonly #handler: ReadTimersHandler;
  #lookTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;

  constructor(handler: ReadTimersHandler) {
    this.#handler = handler;
  }

  /** Nothing is to be read before the pause is over. */
  get isPausing(): boolean {
    return this.#pauseTimer !== undefined;
  }

  /** Has streams looked at while there are some: a thread without any sleeps. */
  startLooks(): void {
    this.#lookTimer ??= setInterval(() => {
      if (!this.#handler.look()) {
        clearInterval(this.#lookTimer);
        this.#lookTimer = undefined;
      }
      // Tracked reads are sent where there is something to read, and looks are part of a read.
      this.#handler.read();
    }, LOOK_MS);
  }

  /** Has what is to be read be read together, at the end of this turn of the event loop. */
  wake(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#handler.read();
    });
  }

  pause(ms: number): void {
    this.#pauseTimer ??= setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#handler.read();
    }, ms);
  }

  endPause(): void {
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
  }

  close(): void {
    this.endPause();
    clearImmediate(this.#turn);
    clearInterval(this.#lookTimer);
  }
}
