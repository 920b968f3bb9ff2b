/**
 * What reads brought, from the reply to main: it is asked whether entries before it are missing, the cursors move on, and
 * the next read waits for answers that must come before it.
 */
import type { ReplyCursor } from '../src/redis/resp.js';
import type { Ask, Followed } from './followed.js';
import type { FollowedStreams } from './followed-streams.js';
import { type Arrival, HeldReads } from './held-reads.js';
import { LossCheck } from './loss-check.js';
import { ReadSize } from './read-size.js';
import type { Post } from './thread-reader.js';
import type { Underway } from './underway.js';

export class Deliveries {
  readonly size = new ReadSize();
  readonly #streams: FollowedStreams;
  readonly #underway: Underway;
  readonly #losses: LossCheck;
  readonly #held: HeldReads;
  readonly #settled: () => void;
  /** Replies that must come before the next read is sent. */
  #guards = 0;

  /** @param settled is called once the next read need not wait any longer */
  constructor(streams: FollowedStreams, underway: Underway, ask: Ask, post: Post, settled: () => void) {
    this.#streams = streams;
    this.#underway = underway;
    this.#losses = new LossCheck(streams.byKey, ask);
    this.#held = new HeldReads(this.#losses, post);
    this.#settled = settled;
  }

  /** The next read must wait: for answers, or until main has taken in what is under way. */
  get mustWait(): boolean {
    return this.#guards > 0 || this.#underway.isFull;
  }

  /** Replies must come before the next read. */
  get owesAnswers(): boolean {
    return this.#guards > 0;
  }

  /** Entries wait for answers: their streams cannot be given up before. */
  get isHolding(): boolean {
    return this.#held.isHolding;
  }

  /** A stream comes from another reader. */
  adopt(followed: Followed): void {
    this.#losses.adopt(followed);
  }

  /** Counts what was not counted. To be called between two reads. */
  recount(): void {
    this.#losses.recount();
  }

  /** Questions to send right behind a read; see `LossCheck.guards`. */
  guards(likely: readonly string[] | undefined, expect: (take: (reply: ReplyCursor) => void) => void) {
    return this.#losses.guards(likely, expect, this.#answered);
  }

  /** The next read has no questions along with it. */
  noGuards(): void {
    this.#losses.noGuards();
  }

  /** A read was answered, and the replies to its `guards` follow. */
  readAnswered(): void {
    this.#guards = this.#losses.guardCount;
  }

  /** @param connection the number of the connection that was read */
  take(arrivals: readonly Arrival[], connection: number): void {
    if (arrivals.length === 0) return;
    this.#guards += this.#held.take(arrivals, connection, this.#answered);
    // Nothing may go wrong any more: what a cursor has passed is not read again.
    this.#streams.moveOn(arrivals, connection);
    const entries = arrivals.reduce((sum, { step }) => sum + step.entries, 0);
    const bytes = arrivals.reduce((sum, { step }) => sum + step.bytes, 0);
    this.size.learn(bytes, entries);
    this.#underway.bytes += bytes;
  }

  /** To be called when the connection is lost. */
  lost(): void {
    this.#held.lost();
    this.#losses.lost();
    this.#guards = 0;
  }

  readonly #answered = (): void => {
    this.#guards--;
    if (this.#guards === 0) this.#settled();
  };
}
