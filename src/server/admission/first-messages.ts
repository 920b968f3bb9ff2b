/**
 * GraphQL sockets before their `connection_init`, when anybody may have opened them.
 *
 *     waiting   open, and not read: what its client sends stays in the system's buffers
 *     reading   may send its first message, of any size that is allowed
 *
 * The library keeps the unfinished message of each socket that it reads, and shows none of it. So few are read
 * at a time, and nobody waits long: a client sends its first message with the opening or right after it, and
 * one that does not, while others wait, is closed. The next to be read is of the address with the fewest.
 */
import { Failure } from '../../protocol/errors.js';

/** At most so many unfinished messages are held, of 2 MiB each. */
const MAX_READING = 12;
/** Sockets of one address, and of all, that may be open before their first message has come. */
const MAX_PER_ADDRESS = 256;
const MAX_OPEN = 1024;
/** How long one may be read while others wait. */
const TURN_MS = 1000;

export interface NewSocket {
  readonly address: string;
  pauseReading(): void;
  resumeReading(): void;
  end(failure: Failure): void;
}

export class FirstMessages {
  readonly #maxPerAddress: number;
  /** And since when, by `performance.now()`. */
  readonly #reading = new Map<NewSocket, number>();
  readonly #waiting = new Set<NewSocket>();
  readonly #perAddress = new Map<string, number>();

  /** @param countsAddresses false: all clients come from that of a proxy */
  constructor(countsAddresses: boolean) {
    this.#maxPerAddress = countsAddresses ? MAX_PER_ADDRESS : MAX_OPEN;
  }

  /** Sockets that have not sent their first message. */
  get open(): number {
    return this.#reading.size + this.#waiting.size;
  }

  /** To be called before a socket is opened. @throws Failure where there are too many */
  checkRoom(address: string): void {
    if ((this.#perAddress.get(address) ?? 0) >= this.#maxPerAddress) {
      const most = `one address may have at most ${this.#maxPerAddress} connections without connection_init`;
      throw new Failure('too_many_connections', most);
    }
    if (this.open >= MAX_OPEN) {
      throw new Failure('overloaded', `there may be at most ${MAX_OPEN} connections without connection_init`);
    }
  }

  /** A socket is open; `remove` must follow. */
  add(socket: NewSocket): void {
    this.#perAddress.set(socket.address, (this.#perAddress.get(socket.address) ?? 0) + 1);
    if (this.#reading.size < MAX_READING) {
      this.#reading.set(socket, performance.now());
      return;
    }
    this.#waiting.add(socket);
    socket.pauseReading();
  }

  /** The socket's client has introduced itself, or has left; it may be called again. */
  remove(socket: NewSocket): void {
    const isReading = this.#reading.delete(socket);
    if (!isReading && !this.#waiting.delete(socket)) return;
    const left = this.#perAddress.get(socket.address)! - 1;
    if (left === 0) this.#perAddress.delete(socket.address);
    else this.#perAddress.set(socket.address, left);
    if (isReading) this.#readNext();
  }

  /** Ends the turns of those that let others wait. To be called now and then. */
  sweep(): void {
    const begun = performance.now() - TURN_MS;
    for (const [socket, since] of [...this.#reading]) {
      if (this.#waiting.size === 0) return;
      if (since > begun) continue;
      socket.end(
        new Failure('overloaded', 'connection_init did not come in time, and other clients wait to connect'),
      );
      this.remove(socket);
    }
  }

  #readNext(): void {
    const reading = new Map<string, number>();
    for (const { address } of this.#reading.keys()) reading.set(address, (reading.get(address) ?? 0) + 1);
    let next: NewSocket | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const socket of this.#waiting) {
      const count = reading.get(socket.address) ?? 0;
      if (count >= fewest) continue;
      next = socket;
      fewest = count;
    }
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#reading.set(next, performance.now());
    next.resumeReading();
  }
}
