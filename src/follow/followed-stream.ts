/**
 * One stream of a follower, and how far it was sent.
 *
 * Its next entries come from the hub where that still holds what follows the cursor, and else from its
 * backlog, which the pool reads from the cursor on. The hand-over compares ids: no gap, no doubles.
 *
 * Where entries are sent up to an id only, since a replay has not come further or no more are wanted, `next`
 * is given that limit. Where `until` has passed the stream is read from Redis to the end, since the hub may
 * not have been told of all yet.
 */

import type { EntryBatch } from '../protocol/batch.js';
import { BEFORE_FIRST, compareEntryIds } from '../protocol/entry-id.js';
import type { Failure } from '../protocol/errors.js';
import type { Gap } from '../protocol/pull-message.js';
import { Backlog, type BacklogOwner, type RangeAnswer } from './catch-up/backlog.js';
import { ASK_REDIS, findNewest } from './catch-up/newest-entry.js';
import type { FollowerContext } from './follower-context.js';
import { HubPlace } from './live/hub-place.js';
import type { HubListener, HubStream, Reset, StreamPayer } from './live/hub-stream.js';
import type { Run } from './run.js';

/** A stream as a request names it. */
export interface FollowerStream {
  readonly key: string;
  /** Entries after this id are wanted. */
  readonly cursor: string;
  /** The stream's last generated id at the request. */
  readonly tail: string;
  /** The client has read up to the cursor, and wants to know what it missed since. */
  readonly isResumed?: boolean;
}

/** What is wanted of a stream. */
export interface FollowRequest {
  /** Only the newest entry. */
  readonly latest: boolean;
  /** No entry after this id. */
  readonly until: string | undefined;
  /** In a replay: what may be held of the stream while nothing of it is due, in bytes. */
  readonly share: number | undefined;
  /** To know of entries that were lost before they could be sent. */
  readonly gaps: boolean;
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

export class FollowedStream implements HubListener, BacklogOwner {
  readonly payer: StreamPayer | undefined;
  readonly countsLosses: boolean;
  readonly #context: FollowerContext;
  readonly #follower: StreamFollower;
  readonly #index: number;
  /** Where the stream ended when following began. */
  #tail: string;
  readonly #latest: boolean;
  readonly #until: string | undefined;
  readonly #hub: HubStream;
  readonly #backlog: Backlog;
  /** The last entry sent. */
  #cursor: string;
  /** The cursor is one that we read. */
  #isOwnCursor: boolean;
  /** The client has had the entry at the cursor, so that entries trimmed after it are a loss. */
  #hadCursor: boolean;
  /** With `latest`: how many entries the hub had read when the last one was sent. */
  #seen: number;
  readonly #place: HubPlace;
  /** Redis has not been asked yet what it holds after the cursor: the hub may hold more, but not less. */
  #mustFetch: boolean;
  /** Entries after that id were lost, and the client has not been sent any since. */
  #loss: Omit<Gap, 'resumedAt'> | undefined;
  /** In a replay: the entry that comes next, once it was looked up. */
  #upcoming: string | undefined;
  /** No entry up to `until` can be stored any more. */
  #isPastUntil = false;
  /** Every entry up to `until` was sent. */
  #isFinished = false;
  /** Kept by the follower: whether it will ask for what comes next. */
  hasTurn = false;

  /** @param index the stream's place among the follower's */
  constructor(
    context: FollowerContext,
    follower: StreamFollower,
    index: number,
    { key, cursor, tail, isResumed = false }: FollowerStream,
    { latest, until, share, gaps }: FollowRequest,
  ) {
    this.payer = context.payer;
    // What `latest` skips is no loss.
    this.countsLosses = gaps && !latest;
    this.#context = context;
    this.#follower = follower;
    this.#index = index;
    this.#tail = tail;
    this.#latest = latest;
    this.#until = until;
    this.#hub = context.hub.follow(key, tail, this);
    this.#place = new HubPlace(this.#hub);
    this.#backlog = new Backlog(context.threads, key, this, share);
    this.#cursor = cursor;
    this.#isOwnCursor = cursor === tail && tail !== BEFORE_FIRST;
    this.#hadCursor = this.#isOwnCursor || isResumed || (this.countsLosses && cursor === tail);
    this.#mustFetch = compareEntryIds(cursor, tail) < 0;
    this.#seen = this.#hub.entries;
    if (compareEntryIds(cursor, tail) > 0) {
      context.hub.resets.ahead++;
      // Ids only grow: it is not the stream that the client read.
      if (isResumed) this.#loss = { after: cursor, reason: 'deleted' };
    }
  }

  onEntries(): void {
    this.#follower.onReady(this);
  }

  onEvicted(failure: Failure): void {
    this.#follower.onEvicted(failure);
  }

  /** What is held of the stream goes: Redis holds it no more, or holds it still and is asked again. */
  onReset({ base, lastId }: Reset): void {
    // A client may have named a cursor ahead of all that there was: it is used as given.
    // One that the stream had at the request may be further than what was read since.
    const isAhead =
      compareEntryIds(this.#cursor, lastId) > 0 && compareEntryIds(this.#cursor, this.#tail) > 0;
    if (this.#isOwnCursor || !isAhead) {
      // Where Redis is back in an older state, entries that nobody has read may be gone.
      this.#loss ??= { after: this.#cursor, reason: 'deleted' };
      if (compareEntryIds(this.#cursor, base) > 0) this.#cursor = base;
      this.#isOwnCursor = this.#cursor !== BEFORE_FIRST;
      this.#hadCursor = this.#isOwnCursor;
    }
    this.#tail = base;
    this.#backlog.reset();
    this.#upcoming = undefined;
    this.#place.forget();
    this.#mustFetch = false;
    this.#seen = this.#hub.entries;
    this.#follower.onReady(this);
  }

  askToRead(): boolean {
    return this.#follower.askToFetch(this);
  }

  endRead(): void {
    this.#follower.endFetch();
  }

  onReady(): void {
    this.#follower.onReady(this);
  }

  onRead({ batch, question }: RangeAnswer): void {
    this.#mustFetch = false;
    // With `latest` a newer entry may have been sent meanwhile.
    if (this.#cursor !== question.after) return;
    if (batch.length > 0) {
      this.#backlog.hold(batch, question.latest);
      return;
    }
    if (question.isLast) this.#isFinished = true;
    if (compareEntryIds(question.after, question.known) >= 0) return;
    // Nothing is left up to there.
    if (batch.trimmed) this.#loss ??= { after: question.after, reason: 'trimmed' };
    this.#cursor = question.known;
  }

  onReadFailed(failure: Failure): void {
    this.#follower.onFetchFailed(failure);
  }

  /** Whether entries that there were at the request are still to come. */
  get isBehind(): boolean {
    return this.#backlog.isReading || compareEntryIds(this.#hub.lastId, this.#tail) < 0;
  }

  /** Whether it is read for by the pool, rather than fed from the hub. */
  get isCatchingUp(): boolean {
    return this.#backlog.isReading || this.#backlog.batch !== undefined;
  }

  /** Whether something of it is being read, or waits for leave to be. */
  get isPending(): boolean {
    return this.#backlog.isPending;
  }

  /** Whether every entry up to `until` was sent. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** What is held of the stream's own, in bytes. */
  get heldBytes(): number {
    return this.#backlog.batch?.bytes.length ?? 0;
  }

  /**
   * What to send next, of at most `count` entries; undefined where there is nothing, or not yet.
   * @param limit entries after this id are not sent now
   */
  next(count: number, limit?: string): Run | undefined {
    const run = this.#latest ? this.#newestRun(limit) : this.#orderedRun(count, limit);
    // It may have gone meanwhile.
    if (run === undefined) this.#upcoming = undefined;
    this.#backlog.release();
    return run;
  }

  /** The id of the entry that comes next, be it due or not; undefined where there is none, or it is read first. */
  peek(): string | undefined {
    if (this.#upcoming !== undefined) return this.#upcoming;
    const run = this.#orderedRun(1);
    this.#backlog.release();
    this.#upcoming = run?.batch.ids[run.from];
    return this.#upcoming;
  }

  /** Moves on past a run that was sent. */
  sent({ batch, from, to, gap }: Run): void {
    const { counters } = this.#context;
    counters.entries += to - from;
    this.#cursor = batch.ids[to - 1]!;
    this.#isOwnCursor = true;
    this.#hadCursor = true;
    this.#upcoming = undefined;
    if (gap !== undefined) {
      this.#loss = undefined;
      if (gap.reason === 'trimmed') counters.trimmed++;
    }
    if (batch === this.#backlog.batch) {
      this.#backlog.entry = to;
      if (this.#latest) this.#place.forget();
      else if (from === 0) this.#readAhead(batch);
    } else if (this.#latest) {
      this.#place.forget();
      if (batch !== this.#hub.newest) return;
      counters.skipped += this.#hub.entries - this.#seen - 1;
      this.#seen = this.#hub.entries;
    } else {
      this.#place.entry = to;
    }
  }

  /** Lets go of what the pool has read: it is not sent for a while. The cursor finds it again. */
  letGo(): void {
    this.#backlog.letGo();
    this.#place.forget();
  }

  /** As `letGo`, since the client does not take it. @returns whether there was any */
  giveUpBacklog(): boolean {
    if (!this.#backlog.giveUp()) return false;
    this.#place.forget();
    return true;
  }

  /** The pool may read for the stream now. */
  mayFetch(): void {
    this.#backlog.mayRead();
  }

  /** Lets the pool be asked again after it failed. */
  retry(): void {
    this.#backlog.retry();
  }

  /** What is stored comes at once from now on. */
  endReplay(): void {
    this.#backlog.share = undefined;
    // It is what comes next, and not the newest.
    if (this.#latest) this.letGo();
  }

  /** The time of `until` is over: what Redis holds up to there is all that there will be. */
  passUntil(): void {
    this.#isPastUntil = true;
    this.#place.forget();
  }

  close(): void {
    this.#backlog.close();
    this.#context.hub.unfollow(this.#hub, this);
  }

  #orderedRun(count: number, limit?: string): Run | undefined {
    const batch = this.#backlog.current();
    if (batch === undefined) return this.#hubRun(count, limit);
    return this.#runOf(batch, this.#backlog.entry, count, limit, false);
  }

  /** The id after which the hub holds all that this follower needs. */
  get #hubStart(): string {
    return this.countsLosses ? this.#hub.countedAfter : this.#hub.startAfter;
  }

  #hubRun(count: number, limit: string | undefined): Run | undefined {
    // What came before the reader began to count for this follower is read from Redis, with proof.
    if (this.countsLosses && compareEntryIds(this.#cursor, this.#hub.countedAfter) < 0) this.#place.forget();
    let batch = this.#place.batch();
    if (batch === undefined && !this.#place.isKnown && this.#locate()) batch = this.#place.batch();
    return batch && this.#runOf(batch, this.#place.entry, count, limit, this.#isShared(batch));
  }

  #runOf(
    batch: EntryBatch,
    from: number,
    count: number,
    limit: string | undefined,
    isShared: boolean,
  ): Run | undefined {
    const most = Math.min(from + count, batch.length);
    if (this.#until !== undefined && compareEntryIds(batch.ids[from]!, this.#until) > 0) {
      this.#isFinished = true;
      return undefined;
    }
    const to = limit === undefined ? most : Math.min(most, batch.firstAfter(limit, from));
    if (to === from) return undefined;
    const gap = this.#gapBefore(batch, from);
    // One that ends sooner is not the others' message.
    return { index: this.#index, batch, from, to, isShared: isShared && to === most, gap };
  }

  /** Finds the cursor's place in the hub. Where the hub does not go back that far, the pool is asked. */
  #locate(): boolean {
    if (this.#mustFetch || this.#isPastUntil) {
      this.#fetch();
      return false;
    }
    if (compareEntryIds(this.#cursor, this.#hubStart) < 0) {
      this.#fetch();
      return false;
    }
    return this.#place.find(this.#cursor);
  }

  #newestRun(limit: string | undefined): Run | undefined {
    const hub = this.#hub;
    if (this.#until !== undefined && compareEntryIds(hub.lastId, this.#until) > 0) this.passUntil();
    const found = findNewest({
      hub,
      backlog: this.#backlog,
      cursor: this.#cursor,
      limit,
      wasAsked: !this.#mustFetch,
      isPastHub: this.#isPastUntil,
    });
    if (found === undefined) return undefined;
    if (found === ASK_REDIS) {
      this.#backlog.letGo();
      this.#fetchNewest(limit);
      return undefined;
    }
    const [batch, index] = found;
    if (batch !== this.#backlog.batch) this.#backlog.letGo();
    return this.#oneOf(batch, index, this.#isShared(batch));
  }

  /** The one entry `from` of a batch; what is skipped is no loss. */
  #oneOf(batch: EntryBatch, from: number, isShared: boolean): Run {
    const gap = this.#loss && { ...this.#loss, resumedAt: batch.ids[from]! };
    return { index: this.#index, batch, from, to: from + 1, isShared, gap };
  }

  /** What was lost before entry `from` of a batch that comes next. */
  #gapBefore(batch: EntryBatch, from: number): Gap | undefined {
    const isTorn = from === 0 && batch.trimmed;
    if (this.#loss !== undefined)
      return { ...this.#loss, resumedAt: isTorn ? batch.resumedAt! : batch.ids[from]! };
    if (!isTorn) return undefined;
    const isLate = compareEntryIds(batch.lostAfter, this.#cursor) < 0;
    return {
      after: isLate ? batch.lostAfter : this.#cursor,
      resumedAt: batch.resumedAt!,
      reason: 'trimmed',
    };
  }

  /** Whether others are about to be sent the same: they are at the newest batch too. */
  #isShared(batch: EntryBatch): boolean {
    return batch === this.#hub.newest && this.#hub.listeners.size > 1;
  }

  /** Asks the pool for what comes after `after`: the last entry sent, or the last of the backlog. */
  #fetch(after = this.#cursor): void {
    if (this.#isFinished) return;
    void this.#backlog.read({
      after,
      until: this.#until,
      latest: false,
      detectTrimming: this.#hadCursor && !this.#latest,
      entryBytes: this.#hub.entryBytes,
      // What the hub holds from here on need not be read again.
      known: this.#hubStart,
      isLast: this.#isPastUntil,
    });
  }

  #fetchNewest(limit: string | undefined): void {
    if (this.#isFinished) return;
    void this.#backlog.read({
      after: this.#cursor,
      until: limit,
      latest: true,
      detectTrimming: false,
      entryBytes: this.#hub.entryBytes,
      known: limit === undefined || limit === this.#until ? this.#hub.lastId : this.#cursor,
      isLast: this.#isPastUntil && limit === this.#until,
    });
  }

  /** The next read is made while this batch is sent, by a client that takes some of it. */
  #readAhead(batch: EntryBatch): void {
    if (!this.#backlog.mayReadAhead(batch)) return;
    const isHubPast = compareEntryIds(batch.lastId, this.#hubStart) < 0;
    if (isHubPast || this.#isPastUntil) this.#fetch(batch.lastId);
  }
}
