/**
 * Range reads on a connection of their own, made when first needed and again after it was lost.
 *
 * Promises: an answer or a Failure within `TIMEOUT_MS`; a read that failed had no effect.
 */
import { Failure, failureFromRedis } from '../errors.js';
import { joinBatches, type PackedBatch } from '../wire/batch.js';
import { AFTER_LAST, compareEntryIds } from '../wire/entry-id.js';
import { RedisConnection } from './connection.js';
import { encodeCommand, type ReplyCursor } from './resp.js';
import { TAIL_SCRIPT } from './scripts.js';
import { packBatches, readEntries, xnewestAfter, xrangeAfter } from './stream-reads.js';
import type { RedisTarget } from './target.js';

const TIMEOUT_MS = 10_000;

export interface RangeRequest {
  readonly streams: readonly { readonly key: string; readonly after: string }[];
  /** At most so many entries a stream. */
  readonly count: number;
  /** The newest entry only. */
  readonly latest: boolean;
  /** Reading ends once a stream has given so many bytes, though never before an entry. */
  readonly maxBytes: number;
  readonly expectedBytes: number;
  readonly detectTrimming: boolean;
}

interface Waiting {
  /** Reads the reply; what it throws rejects. */
  take(cursor: ReplyCursor): void;
  reject(cause: Error): void;
}

export class RangeReader {
  readonly #target: RedisTarget;
  #connection: RedisConnection | undefined;
  #isReady = false;
  /** Commands to send once the connection is ready. */
  #unsent: Buffer[] = [];
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(target: RedisTarget) {
    this.#target = target;
  }

  /**
   * One batch for each stream, in order, empty where there is nothing.
   * @throws Failure
   */
  read(request: RangeRequest): Promise<PackedBatch[]> {
    return Promise.all(request.streams.map(({ key, after }) => this.#readStream(key, after, request)));
  }

  async #readStream(key: string, after: string, request: RangeRequest): Promise<PackedBatch> {
    // Nothing can be stored after it, and Redis refuses it as the start of a range.
    if (after === AFTER_LAST)
      return packBatches([{ key, after, trimmed: false, ids: [], payloads: [], bytes: 0 }]).batches[0]!;
    const trimmed = request.detectTrimming ? this.#isTrimmed(key, after) : Promise.resolve(false);
    const parts: PackedBatch[] = [];
    let cursor = after;
    let entries = 0;
    let bytes = 0;
    while (entries < request.count && bytes < request.maxBytes) {
      const entryBytes = entries === 0 ? request.expectedBytes : bytes / entries;
      const room = Math.ceil((request.maxBytes - bytes) / Math.max(entryBytes, 1));
      const count = Math.min(request.count - entries, Math.max(room, 1));
      const command = request.latest ? xnewestAfter(key, cursor) : xrangeAfter(key, cursor, count);
      const part = await this.#send(command, (reply) => packEntriesOf(reply, key, cursor));
      parts.push(part);
      entries += part.ends.length;
      bytes += part.ends.at(-1) ?? 0;
      if (request.latest || part.ends.length < count) break;
      cursor = part.ids.slice(part.ids.lastIndexOf(' ') + 1);
    }
    return { ...joinBatches(parts), trimmed: await trimmed };
  }

  /** Whether the stream now begins after `cursor`, so that entries in between may be gone. */
  #isTrimmed(key: string, cursor: string): Promise<boolean> {
    return this.#send(encodeCommand(['EVAL', TAIL_SCRIPT, 1, key]), (reply) => {
      // Where scripts are not allowed, a loss is not noticed; reading is not stopped for that.
      if (reply.isError) {
        reply.skip();
        return false;
      }
      reply.array();
      reply.skip();
      const first = reply.text();
      return first !== '' && compareEntryIds(first, cursor) > 0;
    });
  }

  #send<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ take: (reply) => resolve(take(reply)), reject });
      this.#timer ??= setTimeout(() => this.#lost(new Error('Redis did not answer in time')), TIMEOUT_MS);
      if (this.#connection === undefined) this.#connect();
      if (this.#isReady) this.#connection?.write(command);
      else this.#unsent.push(command);
    });
  }

  #connect(): void {
    this.#connection = new RedisConnection(this.#target, 'pool', {
      ready: () => {
        this.#isReady = true;
        if (this.#unsent.length > 0) this.#connection?.write(...this.#unsent.splice(0));
      },
      reply: (cursor) => this.#reply(cursor),
      closed: (cause) => this.#lost(cause),
    });
  }

  #reply(cursor: ReplyCursor): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new Error('Redis answered more than it was asked');
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) {
      this.#timer = setTimeout(() => this.#lost(new Error('Redis did not answer in time')), TIMEOUT_MS);
    }
    try {
      waiting.take(cursor);
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  #lost(cause: Error): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#isReady = false;
    this.#unsent = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    connection?.destroy(cause);
    const failure = new Failure('redis_unavailable', 'Redis cannot be reached');
    for (const waiting of this.#waiting.splice(0)) waiting.reject(failure);
  }
}

function packEntriesOf(reply: ReplyCursor, key: string, after: string): PackedBatch {
  if (reply.isError) throw failureFromRedis(reply.text());
  return packBatches([readEntries(reply, key, after, false)]).batches[0]!;
}
