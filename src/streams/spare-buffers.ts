/**
 * Buffers of batches that were sent, for the pool to fill again.
 *
 * A buffer for each batch would be gone through in a moment by a follower that replays large entries, and
 * V8 answers so much memory beside its heap with one full collection after another.
 */

/** What is kept in all; more is left to the garbage collector. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Smaller buffers cost little. */
const LEAST_BYTES = 64 * 1024;

export class SpareBuffers {
  readonly #buffers: ArrayBuffer[] = [];
  #bytes = 0;

  /** @returns a buffer of at least so many bytes, if there is one */
  take(bytes: number): ArrayBuffer | undefined {
    const index = this.#buffers.findIndex(({ byteLength }) => byteLength >= bytes);
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
