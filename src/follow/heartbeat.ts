/** When a follower's client is sent a heartbeat: the parameter `block` of docs/protocol.md. */

export class Heartbeat {
  readonly #block: number;
  readonly #send: () => void;
  /** With `block=-1`: the client has caught up, and its heartbeat has not been sent yet. */
  isOwed = true;
  /** When data was sent, or a heartbeat tried, last, by `performance.now`. */
  lastSentAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param block ms without data after which a heartbeat is sent; 0: none; -1: at once, whenever caught up
   * @param send sends one if the client can take it
   */
  constructor(block: number, send: () => void) {
    this.#block = block;
    this.#send = send;
    if (block > 0) this.#timer = setTimeout(() => this.#fire(), block);
  }

  /** Whether one is to be sent as soon as the client has caught up. */
  get isWantedAtEnd(): boolean {
    return this.#block < 0 && this.isOwed;
  }

  beat(): void {
    this.isOwed = false;
    this.#send();
    this.lastSentAt = performance.now();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #fire(): void {
    if (performance.now() - this.lastSentAt >= this.#block) this.beat();
    // What was sent since the timer was set puts the next heartbeat off.
    const due = Math.ceil(this.lastSentAt + this.#block - performance.now());
    this.#timer = setTimeout(() => this.#fire(), due);
  }
}
