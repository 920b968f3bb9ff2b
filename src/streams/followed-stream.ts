/**
 * One stream of a follower, and how far it was sent.
 *
 * Its next entries come from the hub where that still holds what follows the cursor, and else from the
 * pool, which reads from the cursor on. The hand-over compares ids: no gap, no doubles. It holds two batches
 * at most of its own, the one that is sent and the one after it, of a size that the client has shown to
 * take, and only while its follower lets it.
 */
import type { Failure } from '../errors.js';
import type { EntryBatch } from '../wire/batch.js';
import { BEFORE_FIRST, compareEntryIds } from '../wire/entry-id.js';
import type { Hub } from './hub.js';
import type { HubListener, HubStream, Reset } from './hub-stream.js';
import type { Threads } from './threads.js';

/** Entries that a client was not sent, since Redis held them no more. */
export interface Gap {
  /** The last entry before them, as far as it is known. */
  readonly after: string;
  /** The entry that the stream goes on with. */
  readonly resumedAt: string;
  readonly reason: 'trimmed' | 'deleted';
}

/** Entries `from` to `to` (excluded) of a batch of one of a follower's streams: one message. */
export interface Run {
  /** The stream's place among those that the follower was given. */
  readonly index: number;
  readonly batch: EntryBatch;
  readonly from: number;
  readonly to: number;
  /** Others that keep up are sent the same. */
  readonly isShared: boolean;
  /** What was lost before them. */
  readonly gap: Gap | undefined;
}

/** Whether a follower keeps up; `follower.ts` says what each means. */
export type FollowerState = 'live' | 'catching_up' | 'behind';

/** What followers did, over all of them, for the metrics. */
export interface FollowerCounters {
  /** Those that there are. */
  readonly followers: Set<{ readonly state: FollowerState }>;
  entries: number;
  bytes: number;
  skipped: number;
  trimmed: number;
}

export interface FollowerContext {
  readonly hub: Hub;
  readonly threads: Threads;
  readonly counters: FollowerCounters;
}

/** A stream as a request names it. */
export interface FollowerStream {
  readonly key: string;
  /** Entries after this id are wanted. */
  readonly cursor: string;
  /** The stream's last generated id at the request. */
  readonly tail: string;
}

/** Who follows the stream. */
export interface StreamFollower {
  /** There may be something to send of the stream. */
  onReady(stream: FollowedStream): void;
  onFetchFailed(failure: Failure): void;
  /** The stream cannot be read any more. */
  onEvicted(failure: Failure): void;
  /** Whether the pool may read for the stream now; if not, it is told by `mayFetch` when it may. */
  askToFetch(stream: FollowedStream): boolean;
  /** The stream holds nothing any more of what the pool has read. */
  endFetch(): void;
}

/** What the pool has read, and up to which id the hub held what followed when the read began. */
interface Fetched {
  readonly batch: EntryBatch;
  readonly known: string;
}

const FIRST_APPETITE_BYTES = 256 * 1024;
const LEAST_APPETITE_BYTES = 64 * 1024;
const MOST_APPETITE_BYTES = 4 * 1024 * 1024;
const MAX_RANGE_COUNT = 10_000;
/** What an entry is taken for before any was seen. */
const GUESS_ENTRY_BYTES = 64 * 1024;
/** The place in the hub is not known: it must be looked up by the cursor. */
const UNLOCATED = -1;

export class FollowedStream implements HubListener {
  readonly #context: FollowerContext;
  readonly #follower: StreamFollower;
  readonly #index: number;
  /** Where the stream ended when following began. */
  #tail: string;
  readonly #latest: boolean;
  readonly #hub: HubStream;
  /** The last entry sent. */
  #cursor: string;
  /** The cursor is one that we read, so that entries trimmed after it are a loss. */
  #isOwnCursor: boolean;
  /** With `latest`: how many entries the hub had read when the last one was sent. */
  #seen: number;
  /** The batch in the hub that comes next, or `UNLOCATED`, and the entry in it. */
  #number = UNLOCATED;
  #entry = 0;
  /** What the pool has read, and the entry in it that comes next. */
  #backlog: EntryBatch | undefined;
  #backlogEntry = 0;
  /** What the pool has read to follow the backlog. */
  #ahead: Fetched | undefined;
  /** Average payload size of what the pool read last, in bytes; 0 while it read nothing. */
  #backlogEntryBytes = 0;
  /** How much the pool reads at once: as much as the client was seen to take. */
  #appetite = FIRST_APPETITE_BYTES;
  /** Redis has not been asked yet what it holds after the cursor: the hub may hold more, but not less. */
  #mustFetch: boolean;
  #isFetching = false;
  #mayFetch = false;
  /** The pool is not asked again before `retry`. */
  #hasFailed = false;
  /** How often the stream was reset: what the pool was asked for before is of one that is gone. */
  #resets = 0;
  /** Entries after that id were lost, and the client has not been sent any since. */
  #loss: Omit<Gap, 'resumedAt'> | undefined;
  #isClosed = false;
  /** Kept by the follower: whether it will ask for what comes next. */
  hasTurn = false;

  /** @param index the stream's place among the follower's @param latest only the newest entry is wanted */
  constructor(
    context: FollowerContext,
    follower: StreamFollower,
    index: number,
    { key, cursor, tail }: FollowerStream,
    latest: boolean,
  ) {
    this.#context = context;
    this.#follower = follower;
    this.#index = index;
    this.#tail = tail;
    this.#latest = latest;
    this.#hub = context.hub.follow(key, tail, this);
    this.#cursor = cursor;
    this.#isOwnCursor = cursor === tail && tail !== BEFORE_FIRST;
    this.#mustFetch = compareEntryIds(cursor, tail) < 0;
    this.#seen = this.#hub.entries;
    if (compareEntryIds(cursor, tail) > 0) context.hub.resets.ahead++;
  }

  onEntries(): void {
    this.#follower.onReady(this);
  }

  onEvicted(failure: Failure): void {
    this.#follower.onEvicted(failure);
  }

  /** What is held of the stream goes: Redis holds it no more, or holds it still and is asked again. */
  onReset({ reason, base, lastId }: Reset): void {
    // A client may have named a cursor ahead of all that there was: it is taken at its word.
    if (this.#isOwnCursor || compareEntryIds(this.#cursor, lastId) <= 0) {
      if (reason !== 'shortened') this.#loss ??= { after: this.#cursor, reason: 'deleted' };
      if (compareEntryIds(this.#cursor, base) > 0) this.#cursor = base;
      this.#isOwnCursor = this.#cursor !== BEFORE_FIRST;
    }
    this.#resets++;
    this.#tail = base;
    this.#backlog = undefined;
    this.#ahead = undefined;
    this.#number = UNLOCATED;
    this.#mustFetch = false;
    this.#seen = this.#hub.entries;
    this.#follower.onReady(this);
  }

  /** Whether entries that there were at the request are still to come. */
  get isBehind(): boolean {
    return this.#isFetching || this.#hasFailed || compareEntryIds(this.#hub.lastId, this.#tail) < 0;
  }

  /** Whether it is read for by the pool, rather than fed from the hub. */
  get isCatchingUp(): boolean {
    return this.#isFetching || this.#hasFailed || this.#backlog !== undefined;
  }

  /** What to send next, of at most `count` entries; undefined where there is nothing, or not yet. */
  next(count: number): Run | undefined {
    const run = this.#latest ? this.#newestRun() : (this.#backlogRun(count) ?? this.#hubRun(count));
    if (this.#mayFetch && this.#backlog === undefined && !this.#isFetching) {
      this.#mayFetch = false;
      this.#follower.endFetch();
    }
    return run;
  }

  /** Moves on past a run that was sent. */
  sent({ batch, from, to, gap }: Run): void {
    const { counters } = this.#context;
    counters.entries += to - from;
    this.#cursor = batch.ids[to - 1]!;
    this.#isOwnCursor = true;
    if (gap !== undefined) {
      this.#loss = undefined;
      if (gap.reason === 'trimmed') counters.trimmed++;
    }
    if (batch === this.#backlog) {
      this.#backlogEntry = to;
      // The next read is made while this one is sent, by a client that takes some of it. Entries that are
      // larger than all that is read at once are not held twice.
      const isWhole = batch.bytes.length <= MOST_APPETITE_BYTES;
      const isHubPast = compareEntryIds(batch.lastId, this.#hub.startAfter) < 0;
      if (from === 0 && !this.#latest && isWhole && isHubPast) void this.#fetch(batch.lastId);
    } else if (this.#latest) {
      counters.skipped += this.#hub.entries - this.#seen - 1;
      this.#seen = this.#hub.entries;
    } else {
      this.#entry = to;
    }
  }

  /** Lets go of what the pool has read: the client does not take it. The cursor finds it again. @returns whether there was any */
  giveUpBacklog(): boolean {
    if (this.#backlog === undefined) return false;
    this.#backlog = undefined;
    this.#ahead = undefined;
    this.#number = UNLOCATED;
    this.#appetite = Math.max(this.#appetite / 2, LEAST_APPETITE_BYTES);
    return true;
  }

  /** The pool may read for the stream now. */
  mayFetch(): void {
    this.#mayFetch = true;
  }

  /** Lets the pool be asked again after it failed. */
  retry(): void {
    this.#hasFailed = false;
  }

  close(): void {
    this.#isClosed = true;
    this.#backlog = undefined;
    this.#ahead = undefined;
    this.#context.hub.unfollow(this.#hub, this);
  }

  #backlogRun(count: number): Run | undefined {
    const batch = this.#backlog;
    if (batch === undefined) return undefined;
    const from = this.#backlogEntry;
    if (from < batch.length) {
      const to = Math.min(from + count, batch.length);
      return { index: this.#index, batch, from, to, isShared: false, gap: this.#gapBefore(batch, from) };
    }
    // Asked for more, the client has room: all of the batch has left for its socket.
    this.#backlog = undefined;
    this.#context.threads.recycle(batch);
    this.#appetite = Math.min(this.#appetite * 2, MOST_APPETITE_BYTES);
    const ahead = this.#ahead;
    if (ahead === undefined) return undefined;
    this.#ahead = undefined;
    this.#take(ahead.batch, this.#cursor, ahead.known);
    return this.#backlogRun(count);
  }

  #hubRun(count: number): Run | undefined {
    for (;;) {
      if (this.#number === UNLOCATED && !this.#locate()) return undefined;
      if (this.#number === this.#hub.nextNumber) return undefined;
      const batch = this.#hub.batch(this.#number);
      if (batch === undefined) {
        this.#number = UNLOCATED;
      } else if (this.#entry < batch.length) {
        const from = this.#entry;
        const to = Math.min(from + count, batch.length);
        const isShared = this.#isShared(batch);
        return { index: this.#index, batch, from, to, isShared, gap: this.#gapBefore(batch, from) };
      } else {
        this.#number++;
        this.#entry = 0;
      }
    }
  }

  /** Finds the cursor's place in the hub. Where the hub does not go back that far, the pool is asked. */
  #locate(): boolean {
    if (this.#mustFetch) {
      void this.#fetch();
      return false;
    }
    const position = this.#hub.locate(this.#cursor);
    if (position !== undefined) {
      this.#number = position.number;
      this.#entry = position.index;
      return true;
    }
    if (compareEntryIds(this.#cursor, this.#hub.startAfter) < 0) void this.#fetch();
    return false;
  }

  #newestRun(): Run | undefined {
    const { newest, lastId } = this.#hub;
    const isNew = compareEntryIds(lastId, this.#cursor) > 0;
    if (newest !== undefined && isNew) {
      this.#backlog = undefined;
      return this.#lastOf(newest, this.#isShared(newest));
    }
    const backlog = this.#backlog;
    if (backlog !== undefined && this.#backlogEntry < backlog.length) return this.#lastOf(backlog, false);
    this.#backlog = undefined;
    if (isNew) void this.#fetch();
    return undefined;
  }

  #lastOf(batch: EntryBatch, isShared: boolean): Run {
    const from = batch.length - 1;
    const gap = this.#loss && { ...this.#loss, resumedAt: batch.ids[from]! };
    return { index: this.#index, batch, from, to: batch.length, isShared, gap };
  }

  /** What was lost before entry `from` of a batch that comes next. */
  #gapBefore(batch: EntryBatch, from: number): Gap | undefined {
    if (this.#loss !== undefined) return { ...this.#loss, resumedAt: batch.ids[from]! };
    if (from > 0 || !batch.trimmed) return undefined;
    return { after: this.#cursor, resumedAt: batch.ids[0]!, reason: 'trimmed' };
  }

  /** Whether others are about to be sent the same: they are at the newest batch too. */
  #isShared(batch: EntryBatch): boolean {
    return batch === this.#hub.newest && this.#hub.listeners.size > 1;
  }

  /** Asks the pool for what comes after `cursor`: the last entry sent, or the last of the backlog. */
  async #fetch(cursor = this.#cursor): Promise<void> {
    if (this.#isFetching || this.#hasFailed) return;
    this.#mayFetch ||= this.#follower.askToFetch(this);
    if (!this.#mayFetch) return;
    this.#isFetching = true;
    const resets = this.#resets;
    // What the hub held from here on when the read began need not be read again.
    const known = this.#latest ? this.#hub.lastId : this.#hub.startAfter;
    try {
      const [batch] = await this.#context.threads.range({
        streams: [{ key: this.#hub.key, after: cursor }],
        count: this.#latest ? 1 : MAX_RANGE_COUNT,
        latest: this.#latest,
        maxBytes: this.#appetite,
        expectedBytes: this.#backlogEntryBytes || this.#hub.entryBytes || GUESS_ENTRY_BYTES,
        detectTrimming: this.#isOwnCursor,
      });
      this.#isFetching = false;
      if (this.#isClosed || batch === undefined) return;
      if (batch.length > 0) this.#backlogEntryBytes = batch.bytes.length / batch.length;
      if (resets === this.#resets) {
        if (this.#backlog?.lastId === cursor) this.#ahead = { batch, known };
        else this.#take(batch, cursor, known);
      }
      this.#follower.onReady(this);
    } catch (error) {
      this.#isFetching = false;
      this.#hasFailed = true;
      if (!this.#isClosed) this.#follower.onFetchFailed(error as Failure);
    }
  }

  #take(batch: EntryBatch, cursor: string, known: string): void {
    this.#mustFetch = false;
    // With `latest` a newer entry may have been sent meanwhile.
    if (this.#cursor !== cursor) return;
    if (batch.length > 0) {
      this.#backlog = batch;
      this.#backlogEntry = 0;
    } else if (compareEntryIds(cursor, known) < 0) {
      // Nothing is left up to there.
      if (batch.trimmed) this.#loss ??= { after: cursor, reason: 'trimmed' };
      this.#cursor = known;
    }
  }
}
