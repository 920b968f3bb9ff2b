/**
 * Who follows which stream. A stream is read once, by one reader thread, however many listen to it; its
 * newest batches are kept for those that are a little behind, within bounds over all streams.
 */
import type { LostEnd } from '../../../workers/messages.js';
import type { StreamFeed } from '../../append/stream-feed.js';
import { EntryBatch } from '../../protocol/batch.js';
import { BEFORE_FIRST, entryTime } from '../../protocol/entry-id.js';
import { Failure } from '../../protocol/errors.js';
import { Histogram, LATENCY_BOUNDS } from '../../system/histogram.js';
import type { ReaderListener, ReaderThread } from '../../threads/reader-thread.js';
import { type HubListener, HubStream, type ResetReason, type StreamPayer } from './hub-stream.js';
import { KeptBatches } from './kept-batches.js';
import { LocalFeed } from './local-feed.js';
import { NotedEnds, type StreamEnd } from './noted-ends.js';
import { StreamChecks } from './stream-checks.js';

/** A stream that lost its last listener is read on for a while: clients that poll come back at once. */
const LINGER_MS = 2000;
/** How often streams are looked at that no reader reads. */
const PAUSED_LOOK_MS = 500;
/** Replies of readers, in bytes: from a few small entries to what they are held near. */
const REPLY_BOUNDS = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

interface OpenStream {
  readonly stream: HubStream;
  readonly reader: ReaderThread;
  readonly feed: LocalFeed;
  lingerTimer: NodeJS.Timeout | undefined;
  /** The one of its listeners whose client the stream is counted for; of the last one while it has none. */
  payer: StreamPayer | undefined;
  /** How many of its listeners want to know of losses. */
  counting: number;
}

/** Who can give entries as soon as they are stored: the append pipes. */
export interface LocalEntries {
  /** @param feed undefined ends it */
  feed(key: string, feed: StreamFeed | undefined): void;
}

/** Counts a stream for another client. */
function charge(followed: OpenStream, payer: StreamPayer | undefined): void {
  followed.payer?.give(1);
  followed.payer = payer;
  payer?.take(1);
}

export class Hub implements ReaderListener {
  readonly #maxStreams: number;
  readonly #streams = new Map<string, OpenStream>();
  readonly #kept = new KeptBatches();
  #readers: readonly ReaderThread[] = [];
  #local: LocalEntries | undefined;
  /** Those that the readers leave alone. */
  readonly #paused = new Set<OpenStream>();
  #pausedTimer: NodeJS.Timeout | undefined;
  readonly #ends = new NotedEnds();
  readonly #checks = new StreamChecks();
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

  /**
   * To be called once before anything else: readers need the hub as their listener, and it them.
   * @param local where entries come from without being read
   */
  attach(readers: readonly ReaderThread[], local?: LocalEntries): void {
    this.#readers = readers;
    this.#local = local;
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
    return this.#kept.bytes;
  }

  /** The last entry that was read of a stream; undefined where nobody follows it. */
  lastId(key: string): string | undefined {
    return this.#streams.get(key)?.stream.lastId;
  }

  /** Notes where a stream was seen to end: its first reader counts from there. */
  noteEnd(key: string, end: StreamEnd): void {
    if (!this.#streams.has(key)) this.#ends.note(key, end);
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
    const followed = this.#streams.get(key);
    if (followed === undefined) return Promise.resolve();
    return this.#checks.wait(key, () => {
      followed.feed.resume();
      followed.reader.check(key);
    });
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
    this.#checks.close();
    clearInterval(this.#pausedTimer);
    this.#paused.clear();
    this.#streams.clear();
  }

  onEntries(batch: EntryBatch, isCounted: boolean): void {
    const followed = this.#streams.get(batch.key);
    if (followed === undefined) return;
    followed.feed.read(batch, isCounted);
  }

  /** @param batch begins at or before what there is of the stream */
  #take({ stream }: OpenStream, batch: EntryBatch, isCounted: boolean): void {
    const rest = batch.restAfter(stream.lastId);
    if (rest === undefined) return;
    this.entriesRead += rest.length;
    this.bytesRead += rest.bytes.length;
    this.#kept.add(stream, rest, isCounted);
    for (const listener of stream.listeners) listener.onEntries();
  }

  onReply(bytes: number, last: EntryBatch | undefined): void {
    this.replyBytes.observe(bytes);
    if (last === undefined) return;
    this.#observeLag(last);
  }

  #observeLag(batch: EntryBatch): void {
    // Redis' clock may be ahead of ours.
    const lag = Math.max(Date.now() - entryTime(batch.ids[0]!), 0);
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
    const { stream, reader, feed, counting } = followed;
    const isOlder = newest !== undefined && stream.holds(new EntryBatch(newest));
    const reason = last === BEFORE_FIRST ? 'deleted' : isOlder ? 'shortened' : 'recreated';
    const reset = { key, reason, base: isOlder ? last : BEFORE_FIRST, lastId: stream.lastId } as const;
    this.resets[reason]++;
    this.#kept.clear(stream);
    stream.reset(reset.base);
    feed.reset();
    this.#paused.delete(followed);
    // Under a new number, so that what is under way from before is passed over.
    reader.follow(key, reset.base, reset.base === BEFORE_FIRST ? 0 : undefined, counting > 0);
    for (const listener of stream.listeners) listener.onReset(reset);
  }

  onChecked(key: string): void {
    this.#checks.done(key);
  }

  #open(key: string, tail: string): OpenStream {
    const reader = this.#readers.reduce((least, next) => (next.streams < least.streams ? next : least));
    const stream = new HubStream(key, tail);
    const feed: LocalFeed = new LocalFeed({
      stream,
      get isCounted() {
        return followed.counting > 0;
      },
      take: (batch, isCounted) => this.#take(followed, batch, isCounted),
      tookWithoutReading: (batch) => this.#observeLag(batch),
      pauseReader: () => this.#pauseReader(followed),
      resumeReader: () => this.#resumeReader(followed),
    });
    const followed: OpenStream = {
      stream,
      reader,
      feed,
      lingerTimer: undefined,
      payer: undefined,
      counting: 0,
    };
    this.#streams.set(key, followed);
    this.#local?.feed(key, feed);
    reader.follow(key, tail, this.#ends.takeAdded(key, tail), false);
    return followed;
  }

  #pauseReader(followed: OpenStream): void {
    followed.reader.unfollow(followed.stream.key);
    this.#paused.add(followed);
    this.#pausedTimer ??= setInterval(() => {
      const now = performance.now();
      for (const { feed } of this.#paused) feed.look(now);
    }, PAUSED_LOOK_MS);
  }

  #resumeReader(followed: OpenStream): void {
    this.#paused.delete(followed);
    if (this.#paused.size === 0) {
      clearInterval(this.#pausedTimer);
      this.#pausedTimer = undefined;
    }
    const { stream, reader, counting } = followed;
    reader.follow(stream.key, stream.lastId, undefined, counting > 0);
  }

  #close(followed: OpenStream): void {
    followed.reader.unfollow(followed.stream.key);
    this.#forget(followed);
  }

  #forget(followed: OpenStream): void {
    const { stream, feed } = followed;
    charge(followed, undefined);
    this.#streams.delete(stream.key);
    this.#local?.feed(stream.key, undefined);
    feed.reset();
    this.#paused.delete(followed);
    this.#kept.clear(stream);
  }
}
