/**
 * Who follows which stream. A stream is read once, by one reader thread, however many listen to it; its
 * newest batches are kept for those that are a little behind, within bounds over all streams.
 */
import type { Failure } from '../errors.js';
import type { EntryBatch } from '../wire/batch.js';
import { type HubListener, HubStream } from './hub-stream.js';
import type { ReaderThread } from './threads.js';

/** Batches kept for one stream, beyond its newest. */
const MAX_STREAM_BYTES = 8 * 1024 * 1024;
/** Batches kept for all streams together. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;
/** A stream that lost its last listener is read on for a while: clients that poll come back at once. */
const LINGER_MS = 2000;

interface Followed {
  readonly stream: HubStream;
  readonly reader: ReaderThread;
  lingerTimer: NodeJS.Timeout | undefined;
}

/** One batch's coming, by which the oldest of all streams is found. */
interface Arrival {
  readonly stream: HubStream;
  readonly number: number;
}

const isHeld = ({ stream, number }: Arrival) => number >= stream.firstNumber;

export class Hub {
  readonly #streams = new Map<string, Followed>();
  /** Every batch in the order of arrival, some of them let go by now. */
  #arrivals: Arrival[] = [];
  #oldest = 0;
  #batches = 0;
  #bytes = 0;
  #readers: readonly ReaderThread[] = [];
  /** Entries delivered to hub streams, and losses by trimming noticed, since the start. */
  entriesRead = 0;
  bytesRead = 0;

  /** To be called once before anything else: readers need the hub as their listener, and it them. */
  attach(readers: readonly ReaderThread[]): void {
    this.#readers = readers;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Bytes of batches kept for followers that are behind. */
  get keptBytes(): number {
    return this.#bytes;
  }

  /**
   * Follows a stream on behalf of `listener`.
   * @param tail the stream's last generated id, as known now: a stream that nobody follows yet is read from there
   */
  follow(key: string, tail: string, listener: HubListener): HubStream {
    const followed = this.#streams.get(key) ?? this.#open(key, tail);
    clearTimeout(followed.lingerTimer);
    followed.lingerTimer = undefined;
    followed.stream.listeners.add(listener);
    return followed.stream;
  }

  unfollow(stream: HubStream, listener: HubListener): void {
    stream.listeners.delete(listener);
    const followed = this.#streams.get(stream.key);
    if (followed?.stream !== stream || stream.listeners.size > 0) return;
    followed.lingerTimer ??= setTimeout(() => this.#close(followed), LINGER_MS);
  }

  close(): void {
    for (const followed of this.#streams.values()) clearTimeout(followed.lingerTimer);
    this.#streams.clear();
  }

  onEntries(batch: EntryBatch): void {
    const stream = this.#streams.get(batch.key)?.stream;
    if (stream === undefined) return;
    this.entriesRead += batch.length;
    this.bytesRead += batch.bytes.length;
    this.#arrivals.push({ stream, number: stream.nextNumber });
    this.#bytes += stream.add(batch);
    this.#batches++;
    this.#trim(stream);
    for (const listener of stream.listeners) listener.onEntries();
  }

  onEvicted(key: string, failure: Failure): void {
    const followed = this.#streams.get(key);
    if (followed === undefined) return;
    clearTimeout(followed.lingerTimer);
    this.#forget(followed.stream);
    for (const listener of followed.stream.listeners) listener.onEvicted(failure);
  }

  #open(key: string, tail: string): Followed {
    const reader = this.#readers.reduce((least, next) => (next.streams < least.streams ? next : least));
    const followed = { stream: new HubStream(key, tail), reader, lingerTimer: undefined };
    this.#streams.set(key, followed);
    reader.follow(key, tail);
    return followed;
  }

  #close(followed: Followed): void {
    followed.reader.unfollow(followed.stream.key);
    this.#forget(followed.stream);
  }

  #forget(stream: HubStream): void {
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
