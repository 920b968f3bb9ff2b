/** Range reads of streams, packed as they come. */

import { joinBatches, lastId, type PackedBatch } from '../wire/batch.js';
import { AFTER_LAST, BEFORE_FIRST, compareEntryIds } from '../wire/entry-id.js';
import type { CommandConnection } from './command-connection.js';
import { failureFromRedis } from './error-replies.js';
import type { ReplyCursor } from './resp.js';
import {
  packBatches,
  type ReadEntries,
  readEntries,
  xnewestAfter,
  xrangeAfter,
  xrangeFrom,
} from './stream-reads.js';
import { mayMiss, readStreamState, type StreamState, xinfoStream } from './stream-state.js';

const STREAMS_AT_ONCE = 16;
/** Buffers are made a little larger, so that they serve other reads of the kind again. */
const BUFFER_STEP_BYTES = 256 * 1024;

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
  /**
   * The entry at each cursor was read before: whether entries after it are missing is to be found out. It is read
   * again with the range, since its presence proves most.
   */
  readonly detectTrimming: boolean;
  /** A buffer to put a batch into, if it is large enough. */
  readonly spare?: ArrayBuffer | undefined;
}

export class RangeReader {
  readonly #connection: CommandConnection;

  constructor(connection: CommandConnection) {
    this.#connection = connection;
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
    let cursor = after;
    let entries = 0;
    let bytes = 0;
    let trimmed = false;
    while (entries < request.count && bytes < request.maxBytes) {
      const entryBytes = entries === 0 ? request.expectedBytes : bytes / entries;
      const room = Math.ceil((request.maxBytes - bytes) / Math.max(entryBytes, 1));
      const count = request.latest ? 1 : Math.min(request.count - entries, Math.max(room, 1));
      const { part, isTorn } = await this.#readPart(key, cursor, count, request, allocate);
      // The next read, which begins there, reports the loss.
      if (isTorn && parts.length > 0) break;
      trimmed ||= isTorn;
      parts.push(part);
      entries += part.ends.length;
      bytes += part.ends.at(-1) ?? 0;
      if (request.latest || part.ends.length < count) break;
      cursor = lastId(part);
    }
    return { ...joinBatches(parts), trimmed };
  }

  /** One command's worth of a range, and whether entries between it and the cursor may be missing. */
  async #readPart(
    key: string,
    cursor: string,
    count: number,
    { latest, until, detectTrimming }: RangeRequest,
    allocate: (bytes: number) => ArrayBuffer,
  ): Promise<{ readonly part: PackedBatch; readonly isTorn: boolean }> {
    const pack = (read: ReadEntries) => packBatches([read], allocate).batches[0]!;
    const isWatched =
      detectTrimming && !latest && (until === undefined || compareEntryIds(until, cursor) >= 0);
    if (!isWatched) {
      const command = latest ? xnewestAfter(key, cursor, until) : xrangeAfter(key, cursor, count, until);
      const part = await this.#connection.send(command, (reply) => pack(entriesOf(reply, key, cursor)));
      return { part, isTorn: false };
    }
    // Nothing is stored at 0-0.
    const mayBeThere = cursor !== BEFORE_FIRST;
    const command = mayBeThere
      ? xrangeFrom(key, cursor, count + 1, until)
      : xrangeAfter(key, cursor, count, until);
    let isThere = false;
    // The state after the read: what was deleted before the read shows in it.
    const [part, state] = await Promise.all([
      this.#connection.send(command, (reply) => {
        const read = entriesOf(reply, key, cursor);
        isThere = read.ids[0] === cursor;
        if (isThere) dropEntry(read, 0);
        else if (read.ids.length > count) dropEntry(read, count);
        return pack(read);
      }),
      this.#readState(key),
    ]);
    return { part, isTorn: mayMiss(cursor, isThere, state) };
  }

  /** undefined where it cannot be known: reading is not stopped for that. */
  async #readState(key: string): Promise<StreamState | undefined> {
    try {
      return await this.#connection.send(xinfoStream(key), readStreamState);
    } catch {
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

function dropEntry(read: ReadEntries, index: number): void {
  read.ids.splice(index, 1);
  const [payload] = read.payloads.splice(index, 1);
  read.bytes -= payload!.length;
}

const roundUp = (value: number, step: number) => Math.ceil(value / step) * step;
