/**
 * What one pipe has to store, oldest first: what is written to the connection and not answered, then what
 * is not written yet.
 *
 *     batches  | written … | not written … |
 *              0           ^ unwritten
 */
import type { Failure } from '../../errors.js';
import { Histogram, LATENCY_BOUNDS } from '../../histogram.js';
import type { ReplyCursor } from '../resp.js';
import { SpareBuffers } from '../spare-buffers.js';
import { AppendBatch, type Receipt, SLAB_BYTES, type Unanswered } from './batch.js';
import type { AppendStream } from './command.js';

/** Slabs kept for reuse; more are left to the garbage collector. */
const SPARE_SLABS = 64;

export class AppendQueue {
  readonly #batches: AppendBatch[] = [];
  #unwritten = 0;
  readonly #spareSlabs: Buffer[] = [];
  readonly #spares = new SpareBuffers();
  /** Seconds from the coming of a batch's first entry to the answer to its last: a sample a batch costs nothing. */
  readonly latency = new Histogram(LATENCY_BOUNDS);

  /** Whether Redis owes answers. */
  get isWritten(): boolean {
    return this.#unwritten > 0;
  }

  /** When the oldest entry came, by `performance.now`. */
  get oldestAt(): number {
    return this.#batches[0]?.begunAt ?? performance.now();
  }

  /** Adds an entry; `payload` is copied. @returns the bytes it takes */
  add(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): number {
    const last = this.#open();
    return (
      last?.add(stream, id, payload, receipt, token) || this.#begin().add(stream, id, payload, receipt, token)
    );
  }

  /** Adds another command. @returns the bytes it takes */
  addCommand(command: Uint8Array, receipt: Receipt, token: number): number {
    return (
      this.#open()?.addCommand(command, receipt, token) || this.#begin().addCommand(command, receipt, token)
    );
  }

  /** The bytes of all that is not written yet, which is taken to be written now. */
  write(): Uint8Array[] {
    const parts: Uint8Array[] = [];
    for (; this.#unwritten < this.#batches.length; this.#unwritten++) {
      parts.push(...this.#batches[this.#unwritten]!.unansweredParts());
    }
    return parts;
  }

  /** Hands Redis' next answer to its receiver. @returns the bytes that are no longer in flight */
  stored(reply: ReplyCursor): number {
    const batch = this.#oldest();
    const bytes = batch.stored(reply);
    if (batch.unanswered === 0) this.#retire(batch);
    return bytes;
  }

  /** The same with an answer that is an error. */
  refused(failure: Failure): number {
    const batch = this.#oldest();
    const bytes = batch.refused(failure);
    if (batch.unanswered === 0) this.#retire(batch);
    return bytes;
  }

  /**
   * Takes out the entries that lie within so many bytes from the oldest without an answer; other commands
   * there are refused with `failure`. Of all that is left nothing counts as written.
   */
  takeWritten(
    bytes: number,
    failure: Failure,
  ): { readonly entries: readonly Unanswered[]; readonly refusedBytes: number } {
    const entries: Unanswered[] = [];
    let left = bytes;
    for (; this.#unwritten > 0; this.#unwritten--) {
      const batch = this.#batches[0]!;
      const before = batch.unansweredBytes;
      for (const entry of batch.takeWithin(left, failure)) entries.push(entry);
      left -= before - batch.unansweredBytes;
      // Its slab is not used again: what was taken lies in it.
      if (batch.unanswered > 0) break;
      this.#batches.shift();
    }
    this.#unwritten = 0;
    const takenBytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    return { entries, refusedBytes: bytes - left - takenBytes };
  }

  /** Puts entries that were taken out before all others; they take as many bytes as before. */
  putBack(entries: readonly Unanswered[]): void {
    const batches: AppendBatch[] = [];
    for (const { stream, id, payload, receipt, token } of entries) {
      if (batches.at(-1)?.add(stream, id, payload, receipt, token, true)) continue;
      const batch = new AppendBatch(this.#slab(), this.#spares);
      batches.push(batch);
      batch.add(stream, id, payload, receipt, token, true);
    }
    this.#batches.unshift(...batches);
  }

  /** Refuses all that is left. */
  giveUp(failure: Failure): void {
    this.#unwritten = 0;
    for (const batch of this.#batches.splice(0)) while (batch.unanswered > 0) batch.refused(failure);
  }

  /** The batch that may still be added to. */
  #open(): AppendBatch | undefined {
    return this.#batches.length > this.#unwritten ? this.#batches.at(-1) : undefined;
  }

  #begin(): AppendBatch {
    const batch = new AppendBatch(this.#slab(), this.#spares);
    this.#batches.push(batch);
    return batch;
  }

  #slab(): Buffer {
    return this.#spareSlabs.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  #oldest(): AppendBatch {
    if (this.#unwritten === 0) throw new Error('Redis answered more than it was asked');
    return this.#batches[0]!;
  }

  #retire(batch: AppendBatch): void {
    this.#batches.shift();
    this.#unwritten--;
    batch.retire();
    this.latency.observe((performance.now() - batch.begunAt) / 1000);
    if (this.#spareSlabs.length < SPARE_SLABS) this.#spareSlabs.push(batch.slab);
  }
}
