/**
 * Writes to a connected socket as often as there is something to write, also within one turn of the loop.
 *
 * Node's sockets write on once a turn at most, when libuv reports room. A turn in which many producers
 * are read takes tens of milliseconds, while what the kernel holds for a Unix socket (about 200 KiB)
 * keeps Redis busy for two: it would idle for the rest. So while there is work this asks the kernel
 * itself. Only after a turn that brought nothing new is a part left to libuv, which waits for room.
 */
import { writevSync } from 'node:fs';
import type { Socket } from 'node:net';
import { handleOf } from './socket-handle.js';

/** Parts given to one system call: more than the kernel takes at once, where they are slabs. */
const MAX_PARTS = 64;
const WRITTEN = new Uint8Array(0);
/** Errors that say that the other side is gone. */
const GONE = ['EPIPE', 'ECONNRESET'];
/** Written parts are cut off the front of the queue once there are so many. */
const MAX_WRITTEN_PARTS = 1024;

export class SocketWriter {
  readonly #socket: Socket;
  readonly #isPlain: boolean;
  /** What is not in the kernel yet, in order, behind what is. */
  #parts: Uint8Array[] = [];
  #writtenParts = 0;
  #isLeftToLibuv = false;
  /** Whether anything was given to write since the last turn. */
  #isInUse = false;
  #nextTurn: NodeJS.Immediate | undefined;
  /** Bytes that the kernel or libuv has: the other side may have read some of them, and none beyond. */
  takenBytes = 0;

  /** @param isPlain whether bytes may go to the kernel as they are; not so with TLS */
  constructor(socket: Socket, isPlain: boolean) {
    this.#socket = socket;
    this.#isPlain = isPlain;
  }

  /** The bytes must not change until they are written. Once the socket is connected. */
  write(parts: readonly Uint8Array[]): void {
    for (const part of parts) this.#parts.push(part);
    this.#isInUse = true;
    this.#writeOn();
  }

  /** Bytes that the kernel has taken so far: they rise for as long as the other side makes room. */
  get sentBytes(): number {
    return this.takenBytes - (handleOf(this.#socket)?.writeQueueSize ?? 0);
  }

  close(): void {
    clearImmediate(this.#nextTurn);
    this.#parts = [];
    this.#writtenParts = 0;
  }

  #writeOn(): void {
    if (this.#isLeftToLibuv || this.#parts.length === 0 || this.#socket.destroyed) return;
    const descriptor = (this.#isPlain && handleOf(this.#socket)?.fd) || -1;
    if (descriptor < 0) {
      this.#leaveToLibuv(this.#parts.length);
      return;
    }
    while (this.#writtenParts < this.#parts.length) {
      const parts = this.#parts.slice(this.#writtenParts, this.#writtenParts + MAX_PARTS);
      const bytes = this.#tryWrite(descriptor, parts);
      this.takenBytes += bytes;
      if (!this.#written(bytes, parts)) break;
    }
    if (this.#parts.length > 0) this.#nextTurn ??= setImmediate(this.#goOn);
  }

  readonly #goOn = (): void => {
    this.#nextTurn = undefined;
    this.#writeOn();
    if (!this.#isInUse && this.#parts.length > 0) this.#leaveToLibuv(this.#writtenParts + 1);
    this.#isInUse = false;
  };

  /** @param end how many of the parts from the front, those that are written included */
  #leaveToLibuv(end: number): void {
    this.#isLeftToLibuv = true;
    clearImmediate(this.#nextTurn);
    this.#nextTurn = undefined;
    const parts = this.#parts.slice(this.#writtenParts, end);
    this.#advance(parts.length);
    for (const { length } of parts) this.takenBytes += length;
    const last = parts.pop();
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.write(last ?? '', () => {
      this.#isLeftToLibuv = false;
      this.#writeOn();
    });
    this.#socket.uncork();
  }

  /** @returns the bytes that the kernel took; 0 where it has no room */
  #tryWrite(descriptor: number, parts: Uint8Array[]): number {
    try {
      return writevSync(descriptor, parts);
    } catch (error) {
      // EAGAIN as a rule. Where nobody can read it any more, nothing more may count as taken; any other error
      // comes again when libuv writes or reads, and closes the socket.
      if (GONE.includes((error as NodeJS.ErrnoException).code!)) this.#socket.destroy(error as Error);
      return 0;
    }
  }

  /** @returns whether all of `parts`, the next ones, is among the `bytes` that the kernel took */
  #written(bytes: number, parts: readonly Uint8Array[]): boolean {
    let rest = bytes;
    let whole = 0;
    for (const part of parts) {
      if (rest < part.length) break;
      rest -= part.length;
      whole++;
    }
    if (rest > 0) this.#parts[this.#writtenParts + whole] = parts[whole]!.subarray(rest);
    this.#advance(whole);
    return whole === parts.length;
  }

  #advance(parts: number): void {
    // Written parts wait to be cut off, and may be large: their memory must not wait with them.
    this.#parts.fill(WRITTEN, this.#writtenParts, this.#writtenParts + parts);
    this.#writtenParts += parts;
    if (this.#writtenParts < this.#parts.length && this.#writtenParts < MAX_WRITTEN_PARTS) return;
    this.#parts.splice(0, this.#writtenParts);
    this.#writtenParts = 0;
  }
}
