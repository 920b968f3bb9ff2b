/**
 * A request's body as it comes. The memory for it grows with what has come, whatever length the head announces:
 * it doubles, up to the announced length.
 *
 *     | received | room        |
 *     0          length        capacity ≤ announced
 */

import { Failure } from '../../protocol/errors.js';

/** Bodies up to here are kept without growing. */
const LEAST_BYTES = 16 * 1024;

export class ReceivedBody {
  readonly #announced: number;
  #memory: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param announced the Content-Length; what comes beyond it is dropped */
  constructor(announced: number) {
    this.#announced = announced;
  }

  /** What has come. */
  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Bytes of memory that `add` will allocate for a chunk of so many bytes. */
  growthFor(bytes: number): number {
    return this.#capacityFor(bytes) - this.#memory.length;
  }

  /** Copies a chunk. @throws RangeError where there is no memory for it */
  add(chunk: Uint8Array): void {
    const taken = chunk.subarray(0, this.#announced - this.#length);
    const capacity = this.#capacityFor(taken.length);
    if (capacity > this.#memory.length) {
      const memory = Buffer.allocUnsafeSlow(capacity);
      this.#memory.copy(memory, 0, 0, this.#length);
      this.#memory = memory;
    }
    this.#memory.set(taken, this.#length);
    this.#length += taken.length;
  }

  /** Lets go of what has come. */
  clear(): void {
    this.#memory = Buffer.alloc(0);
    this.#length = 0;
  }

  #capacityFor(bytes: number): number {
    const needed = Math.min(this.#length + bytes, this.#announced);
    if (needed <= this.#memory.length) return this.#memory.length;
    return Math.min(Math.max(needed, 2 * this.#memory.length, LEAST_BYTES), this.#announced);
  }
}

/** A body this much over the limit is read to its end, so that its sender comes to read the refusal. */
const DRAINED_BYTES = 64 * 1024 * 1024;

/** Whether a body that is too large is read all the same. */
export const isDrained = (declared: number, limit: number): boolean => declared <= limit + DRAINED_BYTES;

/**
 * Why a body is not taken, by its headers; '' for one that was not sent.
 * @param limit how many bytes it may have
 */
export function bodyRefusal(length: string, encoding: string, limit: number): Failure | undefined {
  if (length === '') return new Failure('length_required', 'a body needs a Content-Length header');
  if (encoding !== '') {
    return new Failure('unsupported_media_type', 'a body must not have a Content-Encoding');
  }
  const declared = Number(length);
  if (declared <= limit) return undefined;
  return new Failure('payload_too_large', `the body has ${declared} bytes; at most ${limit} are allowed`);
}
