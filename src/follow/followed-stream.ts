/**
 * One stream of a follower: pulls what comes next from its source, and changes the source where that has ended.
 *
 * It is live where the hub holds what follows the cursor, and else catches up with ranges of Redis. Each source
 * goes on from the cursor, which is the id of the last entry sent: no gap, no doubles.
 *
 * Where entries are sent up to an id only, since a replay has not come further or no more are wanted, `next`
 * is given that limit.
 */

import type { EntryBatch } from '../protocol/batch.js';
import { compareEntryIds } from '../protocol/entry-id.js';
import type { Failure } from '../protocol/errors.js';
import { CatchUpSource } from './catch-up/catch-up-source.js';
import type { ReadSlots } from './catch-up/read-slots.js';
import { ReadWindow } from './catch-up/read-window.js';
import type { FollowerContext } from './follower-context.js';
import type { HubListener, HubStream, Reset, StreamPayer } from './live/hub-stream.js';
import { LiveSource } from './live/live-source.js';
import { Progress } from './progress.js';
import type { Run } from './run.js';
import type { Source, SourceListener } from './source.js';

/** Messages that are taken at once: as much as the WebSocket library collects before it asks the system. */
const SMALL_BYTES = 12 * 1024;

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

/** The follower that the stream belongs to. */
export interface StreamFollower {
  /** Shared by its streams. */
  readonly slots: ReadSlots;
  /** There may be something to send of the stream. */
  onReady(stream: FollowedStream): void;
  /** The stream cannot be followed any more. */
  onFailed(failure: Failure): void;
}

export class FollowedStream implements HubListener, SourceListener {
  readonly payer: StreamPayer | undefined;
  readonly countsLosses: boolean;
  readonly #context: FollowerContext;
  readonly #follower: StreamFollower;
  readonly #index: number;
  readonly #latest: boolean;
  readonly #hub: HubStream;
  readonly #progress: Progress;
  readonly #window: ReadWindow;
  #source: Source;
  /** With `latest`: how many entries the hub had read when the last one was sent. */
  #seen: number;
  /** In a replay: the entry that comes next, once it was looked up. */
  #upcoming: string | undefined;
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
    this.#latest = latest;
    this.#hub = context.hub.follow(key, tail, this);
    this.#seen = this.#hub.entries;
    this.#progress = new Progress({ cursor, tail, isResumed, countsLosses: this.countsLosses, until });
    this.#window = new ReadWindow(share);
    // The hub may have begun at the tail.
    this.#source = compareEntryIds(cursor, tail) < 0 ? this.#catchUp() : this.#live();
    if (compareEntryIds(cursor, tail) > 0) context.hub.resets.ahead++;
  }

  onEntries(): void {
    this.#follower.onReady(this);
  }

  /** What is held of the stream goes: Redis holds it no more, or holds it still and is asked again. */
  onReset(reset: Reset): void {
    this.#progress.reset(reset);
    this.#upcoming = undefined;
    this.#seen = this.#hub.entries;
    this.#change(this.#progress.isPastUntil ? this.#catchUp() : this.#live());
    this.#follower.onReady(this);
  }

  onEvicted(failure: Failure): void {
    this.#follower.onFailed(failure);
  }

  onReady(): void {
    this.#follower.onReady(this);
  }

  onFailed(failure: Failure): void {
    this.#follower.onFailed(failure);
  }

  /** Whether entries that there were at the request are still to come. */
  get isBehind(): boolean {
    return this.#source.isPending || compareEntryIds(this.#hub.lastId, this.#progress.tail) < 0;
  }

  /** Whether it is read for by the pool, rather than fed from the hub. */
  get isCatchingUp(): boolean {
    return this.#source.isPending || this.#source.held !== undefined;
  }

  /** Whether something of it is being read, or waits until it may be. */
  get isPending(): boolean {
    return this.#source.isPending;
  }

  /** Whether every entry up to `until` was sent. */
  get isFinished(): boolean {
    return this.#progress.isFinished;
  }

  /** What is held of the stream's own, in bytes. */
  get heldBytes(): number {
    return this.#source.held?.bytes.length ?? 0;
  }

  /**
   * What to send next; undefined where there is nothing, or not yet.
   * @param count at most so many entries in a message
   * @param limit entries after this id are not sent now
   * @param messages more than one may be taken at once, as long as all are small
   */
  next(count: number, limit?: string, messages = 1): Run | undefined {
    const run = this.#latest ? this.#newestRun(limit) : this.#orderedRun(count, limit, messages);
    // It may have gone meanwhile.
    if (run === undefined) this.#upcoming = undefined;
    return run;
  }

  /** The id of the entry that comes next, be it due or not; undefined where there is none, or it is read first. */
  peek(): string | undefined {
    if (this.#upcoming !== undefined) return this.#upcoming;
    const run = this.#orderedRun(1);
    this.#upcoming = run?.batch.ids[run.from];
    return this.#upcoming;
  }

  /** Moves on past a run that was sent. */
  sent({ batch, from, to, gap }: Run): void {
    const { counters } = this.#context;
    counters.entries += to - from;
    this.#progress.moveTo(batch.ids[to - 1]!);
    this.#upcoming = undefined;
    if (gap !== undefined) {
      this.#progress.gapReported();
      if (gap.reason === 'trimmed') counters.trimmed++;
    }
    this.#source.consumed(to);
    if (!this.#latest || batch !== this.#hub.newest) return;
    counters.skipped += this.#hub.entries - this.#seen - 1;
    this.#seen = this.#hub.entries;
  }

  /** Drops what is held for this follower alone: it is not sent for a while. The cursor finds it again. */
  letGo(): void {
    this.#source.letGo();
  }

  /** As `letGo`, since the client does not take it: less is read from now on. @returns whether there was any */
  giveUp(): boolean {
    if (this.#source.held === undefined) return false;
    this.#source.letGo();
    this.#window.shrink();
    return true;
  }

  /** What is stored comes at once from now on. */
  endReplay(): void {
    this.#window.share = undefined;
    // It is what comes next, and not the newest.
    if (this.#latest) this.letGo();
  }

  /** The time of `until` is over: what Redis holds up to there is all that there will be. */
  passUntil(): void {
    this.#progress.passUntil();
    if (this.#source instanceof LiveSource) this.#change(this.#catchUp());
  }

  close(): void {
    this.#source.close();
    this.#context.hub.unfollow(this.#hub, this);
  }

  #live(): Source {
    return new LiveSource(this.#hub, this.#progress, this.countsLosses);
  }

  #catchUp(): Source {
    return new CatchUpSource({
      threads: this.#context.threads,
      hub: this.#hub,
      progress: this.#progress,
      window: this.#window,
      slots: this.#follower.slots,
      listener: this,
      countsLosses: this.countsLosses,
      latest: this.#latest,
    });
  }

  /** The next batch, from the other source where this one has ended. */
  #pull(isNewest: boolean, limit?: string): EntryBatch | undefined {
    while (true) {
      const batch = isNewest ? this.#source.newest(limit) : this.#source.next();
      if (!this.#source.hasEnded) return batch;
      this.#change(this.#source instanceof LiveSource ? this.#catchUp() : this.#live());
    }
  }

  #change(source: Source): void {
    const last = this.#source;
    this.#source = source;
    // Last, since another stream may be read in its place at once.
    last.close();
  }

  #orderedRun(count: number, limit?: string, messages = 1): Run | undefined {
    const batch = this.#pull(false);
    if (batch === undefined) return undefined;
    const { entry: from } = this.#source;
    const { until } = this.#progress;
    if (until !== undefined && compareEntryIds(batch.ids[from]!, until) > 0) {
      this.#progress.finish();
      return undefined;
    }
    const several = messages > 1 && limit === undefined ? smallMessages(batch, from, count) : 1;
    const most = Math.min(from + count * Math.min(several, messages), batch.length);
    const to = limit === undefined ? most : Math.min(most, batch.firstAfter(limit, from));
    if (to === from) return undefined;
    const gap = this.#progress.gapBefore(batch, from);
    // One that ends sooner is not the others' message.
    return { index: this.#index, batch, from, to, isShared: to === most && this.#isShared(batch), gap };
  }

  /** With `latest`: one entry, and what is skipped is no loss. */
  #newestRun(limit: string | undefined): Run | undefined {
    const { until } = this.#progress;
    if (until !== undefined && compareEntryIds(this.#hub.lastId, until) > 0) this.passUntil();
    const batch = this.#pull(true, limit);
    if (batch === undefined) return undefined;
    const { entry: from } = this.#source;
    const gap = this.#progress.gapBeforeNewest(batch.ids[from]!);
    return { index: this.#index, batch, from, to: from + 1, isShared: this.#isShared(batch), gap };
  }

  /** Whether others are about to be sent the same: they are at the newest batch too. */
  #isShared(batch: EntryBatch): boolean {
    return batch === this.#hub.newest && this.#hub.listeners.size > 1;
  }
}

/** How many messages of `count` entries are small together; one at least. */
function smallMessages(batch: EntryBatch, from: number, count: number): number {
  const end = batch.firstBeyond(batch.start(from) + SMALL_BYTES, from);
  const entries = end - from;
  return Math.max(1, end === batch.length ? Math.ceil(entries / count) : Math.floor(entries / count));
}
