/** Range reads of streams, packed as they come. */

import { joinBatches, lastId, type PackedBatch } from '../protocol/batch.js';
import { AFTER_LAST, BEFORE_FIRST, compareEntryIds } from '../protocol/entry-id.js';
import { DroppedKeys } from './dropped-keys.js';
import { failureFromRedis } from './error-replies.js';
import { ReplyDropped } from './isolating-reads.js';
import type { KeyReads } from './key-reads.js';
import type { ReplyCursor } from './resp.js';
import {
  packBatches,
  type ReadEntries,
  readEntries,
  xnewestAfter,
  xrangeAfter,
  xrangeFrom,
} from './stream-reads.js';
import { deletedUpTo, mayMiss, readStreamState, type StreamState, xinfoStream } from './stream-state.js';

const STREAMS_AT_ONCE = 16;
/** Buffers are made a little larger, so that they serve other reads of the kind again. */
const BUFFER_STEP_BYTES = 256 * 1024;
/** By how much less is asked for where Redis closes the connection rather than answer, and more after each answer. */
const SHRINK = 8;
const GROW = 1.05;

interface Part {
  readonly part: PackedBatch;
  /** Entries between the cursor and the part may be missing. */
  readonly isTorn: boolean;
  /** The largest id that was deleted out of the midst. */
  readonly deletedUpTo?: string | undefined;
}

/**
 * How it is found out whether entries between a cursor, whose entry was read before, and what is read after it are
 * missing:
 *
 *     none      not at all
 *     presence  the entry at the cursor is read again with the range: while it is there nothing after it was trimmed
 *     state     in addition XINFO STREAM, which shows what was deleted out of the midst but brings two entries along
 */
export type Proof = 'none' | 'presence' | 'state';

export interface RangeRequest {
  readonly streams: readonly { readonly key: string; readonly after: string }[];
  /** At most so many entries a stream. */
  readonly count: number;
  /** The newest entry only. */
  readonly latest: boolean;
  /** No entry after this id. */
  readonly until?: string | undefined;
  /** Reading ends at about so many bytes over all streams, though never before an entry. */
  readonly maxBytes: number;
  readonly expectedBytes: number;
  readonly proof: Proof;
  /** A buffer to put a batch into, if it is large enough. */
  readonly spare?: ArrayBuffer | undefined;
}

export class RangeReader {
  readonly #reads: Pick<KeyReads, 'send'>;
  /** What Redis is known to send in one reply, once it has refused more. */
  #replyBytes = Number.POSITIVE_INFINITY;
  readonly #droppedKeys = new DroppedKeys();

  constructor(reads: Pick<KeyReads, 'send'>) {
    this.#reads = reads;
  }

  /**
   * One batch for each stream, in order, empty where there is nothing, or where others have given enough.
   * @throws Failure
   */
  async read(request: RangeRequest): Promise<PackedBatch[]> {
    const { streams, maxBytes } = request;
    const spare = streams.length === 1 ? request.spare : undefined;
    const share = { ...request, spare, maxBytes: maxBytes / streams.length };
    const batches: PackedBatch[] = [];
    let bytes = 0;
    // Some at once, but not so many that streams of large entries exceed all bounds together.
    for (let from = 0; from < streams.length; from += STREAMS_AT_ONCE) {
      const group = streams.slice(from, from + STREAMS_AT_ONCE);
      const read =
        bytes < maxBytes
          ? await Promise.all(group.map(({ key, after }) => this.#readStream(key, after, share)))
          : group.map(({ key, after }) => emptyBatch(key, after));
      for (const batch of read) bytes += batch.ends.at(-1) ?? 0;
      batches.push(...read);
    }
    return batches;
  }

  /** The newest entry after `after` and up to `until`; an empty batch where there is none. @throws Failure */
  async newest(key: string, after: string, until?: string): Promise<PackedBatch> {
    // Nothing can be stored after it, and Redis refuses it as the start of a range.
    if (after === AFTER_LAST) return emptyBatch(key, after);
    return this.#reads.send(
      key,
      xnewestAfter(key, after, until),
      (reply) => packBatches([entriesOf(reply, key, after)]).batches[0]!,
    );
  }

  async #readStream(key: string, after: string, request: RangeRequest): Promise<PackedBatch> {
    // Nothing can be stored after it, and Redis refuses it as the start of a range.
    if (after === AFTER_LAST) return emptyBatch(key, after);
    let { spare } = request;
    const allocate = (size: number) => {
      const isUsable = spare !== undefined && spare.byteLength >= size;
      const buffer = isUsable ? spare! : new ArrayBuffer(roundUp(size, BUFFER_STEP_BYTES));
      if (isUsable) spare = undefined;
      return buffer;
    };
    const parts: PackedBatch[] = [];
    // Between the commands of one read hardly anything is trimmed: one proof has to do where none is promised.
    const later: RangeRequest = request.proof === 'presence' ? { ...request, proof: 'none' } : request;
    let cursor = after;
    let entries = 0;
    let bytes = 0;
    let trimmed = false;
    let deleted: string | undefined;
    while (entries < request.count && bytes < request.maxBytes) {
      const entryBytes = Math.max(entries === 0 ? request.expectedBytes : bytes / entries, 1);
      const room = Math.ceil(Math.min(request.maxBytes - bytes, this.#replyBytes) / entryBytes);
      const most = request.latest ? 1 : Math.min(request.count - entries, Math.max(room, 1));
      const { part, isTorn, count, ...loss } = await this.#readPart(
        key,
        cursor,
        most,
        parts.length === 0 ? request : later,
        allocate,
      );
      // The next read, which begins there, reports the loss.
      if (isTorn && parts.length > 0) break;
      trimmed ||= isTorn;
      if (isTorn) deleted = loss.deletedUpTo;
      parts.push(part);
      entries += part.ends.length;
      bytes += part.ends.at(-1) ?? 0;
      if (request.latest || part.ends.length < count) break;
      cursor = lastId(part);
    }
    return {
      ...joinBatches(parts),
      trimmed,
      ...(trimmed && deleted !== undefined && { deletedUpTo: deleted }),
    };
  }

  /** One command's worth of a range, of fewer entries where Redis does not send as many in one reply. */
  async #readPart(
    key: string,
    cursor: string,
    most: number,
    request: RangeRequest,
    allocate: (bytes: number) => ArrayBuffer,
  ): Promise<Part & { readonly count: number }> {
    const { proof, latest, until } = request;
    const isWatched =
      proof !== 'none' && !latest && (until === undefined || compareEntryIds(until, cursor) >= 0);
    for (let count = most; ; count = Math.ceil(count / SHRINK)) {
      try {
        const part = isWatched
          ? await this.#readWatched(key, cursor, count, request, allocate)
          : await this.#readPlain(key, cursor, count, request, allocate);
        this.#replyBytes *= GROW;
        return { ...part, count };
      } catch (error) {
        if (!(error instanceof ReplyDropped)) throw error;
        this.#replyBytes = Math.min(this.#replyBytes, (count * request.expectedBytes) / SHRINK);
        if (count > 1) continue;
        if (!isWatched) throw error;
        // Without the entry at the cursor it may be small enough. What is missing before it is assumed.
        const part = await this.#readPlain(key, cursor, 1, request, allocate);
        return { ...part, isTorn: true, count };
      }
    }
  }

  async #readPlain(
    key: string,
    cursor: string,
    count: number,
    { latest, until }: Pick<RangeRequest, 'latest' | 'until'>,
    allocate: (bytes: number) => ArrayBuffer,
  ): Promise<Part> {
    const command = latest ? xnewestAfter(key, cursor, until) : xrangeAfter(key, cursor, count, until);
    const part = await this.#reads.send(key, command, (reply) =>
      packRead(entriesOf(reply, key, cursor), allocate),
    );
    return { part, isTorn: false };
  }

  /** Reads the entry at the cursor as well; where that proves too little, XINFO STREAM is asked too. */
  async #readWatched(
    key: string,
    cursor: string,
    count: number,
    { until, proof }: Pick<RangeRequest, 'until' | 'proof'>,
    allocate: (bytes: number) => ArrayBuffer,
  ): Promise<Part> {
    // Nothing is stored at 0-0.
    const command =
      cursor === BEFORE_FIRST
        ? xrangeAfter(key, cursor, count, until)
        : xrangeFrom(key, cursor, count + 1, until);
    let isThere = false;
    const reading = this.#reads.send(key, command, (reply) => {
      const read = entriesOf(reply, key, cursor);
      isThere = read.ids[0] === cursor;
      if (isThere) dropEntry(read, 0);
      else if (read.ids.length > count) dropEntry(read, count);
      return packRead(read, allocate);
    });
    if (proof === 'presence') {
      const part = await reading;
      if (isThere) return { part, isTorn: false };
    }
    // The state after the read: what was deleted before the read shows in it.
    const [part, state] = await Promise.all([reading, this.#readState(key)]);
    return {
      part,
      isTorn: mayMiss(cursor, isThere, state),
      deletedUpTo: state && deletedUpTo(lastId(part), state),
    };
  }

  /** undefined where it cannot be known: reading is not stopped for that. */
  async #readState(key: string): Promise<StreamState | undefined> {
    if (this.#droppedKeys.has(key)) return undefined;
    try {
      const state = await this.#reads.send(key, xinfoStream(key), readStreamState);
      this.#droppedKeys.delete(key);
      return state;
    } catch (error) {
      if (error instanceof ReplyDropped) this.#droppedKeys.note(key);
      return undefined;
    }
  }
}

function emptyBatch(key: string, after: string): PackedBatch {
  return packBatches([{ key, after, trimmed: false, ids: [], payloads: [], bytes: 0 }]).batches[0]!;
}

function entriesOf(reply: ReplyCursor, key: string, after: string): ReadEntries {
  if (reply.isError) throw failureFromRedis(reply.text());
  return readEntries(reply, key, after);
}

function packRead(read: ReadEntries, allocate: (bytes: number) => ArrayBuffer): PackedBatch {
  return packBatches([read], allocate).batches[0]!;
}

function dropEntry(read: ReadEntries, index: number): void {
  read.ids.splice(index, 1);
  const [payload] = read.payloads.splice(index, 1);
  read.bytes -= payload!.length;
}

const roundUp = (value: number, step: number) => Math.ceil(value / step) * step;
