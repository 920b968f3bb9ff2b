/**
 * Reads of streams that may not be read together: one XREAD for each, all written at once. The round is over with the
 * last reply; until then what the others brought is kept, so that it goes to main as one message.
 */
import { type Redirect, readRedirect } from '../src/redis/cluster/redirect.js';
import type { ReplyCursor } from '../src/redis/resp.js';
import { SHARED_BELOW_BYTES } from '../src/redis/stream-reads.js';
import type { Followed } from './followed.js';
import type { FollowedStreams } from './followed-streams.js';
import type { Arrival } from './held-reads.js';
import type { Unread } from './read-strategy.js';
import type { TakeReply } from './reader-connection.js';
import type { RefusedReads } from './refused-reads.js';

/** Memory for small payloads, to begin with and to keep between rounds. */
const FIRST_BYTES = 64 * 1024;
const KEPT_BYTES = 1024 * 1024;

export interface ReadRoundHandler {
  /** @returns whether the stream has gone to another reader */
  redirected(key: string, redirect: Redirect): boolean;
  done(arrivals: readonly Arrival[], unread: Unread): void;
}

const skip: TakeReply = (reply) => reply.skip();

export class ReadRound {
  readonly #streams: FollowedStreams;
  readonly #refused: RefusedReads;
  readonly #handler: ReadRoundHandler;
  #arrivals: Arrival[] = [];
  #unread = new Set<Followed>();
  /** Replies that are still to come. */
  #open = 0;
  #count = 0;
  #memory = Buffer.allocUnsafe(FIRST_BYTES);
  #used = 0;

  constructor(streams: FollowedStreams, refused: RefusedReads, handler: ReadRoundHandler) {
    this.#streams = streams;
    this.#refused = refused;
    this.#handler = handler;
  }

  /**
   * A round is about to be written.
   * @param count COUNT of the reads @param expect says who takes the reply to each
   */
  begin(reading: readonly Followed[], count: number, expect: (take: TakeReply) => void): void {
    this.#open = reading.length;
    this.#count = count;
    for (const followed of reading) {
      // ASKING comes first.
      if (followed.asks) expect(skip);
      expect((reply) => this.#take(reply, followed));
    }
  }

  /** To be called when the connection is lost. */
  lost(): void {
    this.#open = 0;
    this.#clear();
  }

  #take(reply: ReplyCursor, followed: Followed): void {
    if (!this.#isCurrent(followed)) reply.skip();
    else if (reply.isError) this.#refuse(reply.text(), followed);
    else {
      this.#refused.provenAlone(followed.key);
      for (const arrival of this.#streams.takeRead(reply, this.#count)) {
        this.#keep(arrival);
        this.#arrivals.push(arrival);
      }
    }
    // The connection may have been given up over it.
    if (this.#open > 0 && --this.#open === 0) this.#finish();
  }

  #refuse(error: string, followed: Followed): void {
    const { key } = followed;
    const redirect = readRedirect(error);
    const isUnread =
      redirect === undefined
        ? this.#refused.refusedAlone(error, key)
        : !this.#handler.redirected(key, redirect);
    if (isUnread) this.#unread.add(followed);
  }

  #finish(): void {
    // Some may have gone to another reader meanwhile, which reads on from where their cursors are.
    const arrivals = this.#arrivals.filter(({ step }) => this.#isCurrent(step.followed));
    const streams = this.#unread;
    const againMs = streams.size > 0 ? this.#refused.nextRetry() : 0;
    this.#clear();
    this.#handler.done(arrivals, { streams, againMs });
  }

  #clear(): void {
    this.#arrivals = [];
    this.#unread = new Set();
    this.#used = 0;
    if (this.#memory.length > KEPT_BYTES) this.#memory = Buffer.allocUnsafe(FIRST_BYTES);
  }

  /** Copies the payloads, which are views into the reply: large ones to where they go to main from. */
  #keep({ read }: Arrival): void {
    const { payloads, bytes } = read;
    const isLarge = bytes >= SHARED_BELOW_BYTES;
    let memory: Uint8Array = this.#memory;
    let at = this.#used;
    if (isLarge) {
      read.own = new ArrayBuffer(bytes);
      memory = new Uint8Array(read.own);
      at = 0;
    } else if (at + bytes > memory.length) {
      // Those before keep theirs.
      this.#memory = Buffer.allocUnsafe(2 * memory.length);
      memory = this.#memory;
      at = 0;
    }
    payloads.forEach((payload, index) => {
      memory.set(payload, at);
      payloads[index] = memory.subarray(at, at + payload.length);
      at += payload.length;
    });
    if (!isLarge) this.#used = at;
  }

  #isCurrent(followed: Followed): boolean {
    return this.#streams.byKey.get(followed.key) === followed;
  }
}
