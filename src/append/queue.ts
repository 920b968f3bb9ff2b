/**
 * What one pipe has to store, oldest first: what is written to the connection and not answered, then what
 * is not written yet.
 *
 *     batches  | written … | not written … |
 *              0           ^ unwritten
 */
import type { Failure } from '../protocol/errors.js';
import type { ReplyCursor } from '../redis/resp.js';
import { SpareBuffers } from '../redis/spare-buffers.js';
import { Histogram, LATENCY_BOUNDS } from '../system/histogram.js';
import { AppendBatch, type FailureOf, type Receipt, SLAB_BYTES, type Unanswered } from './batch.js';
import type { AppendStream } from './command.js';

/** Slabs kept for reuse; more are left to the garbage collector. */
const SPARE_SLABS = 64;
/** Batches of one turn that are begun for entries to be apart from each other: each takes a slab. */
const MAX_UNWRITTEN = 16;

/** What was written to a connection that was lost. */
export interface TakenEntries {
  /** Redis may have read these. */
  readonly uncertain: readonly Unanswered[];
  /** Redis has read none of these whole. */
  readonly unsent: readonly Unanswered[];
  readonly refusedBytes: number;
}

export class AppendQueue {
  readonly #goOn: () => void;
  readonly #batches: AppendBatch[] = [];
  #unwritten = 0;
  /** So many of the first batches are written one at a time. */
  #carefulBatches = 0;
  /** What was answered of all that was written to the present connection. */
  #answeredBytes = 0;
  readonly #spareSlabs: Buffer[] = [];
  readonly #spares = new SpareBuffers();
  /** Seconds from the coming of a batch's first entry to the answer to its last: a sample a batch costs nothing. */
  readonly latency = new Histogram(LATENCY_BOUNDS);

  /** @param goOn called when more may be written since what was written with care is answered */
  constructor(goOn: () => void) {
    this.#goOn = goOn;
  }

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
    const last = this.#openFor(stream);
    return (
      last?.add(stream, id, payload, receipt, token) || this.#begin().add(stream, id, payload, receipt, token)
    );
  }

  /** Adds another command. @returns the bytes it takes */
  addCommand(command: Uint8Array, receipt: Receipt, token: number): number {
    const open = this.#open();
    const last = open?.mayHoldCommands === false ? undefined : open;
    return last?.addCommand(command, receipt, token) || this.#begin().addCommand(command, receipt, token);
  }

  /**
   * The bytes of all that may be written now, which is taken to be written.
   * @param provesStreams whether Redis tells of changes by others on this connection
   */
  write(provesStreams: boolean): Uint8Array[] {
    const parts: Uint8Array[] = [];
    const end = this.#carefulBatches > 0 ? 1 : this.#batches.length;
    for (; this.#unwritten < end; this.#unwritten++) {
      parts.push(...this.#batches[this.#unwritten]!.writtenParts(provesStreams));
    }
    return parts;
  }

  /** Takes Redis' next answer. @returns the bytes of commands that are no longer in flight */
  answered(reply: ReplyCursor, failureOf: FailureOf): number {
    const batch = this.#oldest();
    const bytes = batch.take(reply, failureOf);
    this.#wasAnswered(batch, bytes);
    return bytes;
  }

  /** Whether Redis' next answer is of an entry, and not of another command. */
  get isEntryNext(): boolean {
    return this.#oldest().nextStream !== undefined;
  }

  /** Takes out the entry that Redis' next answer is of: it was not carried out. */
  takeOut(): Unanswered {
    const batch = this.#oldest();
    const entry = batch.takeOut();
    this.#wasAnswered(batch, entry.bytes);
    return entry;
  }

  #wasAnswered(batch: AppendBatch, bytes: number): void {
    this.#answeredBytes += bytes;
    if (bytes === 0 || batch.unanswered > 0) return;
    this.#answeredBytes += batch.frameBytes;
    this.#retire(batch);
  }

  /**
   * Takes out all entries of batches that were written; other commands there are refused with `failure`.
   * @param writtenBytes how much of all that was written to the connection Redis may have read
   */
  takeWritten(writtenBytes: number, failure: Failure): TakenEntries {
    const bytes = writtenBytes - this.#answeredBytes;
    this.#answeredBytes = 0;
    const uncertain: Unanswered[] = [];
    const unsent: Unanswered[] = [];
    let takenBytes = 0;
    let heldBytes = 0;
    for (; this.#unwritten > 0; this.#unwritten--) {
      const batch = this.#batches.shift()!;
      if (this.#carefulBatches > 0) this.#carefulBatches--;
      const before = batch.unansweredBytes;
      heldBytes += batch.heldBytes;
      batch.lost();
      for (const entry of batch.takeWithin(Math.max(0, bytes - takenBytes), failure)) uncertain.push(entry);
      for (const entry of batch.takeWithin(Number.POSITIVE_INFINITY, failure)) unsent.push(entry);
      takenBytes += before;
    }
    const entryBytes = [...uncertain, ...unsent].reduce((sum, entry) => sum + entry.bytes, 0);
    return { uncertain, unsent, refusedBytes: heldBytes - entryBytes };
  }

  /**
   * Puts entries that were taken out before all others. They are written with care: the first alone, then twice as
   * many each time the ones before are answered. So one that makes Redis close the connection is soon alone.
   * @returns how many bytes more they take than before
   */
  putBack(entries: readonly Unanswered[]): number {
    const batches: AppendBatch[] = [];
    let size = 1;
    let bytes = 0;
    for (const { stream, id, payload, receipt, token, bytes: before } of entries) {
      bytes -= before;
      const last = batches.at(-1);
      const added =
        last !== undefined && last.length < size ? last.add(stream, id, payload, receipt, token, true) : 0;
      bytes += added;
      if (added > 0) continue;
      if (last !== undefined) size *= 2;
      const batch = new AppendBatch(this.#slab(), this.#spares);
      batches.push(batch);
      bytes += batch.add(stream, id, payload, receipt, token, true);
    }
    this.#batches.unshift(...batches);
    this.#carefulBatches += batches.length;
    return bytes;
  }

  /** Refuses all that is left. */
  giveUp(failure: Failure): void {
    this.#unwritten = 0;
    this.#carefulBatches = 0;
    for (const batch of this.#batches.splice(0)) while (batch.unanswered > 0) batch.refused(failure);
  }

  /** The batch that an entry of the stream may be added to. */
  #openFor(stream: AppendStream): AppendBatch | undefined {
    const open = this.#open();
    if (open === undefined || open.mayHold(stream)) return open;
    if (this.#batches.length - this.#unwritten < MAX_UNWRITTEN) return undefined;
    open.keepPlain();
    return open;
  }

  /** The batch that may still be added to. */
  #open(): AppendBatch | undefined {
    if (this.#carefulBatches === this.#batches.length) return undefined;
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
    const isCareful = this.#carefulBatches > 0;
    if (isCareful) this.#carefulBatches--;
    batch.retire();
    if (batch.hasEntries) this.latency.observe((performance.now() - batch.begunAt) / 1000);
    if (this.#spareSlabs.length < SPARE_SLABS) this.#spareSlabs.push(batch.slab);
    if (isCareful) this.#goOn();
  }
}
