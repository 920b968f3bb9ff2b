/**
 * Where a range of a stream is read: small ones here on main, all others in the pool; and who shares it. The
 * short texts that belong to them, such as a stream's metadata, are read along with the small ones.
 *
 * Those who ask the same within a turn of the loop, such as many who poll a stream's newest entry, are given
 * the same batch, which is read once. It is read at the end of the turn, so that nobody is given what was read
 * before they asked.
 *
 * The way to the pool and back costs main more than reading a few small entries itself (measured by
 * `npm run bench:crossovers`). How large a stream's entries are is learned from earlier reads;
 * of a stream that is not known yet the pool reads.
 */

import { EntryBatch } from '../protocol/batch.js';
import { failureFromRedis } from '../redis/error-replies.js';
import type { KeyReads } from '../redis/key-reads.js';
import { RangeReader, type RangeRequest } from '../redis/range-reader.js';
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { Threads } from '../threads/threads.js';

/** What main reads at once, at most. */
export const SMALL_BYTES = 16 * 1024;
export const SMALL_ENTRIES = 32;
/** Entries of a stream not seen before are taken for large: the first of several reads stays small. */
const GUESS_ENTRY_BYTES = 2 * 1024 * 1024;
/** Streams whose entries' size is remembered; a further one makes all be learned anew. */
const MAX_KNOWN_STREAMS = 10_000;

type WholeRequest = Omit<RangeRequest, 'expectedBytes' | 'spare'>;
type RangesRequest = Omit<WholeRequest, 'proof'> & Partial<Pick<WholeRequest, 'proof'>>;

/** What is read at the end of the turn, for all who asked the same. */
interface AskedRead {
  readonly request: WholeRequest;
  readonly batches: Promise<EntryBatch[]>;
  answer(batches: Promise<EntryBatch[]>): void;
}

/** A string key that is read at the end of the turn. */
interface AskedText {
  readonly text: Promise<string | null>;
  answer(text: Promise<string | null>): void;
}

export class RangeReads {
  readonly #threads: Threads;
  /** Main's own, for what is small. */
  readonly reads: KeyReads;
  readonly #reader: RangeReader;
  readonly #entryBytes = new Map<string, number>();
  /** Asked for in this turn, by what is asked. */
  readonly #asked = new Map<string, AskedRead>();
  readonly #askedTexts = new Map<string, AskedText>();
  #turnEnd: NodeJS.Immediate | undefined;

  constructor(reads: KeyReads, threads: Threads) {
    this.#threads = threads;
    this.reads = reads;
    this.#reader = new RangeReader(reads);
  }

  /**
   * A batch for each stream, in order, empty where there is nothing.
   * @throws Failure
   */
  read(request: RangesRequest): Promise<EntryBatch[]> {
    const whole = { proof: 'none' as const, ...request };
    const name = nameOf(whole);
    let asked = this.#asked.get(name);
    if (asked === undefined) {
      const { promise: batches, answer } = answerable<EntryBatch[]>();
      asked = { request: whole, batches, answer };
      this.#asked.set(name, asked);
      this.#turnEnd ??= setImmediate(this.#readAsked);
    }
    return asked.batches;
  }

  /**
   * The value of a string key, null where there is none, in one round trip with the small ranges of the same turn.
   * @throws Failure
   */
  text(key: string): Promise<string | null> {
    let asked = this.#askedTexts.get(key);
    if (asked === undefined) {
      const { promise: text, answer } = answerable<string | null>();
      asked = { text, answer };
      this.#askedTexts.set(key, asked);
      this.#turnEnd ??= setImmediate(this.#readAsked);
    }
    return asked.text;
  }

  /** Whether the stream's newest entry costs little, as far as its entries are known: main reads it itself. */
  isNewestSmall(key: string): boolean {
    return this.#sizeOf(key) <= SMALL_BYTES;
  }

  close(): void {
    clearImmediate(this.#turnEnd);
    this.reads.close();
  }

  readonly #readAsked = (): void => {
    this.#turnEnd = undefined;
    for (const { request, answer } of this.#asked.values()) answer(this.#read(request));
    this.#asked.clear();
    for (const [key, { answer }] of this.#askedTexts) {
      answer(this.reads.send(key, encodeCommand(['GET', key]), takeText));
    }
    this.#askedTexts.clear();
    this.reads.flush();
  };

  async #read(request: WholeRequest): Promise<EntryBatch[]> {
    const { streams, latest } = request;
    const [only] = streams;
    if (latest && streams.length === 1 && this.isNewestSmall(only!.key)) {
      const batch = new EntryBatch(await this.#reader.newest(only!.key, only!.after, request.until));
      this.#learn(batch);
      return [batch];
    }
    const sizes = streams.map(({ key }) => this.#sizeOf(key));
    const whole = { ...request, expectedBytes: Math.max(...sizes) };
    const count = latest ? 1 : request.count;
    const bytes = sizes.reduce((sum, size) => sum + size * count, 0);
    const isSmall = bytes <= SMALL_BYTES && count * sizes.length <= SMALL_ENTRIES;
    const batches = isSmall
      ? (await this.#reader.read(whole)).map((packed) => new EntryBatch(packed))
      : await this.#threads.range(whole);
    for (const batch of batches) this.#learn(batch);
    return batches;
  }

  #sizeOf(key: string): number {
    return this.#entryBytes.get(key) ?? GUESS_ENTRY_BYTES;
  }

  #learn({ key, bytes, length }: EntryBatch): void {
    if (length === 0) return;
    if (this.#entryBytes.size >= MAX_KNOWN_STREAMS) this.#entryBytes.clear();
    this.#entryBytes.set(key, bytes.length / length);
  }
}

/** Reads of the same name bring the same. No key and no id has a line break. */
function nameOf({ streams, count, latest, until = '', maxBytes, proof }: WholeRequest): string {
  let name = `${count} ${latest} ${until} ${maxBytes} ${proof}`;
  for (const { key, after } of streams) name += `\n${after} ${key}`;
  return name;
}

function answerable<T>(): { readonly promise: Promise<T>; answer(value: Promise<T>): void } {
  let answer: (value: Promise<T>) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    answer = resolve;
  });
  return { promise, answer };
}

/** @throws Failure */
function takeText(reply: ReplyCursor): string | null {
  if (reply.isError) throw failureFromRedis(reply.text());
  return reply.bytes()?.toString() ?? null;
}
