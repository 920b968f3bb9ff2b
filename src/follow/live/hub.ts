/**
 * Who follows which stream. A stream is read once, by one reader thread, however many listen to it; its
 * newest batches are kept for those that are a little behind, within bounds over all streams.
 */
import type { LostEnd } from '../../../workers/messages.js';
import { EntryBatch } from '../../protocol/batch.js';
import { BEFORE_FIRST, entryTime } from '../../protocol/entry-id.js';
import { Failure } from '../../protocol/errors.js';
import { Histogram, LATENCY_BOUNDS } from '../../system/histogram.js';
import type { ReaderListener, ReaderThread } from '../../threads/reader-thread.js';
import { type HubListener, HubStream, type ResetReason, type StreamPayer } from './hub-stream.js';

/** Batches kept for one stream, beyond its newest. */
const MAX_STREAM_BYTES = 8 * 1024 * 1024;
/** Batches kept for all streams together. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** A stream that lost its last listener is read on for a while: clients that poll come back at once. */
const LINGER_MS = 2000;
/** How long a look at a stream may take; a reader without a connection does not answer. */
const CHECK_MS = 1000;
/** Ends of streams that are remembered from when they were asked about until they are followed. */
const MAX_ENDS = 4096;
/** Replies of readers, in bytes: from a few small entries to what they are held near. */
const REPLY_BOUNDS = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

interface OpenStream {
  readonly stream: HubStream;
  readonly reader: ReaderThread;
  lingerTimer: NodeJS.Timeout | undefined;
  /** The one of its listeners whose client the stream is counted for; of the last one while it has none. */
  payer: StreamPayer | undefined;
  /** How many of its listeners want to know of losses. */
  counting: number;
}

/** Where a stream was seen to end. */
export interface StreamEnd {
  /** The last generated id. */
  readonly id: string;
  /** Entries ever added. */
  readonly added: number;
}

/** One batch's coming, by which the oldest of all streams is found. */
interface Arrival {
  readonly stream: HubStream;
  readonly number: number;
}

/** Counts a stream for another client. */
function charge(followed: OpenStream, payer: StreamPayer | undefined): void {
  followed.payer?.give(1);
  followed.payer = payer;
  payer?.take(1);
}

const isHeld = ({ stream, number }: Arrival) => number >= stream.firstNumber;

export class Hub implements ReaderListener {
  readonly #maxStreams: number;
  readonly #streams = new Map<string, OpenStream>();
  /** Every batch in the order of arrival, some of them let go by now. */
  #arrivals: Arrival[] = [];
  #oldest = 0;
  #batches = 0;
  #bytes = 0;
  #readers: readonly ReaderThread[] = [];
  readonly #ends = new Map<string, StreamEnd>();
  /** Who waits for a look at a stream. */
  readonly #checks = new Map<string, { promise: Promise<void>; done(): void }>();
  /** Entries delivered to hub streams, and losses by trimming noticed, since the start. */
  entriesRead = 0;
  bytesRead = 0;
  /** Streams that were found to end before what was read of them, or before what a follower asked for. */
  readonly resets: Record<ResetReason | 'ahead', number> = {
    deleted: 0,
    recreated: 0,
    shortened: 0,
    ahead: 0,
  };
  /** Seconds from an entry's own time until its live followers were sent it: one entry of each reply. */
  readonly deliveryLag = new Histogram(LATENCY_BOUNDS);
  readonly replyBytes = new Histogram(REPLY_BOUNDS);

  constructor(maxStreams = Number.POSITIVE_INFINITY) {
    this.#maxStreams = maxStreams;
  }

  /** To be called once before anything else: readers need the hub as their listener, and it them. */
  attach(readers: readonly ReaderThread[]): void {
    this.#readers = readers;
  }

  /**
   * To be called right before `follow`, and before anything is read for it.
   * @param check throws where so many more streams would be too many for the client
   * @throws Failure `overloaded` where these streams would be more than may be followed at once
   */
  checkRoom(keys: readonly string[], check?: (more: number) => void): void {
    const more = keys.reduce((count, key) => (this.#streams.has(key) ? count : count + 1), 0);
    if (more === 0) return;
    check?.(more);
    if (this.#streams.size + more <= this.#maxStreams) return;
    throw new Failure(
      'overloaded',
      `too many streams are followed at once (MAX_FOLLOWED_STREAMS=${this.#maxStreams})`,
    );
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Bytes of batches kept for followers that are behind. */
  get keptBytes(): number {
    return this.#bytes;
  }

  /** The last entry that was read of a stream; undefined where nobody follows it. */
  lastId(key: string): string | undefined {
    return this.#streams.get(key)?.stream.lastId;
  }

  /** Notes where a stream was seen to end: its first reader counts from there. */
  noteEnd(key: string, end: StreamEnd): void {
    if (this.#streams.has(key)) return;
    if (this.#ends.size >= MAX_ENDS) this.#ends.clear();
    this.#ends.set(key, end);
  }

  /** How many follow a stream. */
  followers(key: string): number {
    return this.#streams.get(key)?.stream.listeners.size ?? 0;
  }

  /**
   * Has a stream looked at that seems to end before what was read of it. If it does, its listeners have been
   * told when this resolves.
   */
  check(key: string): Promise<void> {
    const open = this.#checks.get(key);
    if (open !== undefined) return open.promise;
    const followed = this.#streams.get(key);
    if (followed === undefined) return Promise.resolve();
    let resolve = () => {};
    const promise = new Promise<void>((resolved) => {
      resolve = resolved;
    });
    const timer = setTimeout(() => this.onChecked(key), CHECK_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    this.#checks.set(key, { promise, done });
    followed.reader.check(key);
    return promise;
  }

  /**
   * Follows a stream on behalf of `listener`.
   * @param tail the stream's last generated id, as known now: a stream that nobody follows yet is read from there
   */
  follow(key: string, tail: string, listener: HubListener): HubStream {
    const isCounted = listener.countsLosses === true;
    const followed = this.#streams.get(key) ?? this.#open(key, tail);
    if (isCounted && followed.counting++ === 0) followed.reader.count(key, true);
    clearTimeout(followed.lingerTimer);
    followed.lingerTimer = undefined;
    if (followed.stream.listeners.size === 0) charge(followed, listener.payer);
    followed.stream.listeners.add(listener);
    return followed.stream;
  }

  unfollow(stream: HubStream, listener: HubListener): void {
    stream.listeners.delete(listener);
    const followed = this.#streams.get(stream.key);
    if (followed?.stream !== stream) return;
    if (listener.countsLosses && --followed.counting === 0) followed.reader.count(stream.key, false);
    const [other] = stream.listeners;
    if (other !== undefined) {
      if (followed.payer === listener.payer) charge(followed, other.payer);
      return;
    }
    followed.lingerTimer ??= setTimeout(() => this.#close(followed), LINGER_MS);
  }

  close(): void {
    for (const followed of this.#streams.values()) clearTimeout(followed.lingerTimer);
    for (const key of this.#checks.keys()) this.onChecked(key);
    this.#streams.clear();
  }

  onEntries(batch: EntryBatch, isCounted: boolean): void {
    const stream = this.#streams.get(batch.key)?.stream;
    if (stream === undefined) return;
    this.entriesRead += batch.length;
    this.bytesRead += batch.bytes.length;
    this.#arrivals.push({ stream, number: stream.nextNumber });
    this.#bytes += stream.add(batch, isCounted);
    this.#batches++;
    this.#trim(stream);
    for (const listener of stream.listeners) listener.onEntries();
  }

  onReply(bytes: number, last: EntryBatch | undefined): void {
    this.replyBytes.observe(bytes);
    if (last === undefined) return;
    // Redis' clock may be ahead of ours.
    const lag = Math.max(Date.now() - entryTime(last.ids[0]!), 0);
    this.deliveryLag.observe(lag / 1000);
  }

  onEvicted(key: string, failure: Failure): void {
    const followed = this.#streams.get(key);
    if (followed === undefined) return;
    clearTimeout(followed.lingerTimer);
    this.#forget(followed);
    for (const listener of followed.stream.listeners) listener.onEvicted(failure);
  }

  onLost({ key, last, newest }: LostEnd): void {
    const followed = this.#streams.get(key);
    if (followed === undefined) return;
    const { stream, reader, counting } = followed;
    const isOlder = newest !== undefined && stream.holds(new EntryBatch(newest));
    const reason = last === BEFORE_FIRST ? 'deleted' : isOlder ? 'shortened' : 'recreated';
    const reset = { key, reason, base: isOlder ? last : BEFORE_FIRST, lastId: stream.lastId } as const;
    this.resets[reason]++;
    while (stream.length > 0) this.#drop(stream);
    stream.reset(reset.base);
    // Under a new number, so that what is under way from before is passed over.
    reader.follow(key, reset.base, reset.base === BEFORE_FIRST ? 0 : undefined, counting > 0);
    for (const listener of stream.listeners) listener.onReset(reset);
  }

  onChecked(key: string): void {
    this.#checks.get(key)?.done();
    this.#checks.delete(key);
  }

  #open(key: string, tail: string): OpenStream {
    const reader = this.#readers.reduce((least, next) => (next.streams < least.streams ? next : least));
    const stream = new HubStream(key, tail);
    const followed = { stream, reader, lingerTimer: undefined, payer: undefined, counting: 0 };
    this.#streams.set(key, followed);
    const end = this.#ends.get(key);
    this.#ends.delete(key);
    reader.follow(key, tail, end?.id === tail ? end.added : undefined, false);
    return followed;
  }

  #close(followed: OpenStream): void {
    followed.reader.unfollow(followed.stream.key);
    this.#forget(followed);
  }

  #forget(followed: OpenStream): void {
    const { stream } = followed;
    charge(followed, undefined);
    this.#streams.delete(stream.key);
    while (stream.length > 0) this.#drop(stream);
  }

  #drop(stream: HubStream): void {
    this.#bytes -= stream.dropOldest();
    this.#batches--;
  }

  #trim(stream: HubStream): void {
    while (stream.bytes > MAX_STREAM_BYTES && stream.length > 1) this.#drop(stream);
    while (this.#bytes > MAX_TOTAL_BYTES && this.#oldest < this.#arrivals.length - 1) {
      const arrival = this.#arrivals[this.#oldest++]!;
      if (isHeld(arrival)) this.#drop(arrival.stream);
    }
    // Arrivals of batches that are gone are swept out before they outnumber those held.
    if (this.#arrivals.length > 2 * this.#batches + 1024) {
      this.#arrivals = this.#arrivals.filter(isHeld);
      this.#oldest = 0;
    }
  }
}
