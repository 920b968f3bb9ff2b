/** The gateway's clock as the page knows it: entry ids are told by it, and this machine's may be off. */

/** Of so many readings the one that travelled fastest counts. */
const READINGS = 10;

export class ServerClock {
  #offsets: number[] = [];

  /** Takes what the gateway's clock said when it sent a message that has just come. */
  read(at: number): void {
    this.#offsets.push(at - Date.now());
    if (this.#offsets.length > READINGS) this.#offsets.shift();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Date.now() + (this.#offsets.length === 0 ? 0 : Math.max(...this.#offsets));
  }
}
