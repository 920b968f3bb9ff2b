/**
 * Large buffers that have done their work, to be filled again.
 *
 * With a buffer for each large payload a stream of them goes through memory beside V8's heap so fast that
 * V8 answers with one full collection after another, and the kernel with fresh pages to clear.
 */

/** What is kept in all; more is left to the garbage collector. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Smaller buffers cost little. */
const LEAST_BYTES = 16 * 1024;
/** A buffer is not spent on something much smaller. */
const MOST_WASTE = 4;

export class SpareBuffers {
  readonly #buffers: ArrayBuffer[] = [];
  #bytes = 0;

  /** @returns a buffer of at least so many bytes and not many times more, if there is one */
  take(bytes: number): ArrayBuffer | undefined {
    const index = this.#buffers.findIndex(
      ({ byteLength }) => byteLength >= bytes && byteLength <= Math.max(bytes, LEAST_BYTES) * MOST_WASTE,
    );
    if (index < 0) return undefined;
    const [buffer] = this.#buffers.splice(index, 1);
    this.#bytes -= buffer!.byteLength;
    return buffer;
  }

  /** Nobody may look at the buffer any more. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength < LEAST_BYTES || this.#bytes + buffer.byteLength > MAX_BYTES) return;
    this.#buffers.push(buffer);
    this.#bytes += buffer.byteLength;
  }
}
