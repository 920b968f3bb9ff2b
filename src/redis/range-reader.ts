/** Range reads of streams, packed as they come. */

import { joinBatches, lastId, type PackedBatch } from '../wire/batch.js';
import { AFTER_LAST } from '../wire/entry-id.js';
import type { CommandConnection } from './command-connection.js';
import { failureFromRedis } from './error-replies.js';
import { encodeOvertaken, readOvertaken } from './overtaken.js';
import type { ReplyCursor } from './resp.js';
import { packBatches, readEntries, xnewestAfter, xrangeAfter } from './stream-reads.js';

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
  /** Whether to look for entries after a stream's cursor that are gone. */
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
    const trimmed = this.#isTrimmed(key, after, request);
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
    while (entries < request.count && bytes < request.maxBytes) {
      const entryBytes = entries === 0 ? request.expectedBytes : bytes / entries;
      const room = Math.ceil((request.maxBytes - bytes) / Math.max(entryBytes, 1));
      const count = Math.min(request.count - entries, Math.max(room, 1));
      const command = request.latest
        ? xnewestAfter(key, cursor, request.until)
        : xrangeAfter(key, cursor, count, request.until);
      const isTornOff = parts.length === 0 ? false : this.#isTrimmed(key, cursor, request);
      const part = await this.#connection.send(command, (reply) =>
        packEntriesOf(reply, key, cursor, allocate),
      );
      // The next read, which begins there, tells of it.
      if (await isTornOff) break;
      parts.push(part);
      entries += part.ends.length;
      bytes += part.ends.at(-1) ?? 0;
      if (request.latest || part.ends.length < count) break;
      cursor = lastId(part);
    }
    return { ...joinBatches(parts), trimmed: await trimmed };
  }

  /**
   * Whether the stream begins after `cursor`, so that entries in between may be gone. Asked before they are
   * read, so that what is trimmed between the two is not taken for read.
   */
  async #isTrimmed(key: string, cursor: string, { detectTrimming }: RangeRequest): Promise<boolean> {
    if (!detectTrimming) return false;
    try {
      // Where scripts are not allowed, a loss is not noticed; reading is not stopped for that.
      return await this.#connection.send(
        encodeOvertaken(key, cursor),
        (reply) => readOvertaken(reply)?.mayBe ?? false,
      );
    } catch {
      return false;
    }
  }
}

function emptyBatch(key: string, after: string): PackedBatch {
  return packBatches([{ key, after, trimmed: false, ids: [], payloads: [], bytes: 0 }]).batches[0]!;
}

function packEntriesOf(
  reply: ReplyCursor,
  key: string,
  after: string,
  allocate: (bytes: number) => ArrayBuffer,
): PackedBatch {
  if (reply.isError) throw failureFromRedis(reply.text());
  return packBatches([readEntries(reply, key, after)], allocate).batches[0]!;
}

const roundUp = (value: number, step: number) => Math.ceil(value / step) * step;
