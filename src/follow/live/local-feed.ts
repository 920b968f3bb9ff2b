/**
 * A followed stream's entries that this gateway stored itself: its followers have them once Redis has acknowledged
 * them, without their being read.
 *
 *     Redis    … | H | a b c | d e | f |            H: the last entry that the followers have
 *     reader           a b                           what lies behind its cursor
 *     ours             `after H: a b c` `after c: d e`
 *
 * Each batch, of either, says after which entry it begins, and that Redis held nothing in between. So whatever of it lies
 * behind the followers' last entry is taken in, the rest is passed over, and a batch that begins later waits until the
 * reader has come there. While entries of ours are under way, what the reader brings waits for them: in a burst the reader
 * may find older ones trimmed already.
 *
 * Where all comes from here, the reader leaves the stream alone, until others change it or nothing is stored for a while.
 */
import type { StreamFeed } from '../../append/stream-feed.js';
import { EntryBatch, type PackedBatch } from '../../protocol/batch.js';
import { compareEntryIds } from '../../protocol/entry-id.js';
import type { HubStream } from './hub-stream.js';
import { LateLosses } from './late-losses.js';
import { WaitingBatches } from './waiting-batches.js';

/** The reader leaves a stream alone after so many batches in a row … */
const RUN_BATCHES = 4;
/** … that came within this time. */
const RUN_MS = 1000;
/** It takes a stream on again where nothing was stored for so long: a connection may be dead without a sign. */
const QUIET_MS = 1000;
/** And now and then in any case: some changes are not told, such as SWAPDB. */
const LONGEST_PAUSE_MS = 10_000;
/** What the feed does to its stream. */
export interface FeedTarget {
  readonly stream: HubStream;
  /** Somebody wants to know of losses. */
  readonly isCounted: boolean;
  /** Takes in a batch, of which some may be there already. */
  take(batch: EntryBatch, isCounted: boolean): void;
  /** It was just now taken in by itself. */
  tookWithoutReading(batch: EntryBatch): void;
  /** The reader is to leave the stream alone, or to take it on again. */
  pauseReader(): void;
  resumeReader(): void;
}

export class LocalFeed implements StreamFeed {
  readonly #target: FeedTarget;
  /** Those that begin after what was read so far, oldest first. */
  readonly #ours = new WaitingBatches();
  /** What the reader brought meanwhile. */
  readonly #read = new WaitingBatches();
  readonly #losses = new LateLosses();
  /** Writes that are not answered. */
  #underway = 0;
  /** The last write that was answered did not follow on what was there before. */
  #isApart = false;
  #hasStored = false;
  #run = 0;
  #runSince = 0;
  #storedAt = 0;
  #pausedAt = 0;
  /** The reader leaves the stream alone. */
  isPaused = false;

  constructor(target: FeedTarget) {
    this.#target = target;
  }

  get lastId(): string {
    return this.#target.stream.lastId;
  }

  get isCounted(): boolean {
    return this.#target.isCounted;
  }

  get entryBytes(): number {
    return this.#target.stream.entryBytes;
  }

  written(): void {
    this.#underway++;
  }

  answered(): void {
    this.#isApart = !this.#hasStored;
    this.#hasStored = false;
    this.#underway--;
    if (this.#underway === 0 || this.#isApart) this.#takeRead();
    if (this.#isApart) this.resume();
  }

  stored(packed: PackedBatch, isCounted: boolean): void {
    const batch = new EntryBatch(packed);
    this.#hasStored = true;
    this.#losses.proven(batch, isCounted);
    if (compareEntryIds(batch.after, this.lastId) > 0) {
      this.#ours.add(batch, isCounted);
      // The reader will bring them, if Redis still holds them then.
      while (this.#ours.areMany) this.#ours.shift();
      return;
    }
    this.#take(batch, isCounted);
    this.#target.tookWithoutReading(batch);
    for (const read of this.#read.dropUpTo(this.lastId)) this.#passOver(read.batch, read.isCounted);
    this.#countRun();
  }

  changedByOthers(): void {
    this.#isApart = true;
    this.#run = 0;
    this.#takeRead();
    this.resume();
  }

  /** The reader has brought a batch. */
  read(batch: EntryBatch, isCounted: boolean): void {
    const mayComeFromHere = this.#underway > 0 && !this.#isApart && this.#ours.isEmpty;
    if (!mayComeFromHere || this.#read.areMany) this.#takeRead();
    if (mayComeFromHere) this.#read.add(batch, isCounted);
    else this.#takeOf(batch, isCounted);
  }

  #takeRead(): void {
    for (let next = this.#read.shift(); next !== undefined; next = this.#read.shift()) {
      this.#takeOf(next.batch, next.isCounted);
    }
  }

  /** Takes in what the reader brought, and what is ours around it. */
  #takeOf(batch: EntryBatch, isCounted: boolean): void {
    const [first] = batch.ids;
    for (let ours = this.#ours.first; ours !== undefined; ours = this.#ours.first) {
      // The reader came too late for what lay before them.
      if (compareEntryIds(ours.batch.after, first!) >= 0) break;
      this.#ours.shift();
      const isNext = compareEntryIds(ours.batch.after, this.lastId) <= 0;
      const joined = isNext ? ours.batch : ours.batch.rightAfter(this.lastId, batch);
      this.#take(joined, isNext ? ours.isCounted : isCounted);
    }
    if (compareEntryIds(batch.lastId, this.lastId) > 0) this.#take(batch, isCounted);
    else this.#passOver(batch, isCounted);
    for (let ours = this.#ours.first; ours !== undefined; ours = this.#ours.first) {
      if (compareEntryIds(ours.batch.after, this.lastId) > 0) return;
      this.#ours.shift();
      this.#take(ours.batch, ours.isCounted);
    }
  }

  /** What is not counted goes to nobody who wants to know of losses. */
  #take(batch: EntryBatch, isCounted: boolean): void {
    const isNew = compareEntryIds(batch.lastId, this.lastId) > 0;
    if (isNew) this.#target.take(isCounted ? this.#losses.tellWith(batch) : batch, isCounted);
  }

  #passOver(batch: EntryBatch, isCounted: boolean): void {
    if (isCounted && this.isCounted) this.#losses.passedOver(batch);
  }

  /** The stream is not what it was. */
  reset(): void {
    this.#ours.clear();
    this.#read.clear();
    this.#losses.clear();
    this.#run = 0;
    this.isPaused = false;
  }

  /** To be called now and then while the reader leaves the stream alone. @param now by `performance.now` */
  look(now: number): void {
    if (now - this.#storedAt > QUIET_MS || now - this.#pausedAt > LONGEST_PAUSE_MS) this.resume();
  }

  /** Has the reader take the stream on, if it does not read it. */
  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#run = 0;
    this.#target.resumeReader();
  }

  #pause(): void {
    this.isPaused = true;
    this.#pausedAt = performance.now();
    this.#target.pauseReader();
  }

  #countRun(): void {
    this.#storedAt = performance.now();
    if (this.#run++ === 0) this.#runSince = this.#storedAt;
    // Where losses count, the reader may have some that it has not found yet.
    if (this.isPaused || this.isCounted || this.#run < RUN_BATCHES) return;
    if (this.#storedAt - this.#runSince < RUN_MS) this.#pause();
    else this.#run = 0;
  }
}
