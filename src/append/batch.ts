/**
 * XADD commands that go out together, kept until Redis has answered all of them.
 *
 *     parts  | slab … | large payload | slab … |     what is written to the socket, in order
 *     ends   0  ^command 0     ^command 1  ^…        end of each command, in bytes over all parts
 *
 * Small commands are copied into a slab; a large payload is a part of its own, so that a slab stays
 * small and can be used again.
 *
 * More than 300 lines: what is added, answered, and taken out again are places in the same arrays.
 */

import type { Failure } from '../protocol/errors.js';
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { SpareBuffers } from '../redis/spare-buffers.js';
import { BatchStreams } from './batch-streams.js';
import { type AppendStream, readAppend } from './command.js';
import type { NotReplicated } from './not-replicated.js';
import type { StoredPayload } from './stored-entries.js';
import { Transaction, type TransactionEntries } from './transaction.js';

export const SLAB_BYTES = 64 * 1024;
/** Payloads from this size on are parts of their own. */
const LARGE_BYTES = 16 * 1024;
/** Buffers for large payloads are made a little larger, so that they serve others of the kind again. */
const LARGE_STEP_BYTES = 16 * 1024;
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
  /**
   * Stored; `reply` holds the entry's id and is read or left alone during the call.
   * @param shortage where fewer replicas have it than were asked for
   */
  stored(token: number, reply: ReplyCursor, shortage?: NotReplicated): void;
  /** Not stored, or with `unknown_outcome` perhaps stored. */
  refused(token: number, failure: Failure): void;
  /** The entry goes another way: who is told of it there. Where this is not set, it is this receipt as before. */
  leave?(token: number): { readonly receipt: Receipt; readonly token: number };
  /**
   * Whether an entry is sent again of which it cannot be known if it was stored, and so may be stored
   * twice. Where this is not set, it is refused with `unknown_outcome`.
   */
  readonly sendsAgain?: boolean;
}

/** An entry that was written to a connection and not answered there. */
export interface Unanswered {
  readonly stream: AppendStream;
  /** As XADD took it. */
  readonly id: string;
  /** A view into the batch that it was in, whose slab must not be used again meanwhile. */
  readonly payload: Uint8Array;
  readonly receipt: Receipt;
  readonly token: number;
  /** Of the whole command. */
  readonly bytes: number;
}

/** Precedes each entry of a stream that is on its way to the server: it takes no others of it yet. */
const ASKING = encodeCommand(['ASKING']);
/** Nobody is told what became of it: the entry behind it says all. */
const NOBODY: Receipt = { stored: () => {}, refused: () => {} };

/** What an error reply means. */
export type FailureOf = (error: string) => Failure;

export class AppendBatch implements TransactionEntries {
  readonly #parts: Uint8Array[] = [];
  readonly #ends: number[] = [];
  readonly #streams = new BatchStreams();
  readonly #receipts: Receipt[] = [];
  readonly #tokens: number[] = [];
  /** Where payloads of followed streams begin in the slab; of large ones, which are elsewhere, -1, -2 and so on. */
  readonly #payloadAt: number[] = [];
  readonly #payloadBytes: number[] = [];
  readonly #slab: Buffer;
  readonly #spares: SpareBuffers;
  /** The buffers of large payloads that were copied here; undefined once given away. */
  #large: (ArrayBuffer | undefined)[] = [];
  #transaction: Transaction | undefined;
  #failureOf: FailureOf | undefined;
  /** Where the part of the slab begins that is not in `parts` yet. */
  #partStart = 0;
  #used = 0;
  #answered = 0;
  #bytes = 0;
  /** All commands, read again once one of them was to be taken out. */
  #reread: readonly (Unanswered | undefined)[] | undefined;
  /** When its first entry came, by `performance.now`. */
  readonly begunAt = performance.now();

  /** @param spares where buffers for large payloads come from, and go once all commands are answered */
  constructor(slab: Buffer, spares: SpareBuffers) {
    this.#slab = slab;
    this.#spares = spares;
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

  get unansweredBytes(): number {
    return this.#bytes + this.frameBytes - this.#end(this.#answered);
  }

  /** What `take` has not said to be out of flight. */
  get heldBytes(): number {
    return this.#transaction === undefined ? this.#bytes - this.#end(this.#answered) : this.#bytes;
  }

  /** What is written besides its commands. */
  get frameBytes(): number {
    return this.#headBytes + (this.#transaction?.tail.length ?? 0);
  }

  get #headBytes(): number {
    return this.#transaction?.head.length ?? 0;
  }

  /** The stream of each command; undefined for one that is no XADD. */
  get streams(): readonly (AppendStream | undefined)[] {
    return this.#streams.all;
  }

  /** Whether there are entries in it, and not other commands alone. */
  get hasEntries(): boolean {
    return this.#streams.hasEntries;
  }

  /** Whether an entry of the stream may be added. */
  mayHold(stream: AppendStream): boolean {
    return this.#streams.mayHold(stream);
  }

  /** Whether commands that are no entries may be added. */
  get mayHoldCommands(): boolean {
    return this.#streams.mayHoldCommands;
  }

  /** Entries are written one by one, and not as a transaction. */
  keepPlain(): void {
    this.#streams.keepPlain();
  }

  /**
   * Adds the XADD of one entry; `payload` is copied, unless it `isOwned`: it will not change, and keeps
   * no more than itself alive.
   * @returns the bytes it takes; 0 where the slab has no room for it
   */
  add(
    stream: AppendStream,
    id: string,
    payload: Uint8Array,
    receipt: Receipt,
    token: number,
    isOwned = false,
  ): number {
    const head = stream.head(id);
    const isLarge = payload.length >= LARGE_BYTES;
    const asks = stream.place?.asks === true;
    const needed = head.length + LENGTH_ROOM + (isLarge ? 0 : payload.length) + (asks ? ASKING.length : 0);
    if (this.#slab.length - this.#used < needed) return 0;
    // Before anything is written: there may be no memory for it, and half a command must not be sent.
    const large = isLarge && !isOwned ? this.#copyOf(payload) : payload;
    if (isOwned) this.#streams.keepPlain();
    const askingBytes = asks ? this.addCommand(ASKING, NOBODY, 0) : 0;
    const before = this.#used;
    this.#slab.set(head, this.#used);
    this.#used += head.length;
    this.#writeLength(payload.length);
    if (stream.proof.feed !== undefined) {
      this.#payloadBytes[this.length] = payload.length;
      this.#payloadAt[this.length] = isLarge ? -this.#large.length : this.#used;
    }
    if (isLarge) {
      this.#cutPart();
      this.#parts.push(large);
    } else {
      this.#slab.set(payload, this.#used);
      this.#used += payload.length;
    }
    this.#slab[this.#used++] = CR;
    this.#slab[this.#used++] = LF;
    const bytes = this.#used - before + (isLarge ? payload.length : 0);
    return askingBytes + this.#added(bytes, stream, receipt, token);
  }

  /** Adds another command; like `add`. Its reply is told as `stored`. */
  addCommand(command: Uint8Array, receipt: Receipt, token: number): number {
    if (this.#slab.length - this.#used < command.length) return 0;
    this.#slab.set(command, this.#used);
    this.#used += command.length;
    return this.#added(command.length, undefined, receipt, token);
  }

  /** Gives up the memory of large payloads, once all commands are answered. */
  retire(): void {
    for (const buffer of this.#large) if (buffer !== undefined) this.#spares.give(buffer);
    this.#large = [];
  }

  /**
   * What is to be written. Where followers here are to have its entries, it is a transaction.
   * @param tellsChanges whether Redis tells of changes by others on this connection
   */
  writtenParts(tellsChanges: boolean): Uint8Array[] {
    const { wanted, apart } = this.#streams.followed(tellsChanges);
    for (const { proof } of apart) proof.writtenApart();
    if (wanted.length === 0) return this.unansweredParts();
    const transaction = new Transaction(wanted, this);
    this.#transaction = transaction;
    this.#cutPart();
    return [transaction.head, ...this.#parts, transaction.tail];
  }

  /** What is still to be answered, as bytes to write; all of it unless some was answered before. */
  unansweredParts(): Uint8Array[] {
    this.#cutPart();
    let skip = this.#end(this.#answered);
    if (skip === 0) return this.#parts;
    const rest: Uint8Array[] = [];
    for (const part of this.#parts) {
      if (skip < part.length) rest.push(part.subarray(skip));
      skip = Math.max(0, skip - part.length);
    }
    return rest;
  }

  /** Takes Redis' next answer. @returns the bytes of commands that are no longer in flight */
  take(reply: ReplyCursor, failureOf: FailureOf): number {
    if (this.#transaction === undefined) {
      return reply.isError ? this.refused(failureOf(reply.text())) : this.stored(reply);
    }
    this.#failureOf = failureOf;
    return this.#transaction.take(reply) ? this.#bytes : 0;
  }

  /** The entry that is answered next; undefined for another command. */
  get nextStream(): AppendStream | undefined {
    return this.#streams.of(this.#answered);
  }

  /** Takes out the entry that is answered next: its receiver is told nothing. Its payload is a copy. */
  takeOut(): Unanswered {
    this.#reread ??= this.#readEntries(this.length);
    const entry = this.#reread[this.#answered++]!;
    return { ...entry, payload: Buffer.from(entry.payload) };
  }

  /** The connection that it was written to is lost. */
  lost(): void {
    this.#transaction?.end();
  }

  /** Tells the next receiver that Redis refused it. */
  refusedFor(error: string): void {
    this.refused(this.#failureOf!(error));
  }

  /** Whether it is known where an entry's payload is: not where the followers came after it. */
  hasPayload(index: number): boolean {
    return this.#payloadAt[index] !== undefined;
  }

  /** Where that is. The buffer of a large one is given away. */
  takePayload(index: number): StoredPayload {
    const at = this.#payloadAt[index]!;
    const length = this.#payloadBytes[index]!;
    if (at >= 0) return { slab: this.#slab, at, length };
    const large = this.#large[-at - 1]!;
    this.#large[-at - 1] = undefined;
    return { large, length };
  }

  /** Tells the next receiver that Redis did as asked. @returns the bytes that are no longer in flight */
  stored(reply: ReplyCursor): number {
    const index = this.#answered++;
    this.#streams.of(index)?.answered(reply);
    this.#receipts[index]!.stored(this.#tokens[index]!, reply);
    return this.#ends[index]! - this.#end(index);
  }

  /** Tells the next receiver why not. @returns the bytes that are no longer in flight */
  refused(failure: Failure): number {
    const index = this.#answered++;
    this.#receipts[index]!.refused(this.#tokens[index]!, failure);
    return this.#ends[index]! - this.#end(index);
  }

  /**
   * Takes out the next commands, as far as they lie within `bytes` from the first without an answer: the
   * entries, while other commands are refused with `failure`, since asking again is not for us to decide.
   */
  takeWithin(bytes: number, failure: Failure): Unanswered[] {
    // What is taken out goes on using them.
    this.#large = [];
    const from = this.#answered;
    const limit = this.#end(from) + bytes - this.#headBytes;
    let to = from;
    while (to < this.#ends.length && this.#ends[to]! <= limit) to++;
    const entries = this.#readEntries(to).slice(from);
    for (let index = from; index < to; index++) {
      if (this.#streams.of(index) === undefined) this.refused(failure);
      else this.#answered++;
    }
    return entries.filter((entry) => entry !== undefined);
  }

  /** The first `count` commands as the entries that they were made of. */
  #readEntries(count: number): (Unanswered | undefined)[] {
    const large = this.#parts.filter((part) => part.buffer !== this.#slab.buffer);
    let at = 0;
    return Array.from({ length: count }, (_, index) => {
      const bytes = this.#ends[index]! - this.#end(index);
      const stream = this.#streams.of(index);
      if (stream === undefined) {
        at += bytes;
        return undefined;
      }
      const { id, payloadAt, payloadBytes } = readAppend(this.#slab, at);
      const isLarge = payloadBytes >= LARGE_BYTES;
      const payload = isLarge ? large.shift()! : this.#slab.subarray(payloadAt, payloadAt + payloadBytes);
      at += isLarge ? bytes - payloadBytes : bytes;
      return { stream, id, payload, receipt: this.#receipts[index]!, token: this.#tokens[index]!, bytes };
    });
  }

  #copyOf(payload: Uint8Array): Uint8Array {
    // Never from Node's shared pool, whose neighbours would be kept alive with it.
    const buffer =
      this.#spares.take(payload.length) ??
      Buffer.allocUnsafeSlow(Math.ceil(payload.length / LARGE_STEP_BYTES) * LARGE_STEP_BYTES).buffer;
    this.#large.push(buffer);
    const copy = new Uint8Array(buffer, 0, payload.length);
    copy.set(payload);
    return copy;
  }

  #end(count: number): number {
    return count === 0 ? 0 : this.#ends[count - 1]!;
  }

  #added(bytes: number, stream: AppendStream | undefined, receipt: Receipt, token: number): number {
    this.#bytes += bytes;
    this.#ends.push(this.#bytes);
    this.#streams.add(stream);
    this.#receipts.push(receipt);
    this.#tokens.push(token);
    return bytes;
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
