/**
 * XADD commands that go out together, kept until Redis has answered all of them.
 *
 *     parts  | slab … | large payload | slab … |     what is written to the socket, in order
 *     ends   0  ^command 0     ^command 1  ^…        end of each command, in bytes over all parts
 *
 * Small commands are copied into a slab; a large payload is a part of its own, so that a slab stays
 * small and can be used again.
 */

import type { Failure } from '../errors.js';
import type { AppendStream } from './append-command.js';
import type { ReplyCursor } from './resp.js';

export const SLAB_BYTES = 64 * 1024;
/** Payloads from this size on are parts of their own. */
const LARGE_BYTES = 16 * 1024;
/** Longest decimal length, CR LF behind it, CR LF behind the payload. */
const LENGTH_ROOM = 10 + 4;
const CR = 13;
const LF = 10;
const ZERO = 48;

/**
 * Who is told what became of an entry. `token` is the number that came with the entry, for the
 * receiver's own use.
 */
export interface Receipt {
  /** Stored; `reply` holds the entry's id and is read or left alone during the call. */
  stored(token: number, reply: ReplyCursor): void;
  refused(token: number, failure: Failure): void;
}

export class AppendBatch {
  readonly #parts: Uint8Array[] = [];
  readonly #ends: number[] = [];
  readonly #receipts: Receipt[] = [];
  readonly #tokens: number[] = [];
  readonly #slab: Buffer;
  /** Where the part of the slab begins that is not in `parts` yet. */
  #partStart = 0;
  #used = 0;
  #answered = 0;
  #bytes = 0;

  constructor(slab: Buffer) {
    this.#slab = slab;
  }

  get slab(): Buffer {
    return this.#slab;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#ends.length;
  }

  get unanswered(): number {
    return this.#ends.length - this.#answered;
  }

  /**
   * Adds the XADD of one entry; `payload` is copied.
   * @returns the bytes it takes; 0 where the slab has no room for it
   */
  add(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): number {
    const head = stream.head(id);
    const isLarge = payload.length >= LARGE_BYTES;
    const needed = head.length + LENGTH_ROOM + (isLarge ? 0 : payload.length);
    if (this.#slab.length - this.#used < needed) return 0;
    const before = this.#used;
    this.#slab.set(head, this.#used);
    this.#used += head.length;
    this.#writeLength(payload.length);
    if (isLarge) {
      this.#cutPart();
      // Not from Node's shared pool, whose neighbours would be kept alive with it.
      const copy = Buffer.allocUnsafeSlow(payload.length);
      copy.set(payload);
      this.#parts.push(copy);
    } else {
      this.#slab.set(payload, this.#used);
      this.#used += payload.length;
    }
    this.#slab[this.#used++] = CR;
    this.#slab[this.#used++] = LF;
    const bytes = this.#used - before + (isLarge ? payload.length : 0);
    this.#bytes += bytes;
    this.#ends.push(this.#bytes);
    this.#receipts.push(receipt);
    this.#tokens.push(token);
    return bytes;
  }

  /** What is still to be answered, as bytes to write; all of it unless some was answered before. */
  unansweredParts(): Uint8Array[] {
    this.#cutPart();
    let skip = this.#answered === 0 ? 0 : this.#ends[this.#answered - 1]!;
    if (skip === 0) return this.#parts;
    const rest: Uint8Array[] = [];
    for (const part of this.#parts) {
      if (skip < part.length) rest.push(part.subarray(skip));
      skip = Math.max(0, skip - part.length);
    }
    return rest;
  }

  /** Hands the next reply to its receiver. @returns the bytes that are no longer in flight */
  answer(tell: (receipt: Receipt, token: number) => void): number {
    const index = this.#answered++;
    tell(this.#receipts[index]!, this.#tokens[index]!);
    return this.#ends[index]! - (index === 0 ? 0 : this.#ends[index - 1]!);
  }

  #cutPart(): void {
    if (this.#used === this.#partStart) return;
    this.#parts.push(this.#slab.subarray(this.#partStart, this.#used));
    this.#partStart = this.#used;
  }

  #writeLength(length: number): void {
    let digits = 1;
    for (let limit = 10; limit <= length; limit *= 10) digits++;
    let rest = length;
    for (let at = this.#used + digits - 1; at >= this.#used; at--) {
      this.#slab[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#used += digits;
    this.#slab[this.#used++] = CR;
    this.#slab[this.#used++] = LF;
  }
}
