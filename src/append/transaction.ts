/**
 * One batch of XADDs that Redis carries out together, so that followers here can be given what was stored without
 * reading it: it is known that no other writer's entry lies between.
 *
 *     MULTI | XREAD … of streams new to this | XADD … | XLEN … of each stream | EXEC
 *
 * The connection tracks keys (`CLIENT TRACKING ON NOLOOP`). An XADD of ours has Redis forget the stream silently; the
 * XLEN behind the last has Redis tell of the next change by others, in order with the replies. So where nothing was told
 * between two transactions, nothing was changed between them. Of a stream that is new to this, XREAD or XINFO says
 * whether anything lies behind the last entry that its followers have.
 *
 * Source: https://redis.io/docs/latest/develop/reference/client-side-caching/ and, for what the docs leave open,
 * `trackingInvalidateKey` in Redis' tracking.c.
 */
import { compareEntryIds } from '../protocol/entry-id.js';
import { encodeCommand, type ReplyCursor } from '../redis/resp.js';
import { readStreamState, xinfoStream } from '../redis/stream-state.js';
import type { AppendStream } from './command.js';
import { packStored, type StoredEntry, type StoredPayload } from './stored-entries.js';
import type { StreamFeed } from './stream-feed.js';

const MULTI = encodeCommand(['MULTI']);
const EXEC = encodeCommand(['EXEC']);
/** XINFO copies two entries: of larger ones XREAD is asked, which cannot tell what was removed. */
const SMALL_ENTRY_BYTES = 4096;

/** The entries of a transaction, in order. */
export interface TransactionEntries {
  readonly streams: readonly (AppendStream | undefined)[];
  /** Tells the next entry's receiver that it is stored; the reply is read or left alone. */
  stored(reply: ReplyCursor): void;
  /** Tells the next entry's receiver that it is not, by Redis' error. */
  refusedFor(error: string): void;
  /** Whether it is known where an entry's payload is. */
  hasPayload(index: number): boolean;
  /** Where that is; the buffer of a large one is given away. */
  takePayload(index: number): StoredPayload;
}

/** A stream of which it is asked what lies behind the last entry that its followers have. */
interface Start {
  readonly stream: AppendStream;
  readonly after: string;
  /** Asked by XINFO. */
  readonly isExact: boolean;
}

/** An entry that was stored, and its place among those of the transaction. */
interface StoredAt {
  readonly id: string;
  readonly index: number;
}

export class Transaction {
  /** What is written before the entries, and behind them. */
  readonly head: Buffer;
  readonly tail: Buffer;
  /** Those with followers here. */
  readonly #streams: readonly AppendStream[];
  readonly #entries: TransactionEntries;
  readonly #count: number;
  readonly #starts: readonly Start[];
  readonly #feeds: readonly (StreamFeed | undefined)[];
  /** `breaks` of each stream when this was written. */
  readonly #breaks: ReadonlyMap<AppendStream, number>;
  /** What was stored of each stream with followers here. */
  readonly #stored: ReadonlyMap<AppendStream | undefined, StoredAt[]>;
  /** Errors of commands that Redis did not take into the transaction, by their number. */
  readonly #refused = new Map<number, string>();
  /** Streams of which Redis will not tell changes. */
  readonly #untracked = new Set<AppendStream>();
  #replies = 0;
  /** Redis did not begin a transaction: each command was carried out by itself. */
  #isApart = false;

  /** @param streams those with followers here */
  constructor(streams: readonly AppendStream[], entries: TransactionEntries) {
    this.#streams = streams;
    this.#entries = entries;
    this.#count = entries.streams.length;
    this.#starts = streams.flatMap((stream) => {
      const { feed, end, underway } = stream.proof;
      if (feed === undefined || end !== undefined || underway > 0) return [];
      const isExact = feed.isCounted && feed.entryBytes <= SMALL_ENTRY_BYTES;
      return [{ stream, after: feed.lastId, isExact }];
    });
    const asked = this.#starts.map(({ stream: { key }, after, isExact }) =>
      isExact ? xinfoStream(key) : encodeCommand(['XREAD', 'COUNT', 1, 'STREAMS', key, after]),
    );
    this.head = asked.length === 0 ? MULTI : Buffer.concat([MULTI, ...asked]);
    this.tail = Buffer.concat([...streams.map(({ proof }) => proof.lengthCommand), EXEC]);
    this.#stored = new Map(streams.map((stream) => [stream, []]));
    this.#feeds = streams.map(({ proof }) => proof.feed);
    this.#breaks = new Map(streams.map((stream) => [stream, stream.proof.breaks]));
    for (const { proof } of streams) {
      proof.underway++;
      proof.feed?.written();
    }
  }

  /** Takes Redis' next answer. @returns whether it was the last */
  take(reply: ReplyCursor): boolean {
    const number = this.#replies++ - 1;
    const isLast = number === this.#starts.length + this.#count + this.#streams.length;
    if (number < 0) this.#isApart = reply.isError;
    else if (this.#isApart) this.#takeApart(number - this.#starts.length, reply);
    else if (isLast) this.#takeResults(reply);
    else if (reply.isError) this.#refused.set(number, reply.text());
    if (isLast) this.end();
    return isLast;
  }

  /** All is answered, or the connection is lost. */
  end(): void {
    for (const { proof } of this.#streams) proof.underway--;
    for (const feed of this.#feeds) feed?.answered();
  }

  /** @param index of the entry; other commands are before the first and behind the last */
  #takeApart(index: number, reply: ReplyCursor): void {
    for (const { proof } of this.#streams) proof.end = undefined;
    if (index < 0 || index >= this.#count) return;
    if (reply.isError) this.#entries.refusedFor(reply.text());
    else this.#entries.stored(reply);
  }

  #takeResults(reply: ReplyCursor): void {
    if (reply.isError) {
      this.#notExecuted(reply.text());
      return;
    }
    reply.array();
    for (const start of this.#starts) readStart(start, reply);
    for (let index = 0; index < this.#count; index++) this.#takeResult(index, reply);
    for (const stream of this.#streams) {
      // A stream that Redis has not looked at is not tracked.
      if (reply.isError) this.#untracked.add(stream);
      reply.skip();
    }
    for (const stream of this.#streams) this.#feedFollowers(stream);
  }

  #takeResult(index: number, reply: ReplyCursor): void {
    if (reply.isError) {
      this.#entries.refusedFor(reply.text());
      return;
    }
    const { position } = reply;
    this.#stored.get(this.#entries.streams[index])?.push({ id: reply.text(), index });
    reply.moveTo(position);
    this.#entries.stored(reply);
    reply.moveTo(position);
    reply.skip();
  }

  #feedFollowers(stream: AppendStream): void {
    const { proof } = stream;
    const { feed, end, isExact } = proof;
    const stored = this.#stored.get(stream)!;
    const [first] = stored;
    if (end !== undefined && first !== undefined && compareEntryIds(first.id, end) <= 0) {
      // Another stream than before: Redis does not tell of one that expired, or was evicted, by our own command.
      proof.lost();
      return;
    }
    const isKnown = !this.#untracked.has(stream) && this.#breaks.get(stream) === proof.breaks;
    proof.end = isKnown ? (stored.at(-1)?.id ?? end) : undefined;
    proof.isExact = true;
    if (feed === undefined || end === undefined || (feed.isCounted && !isExact)) return;
    if (!stored.every(({ index }) => this.#entries.hasPayload(index))) return;
    const entries: StoredEntry[] = stored.map(({ id, index }) => {
      return { id, payload: this.#entries.takePayload(index) };
    });
    for (const batch of packStored(stream.key, end, entries)) feed.stored(batch, isExact);
  }

  /** Redis carries out nothing where it refused a single command. */
  #notExecuted(exec: string): void {
    const [first = exec] = this.#refused.values();
    const before = this.#starts.length;
    for (let index = 0; index < this.#count; index++) {
      this.#entries.refusedFor(this.#refused.get(before + index) ?? first);
    }
    for (const number of this.#refused.keys()) {
      const stream =
        this.#starts[number]?.stream ??
        this.#entries.streams[number - before] ??
        this.#streams[number - before - this.#count];
      stream?.refused();
    }
  }
}

/** Notes what lay behind the followers' last entry when the transaction began. */
function readStart({ stream: { proof }, after, isExact }: Start, reply: ReplyCursor): void {
  const isEnd = isExact ? readStreamState(reply)?.lastId === after : reply.isNull;
  if (!isExact) reply.skip();
  if (!isEnd) return;
  proof.end = after;
  proof.isExact = isExact;
}
