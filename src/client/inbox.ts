/**
 * Messages that have arrived and wait for the consumer.
 *
 * Order is kept; one consumer at a time. Memory is bounded: when the inbox is full its source is paused,
 * and resumed when it is empty again. What the source had already read off the network still comes in,
 * a socket buffer's worth at most. A source that cannot be paused must bound by itself what it sends.
 * After `finish` what waits is handed out first, then the end.
 */

/** A text message or a binary one. */
export type Frame = string | Uint8Array;

export interface Source {
  pause?(): void;
  resume?(): void;
}

/** Enough to keep a consumer busy while the network catches up; a single frame may be larger. */
const FULL_FRAMES = 64;
const FULL_BYTES = 1024 * 1024;

interface Receiver {
  readonly resolve: (frame: Frame | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class Inbox {
  readonly #source: Source;
  #frames: Frame[] = [];
  #bytes = 0;
  #paused = false;
  #end: { readonly error: Error | undefined } | undefined;
  #receiver: Receiver | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  add(frame: Frame): void {
    if (this.#end !== undefined) return;
    if (this.#receiver !== undefined) {
      const { resolve } = this.#receiver;
      this.#receiver = undefined;
      resolve(frame);
      return;
    }
    this.#frames.push(frame);
    this.#bytes += frame.length;
    if (!this.#paused && (this.#frames.length >= FULL_FRAMES || this.#bytes >= FULL_BYTES)) {
      this.#paused = true;
      this.#source.pause?.();
    }
  }

  /** No more comes: in order, or with what went wrong. The first call counts. */
  finish(error?: Error): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (error === undefined) receiver?.resolve(undefined);
    else receiver?.reject(error);
  }

  /** Forgets what waits, lets the source flow and takes no more. */
  discard(): void {
    this.finish();
    this.#frames = [];
    this.#resume();
  }

  /**
   * The next message; undefined at the end.
   * @throws Error the one given to `finish`
   */
  async next(): Promise<Frame | undefined> {
    if (this.#receiver !== undefined) throw new Error('an inbox has one consumer');
    const frame = this.#frames.shift();
    if (frame !== undefined) {
      this.#bytes -= frame.length;
      if (this.#frames.length === 0) this.#resume();
      return frame;
    }
    if (this.#end !== undefined) {
      if (this.#end.error !== undefined) throw this.#end.error;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#receiver = { resolve, reject };
    });
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume?.();
  }
}
