/**
 * What is known of a stream that is written to here and followed here: whether its entries of ours follow one another,
 * with nothing of others in between.
 */
import { encodeCommand } from '../redis/resp.js';
import type { StreamFeed } from './stream-feed.js';

/** After Redis refused to have the stream in a transaction, its entries are written without for so long. */
const REFUSED_MS = 60_000;
/** So it is with one that others have changed so often, each time within `CHANGES_MS` of the last. */
const MANY_CHANGES = 4;
const CHANGES_MS = 1000;
const SHARED_MS = 5000;

export class StreamProof {
  readonly #key: string;
  #feed: StreamFeed | undefined;
  #lengthCommand: Buffer | undefined;
  #leftOutUntil = 0;
  #changes = 0;
  #changedAt = Number.NEGATIVE_INFINITY;
  #breaks = 0;
  /**
   * An entry after which nothing was in the stream when Redis ended the last transaction with entries of it, and since
   * then nobody else has changed it; undefined where that is not known.
   */
  end: string | undefined;
  /** Whether nothing was there after it and removed again, either. */
  isExact = false;
  /** Transactions with entries of it that are not answered. */
  underway = 0;

  constructor(key: string) {
    this.#key = key;
  }

  /** Who is given each entry as soon as it is stored. */
  get feed(): StreamFeed | undefined {
    return this.#feed;
  }

  set feed(feed: StreamFeed | undefined) {
    this.#feed = feed;
    this.end = undefined;
    this.#breaks++;
  }

  /** How often anything was written after which a transaction that was written before proves nothing of the next. */
  get breaks(): number {
    return this.#breaks;
  }

  /** Whether its entries are to be stored in a transaction. */
  get isWanted(): boolean {
    return this.#feed !== undefined && (this.#leftOutUntil === 0 || performance.now() > this.#leftOutUntil);
  }

  /** The command by which Redis tells of the next change by others. */
  get lengthCommand(): Buffer {
    this.#lengthCommand ??= encodeCommand(['XLEN', this.#key]);
    return this.#lengthCommand;
  }

  /** Entries of it are written that no transaction accounts for: Redis forgets it silently then. */
  writtenApart(): void {
    this.#breaks++;
    this.lost();
  }

  /** Redis refuses to have it in a transaction. */
  refused(): void {
    this.#leaveOut(REFUSED_MS);
  }

  /** Others have changed the stream. */
  changedByOthers(): void {
    this.lost();
    const now = performance.now();
    this.#changes = now - this.#changedAt < CHANGES_MS ? this.#changes + 1 : 1;
    this.#changedAt = now;
    if (this.#changes >= MANY_CHANGES) this.#leaveOut(SHARED_MS);
  }

  /** It is not known any more whether others have changed it. */
  lost(): void {
    this.end = undefined;
    this.#feed?.changedByOthers();
  }

  #leaveOut(ms: number): void {
    this.#leftOutUntil = performance.now() + ms;
    this.end = undefined;
  }
}
