/**
 * Where a range of a stream is read: small ones here on main, all others in the pool.
 *
 * The way to the pool and back costs main more than reading a few small entries itself (measured by
 * `npm run bench -- --scope crossovers`). How large a stream's entries are is learned from earlier reads;
 * of a stream that is not known yet the pool reads.
 */
import { CommandConnection } from '../redis/command-connection.js';
import { RangeReader, type RangeRequest } from '../redis/range-reader.js';
import type { RedisTarget } from '../redis/target.js';
import { EntryBatch } from '../wire/batch.js';
import type { Threads } from './threads.js';

/** What main reads at once, at most. */
export const SMALL_BYTES = 16 * 1024;
export const SMALL_ENTRIES = 32;
/** Entries of a stream not seen before are taken for large: the first of several reads stays small. */
const GUESS_ENTRY_BYTES = 2 * 1024 * 1024;
/** Streams whose entries' size is remembered; a further one makes all be learned anew. */
const MAX_KNOWN_STREAMS = 10_000;

type RangesRequest = Omit<RangeRequest, 'expectedBytes' | 'detectTrimming'> &
  Partial<Pick<RangeRequest, 'detectTrimming'>>;

export class RangeReads {
  readonly #threads: Threads;
  readonly #connection: CommandConnection;
  readonly #reader: RangeReader;
  readonly #entryBytes = new Map<string, number>();

  constructor(target: RedisTarget, threads: Threads) {
    this.#threads = threads;
    this.#connection = new CommandConnection(target, 'range');
    this.#reader = new RangeReader(this.#connection);
  }

  /**
   * A batch for each stream, in order, empty where there is nothing.
   * @throws Failure
   */
  async read(request: RangesRequest): Promise<EntryBatch[]> {
    const sizes = request.streams.map(({ key }) => this.#entryBytes.get(key) ?? GUESS_ENTRY_BYTES);
    const whole = { detectTrimming: false, ...request, expectedBytes: Math.max(...sizes) };
    const count = request.latest ? 1 : request.count;
    const bytes = sizes.reduce((sum, size) => sum + size * count, 0);
    const isSmall = bytes <= SMALL_BYTES && count * sizes.length <= SMALL_ENTRIES;
    const batches = isSmall
      ? (await this.#reader.read(whole)).map((packed) => new EntryBatch(packed))
      : await this.#threads.range(whole);
    for (const batch of batches) this.#learn(batch);
    return batches;
  }

  close(): void {
    this.#connection.close();
  }

  #learn({ key, bytes, length }: EntryBatch): void {
    if (length === 0) return;
    if (this.#entryBytes.size >= MAX_KNOWN_STREAMS) this.#entryBytes.clear();
    this.#entryBytes.set(key, bytes.length / length);
  }
}
