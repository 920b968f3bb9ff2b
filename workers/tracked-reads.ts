/**
 * Reads of the streams that have changed, which Redis tells of: it remembers each key that this connection has read
 * (`CLIENT TRACKING ON`) and sends one notice when it changes next. So streams without entries cost nothing, however
 * many there are.
 *
 * Notices and replies are taken in the order in which they come, at once: a notice before a reply is of a change that
 * the read has seen, one behind it is of a later change.
 *
 * Redis does not tell of everything, and something between may swallow what it tells, so each stream is read again now
 * and then. A refused read is not remembered by Redis: its streams are read again until they are.
 */
import { readInvalidation } from '../src/redis/invalidations.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { xreadEach, xreadNow } from '../src/redis/stream-reads.js';
import { ChangedStreams } from './changed-streams.js';
import type { Ask, Followed } from './followed.js';
import type { Arrival } from './held-reads.js';
import { ReadPace } from './read-pace.js';
import type { ReadSize } from './read-size.js';
import type { ReadStrategy, StreamsRead, Unread } from './read-strategy.js';

/** Each stream is read again in so much time, with room for timers that are late: 10 s are promised. */
const SWEEP_MS = 8000;
/** A part of the streams at a time. */
const SWEEP_STEP_MS = 100;
/** Streams whose notices brought nothing are looked through so often for those that may be read again. */
const RELEASE_MS = 10;
/** Redis tells of all keys when any database is flushed; all are read again at most so often. */
const ALL_AGAIN_MS = 1000;
/** An idle connection is asked something so often: `timeout` closes it otherwise, and a half-open one is noticed. */
const WATCH_MS = 1000;

/** What is asked. */
export interface ReadServer {
  /** Another server may become the master. */
  readonly mayMove: boolean;
  /** It is a node of a cluster: streams of several slots may not be read together. */
  readonly isShard: boolean;
}

export interface TrackedReadsHandler {
  /** There is something to read. */
  wake(): void;
  /** A read after a notice brought nothing: the stream may have been deleted, or made anew. */
  suspect(key: string): void;
  /** All keys have changed at once. */
  flushed(): void;
  /** The server is no master any more: it sends notices nevertheless. */
  demoted(role: string): void;
}

/** A stream of a read, as it was when that was sent, and whether Redis told of a change. */
interface Reading {
  readonly followed: Followed;
  readonly wasNoticed: boolean;
}

export class TrackedReads implements ReadStrategy {
  readonly #followed: ReadonlyMap<string, Followed>;
  readonly #ask: Ask;
  readonly #server: ReadServer;
  readonly #handler: TrackedReadsHandler;
  readonly #changed = new ChangedStreams();
  readonly #pace = new ReadPace();
  /** The streams of the read under way. */
  #reading: readonly Reading[] = [];
  #rotation: Iterator<string>;
  #allReadAt = Number.NEGATIVE_INFINITY;
  #areAllDue = false;
  #isOn = false;
  /** What was asked by `watch` has no answer yet. */
  #isWatching = false;
  #timers: NodeJS.Timeout[] = [];
  #releaseTimer: NodeJS.Timeout | undefined;

  constructor(
    followed: ReadonlyMap<string, Followed>,
    ask: Ask,
    server: ReadServer,
    handler: TrackedReadsHandler,
  ) {
    this.#followed = followed;
    this.#ask = ask;
    this.#server = server;
    this.#handler = handler;
    this.#rotation = followed.keys();
  }

  /** The connection tracks what it reads from now on. */
  begin(): void {
    this.close();
    this.#isOn = true;
    this.#reading = [];
    this.#readAll();
    this.#timers = [
      setInterval(() => this.#sweep(), SWEEP_STEP_MS),
      setInterval(() => this.#watch(), WATCH_MS),
    ];
  }

  next(size: ReadSize): StreamsRead | undefined {
    const reading: Reading[] = [];
    this.#reading = reading;
    for (const [key, wasNoticed] of this.#changed.next(size.streams)) {
      const followed = this.#followed.get(key);
      // Of a stream whose end is lost nothing is read before it is followed anew.
      if (followed === undefined || followed.isLost) this.#changed.delete(key);
      else reading.push({ followed, wasNoticed });
    }
    if (reading.length === 0) return this.#changed.size === 0 ? undefined : this.next(size);
    size.settle(reading.length);
    const cursors = reading.map(({ followed }) => followed);
    const likely = reading.filter(({ followed, wasNoticed }) => wasNoticed && followed.isCounted);
    const { isShard } = this.#server;
    return {
      command: [isShard ? xreadEach(cursors, size.count) : xreadNow(cursors, size.count)],
      apart: isShard ? cursors : undefined,
      keys: () => cursors.map(({ key }) => key),
      likely: likely.map(({ followed }) => followed.key),
    };
  }

  answered(arrivals: readonly Arrival[], unread?: Unread): number {
    const now = performance.now();
    const full = new Map(arrivals.map(({ step }) => [step.followed, step.isFull]));
    for (const { followed, wasNoticed } of this.#reading) {
      const { key } = followed;
      const isFull = full.get(followed);
      // Followed anew meanwhile: not yet read from there.
      if (this.#followed.get(key) !== followed) continue;
      if (unread?.streams.has(followed)) {
        this.#changed.later(key, now + unread.againMs);
        continue;
      }
      const brought = isFull === undefined ? 'none' : isFull ? 'full' : 'some';
      this.#changed.read(key, brought, wasNoticed, now);
      if (wasNoticed && isFull === undefined) this.#handler.suspect(key);
    }
    if (this.#changed.hasDelayed) this.#releaseSoon();
    return this.#pace.count(now);
  }

  /** They were not taken out of the changed ones. */
  failed(): void {}

  changed(key: string): void {
    if (!this.#isOn) return;
    this.#changed.delete(key);
    if (this.#followed.has(key)) this.#changed.add(key);
  }

  /** A tracked read ends by itself. */
  interrupt(): void {}

  ended(): void {}

  push(cursor: ReplyCursor): void {
    if (!this.#isOn) return;
    const now = performance.now();
    for (const key of readInvalidation(cursor)) {
      if (key === undefined) this.#flushed();
      else if (this.#followed.has(key)) this.#changed.noticed(key, now);
    }
    if (this.#changed.size > 0) this.#handler.wake();
    if (this.#changed.hasDelayed) this.#releaseSoon();
  }

  close(): void {
    this.#isOn = false;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#releaseTimer);
    this.#releaseTimer = undefined;
    this.#changed.clear();
    this.#isWatching = false;
  }

  #readAll(): void {
    this.#areAllDue = false;
    this.#allReadAt = performance.now();
    for (const key of this.#followed.keys()) this.#changed.add(key);
    this.#handler.wake();
  }

  #flushed(): void {
    this.#handler.flushed();
    this.#areAllDue = true;
    this.#readAllIfDue();
  }

  #readAllIfDue(): void {
    if (this.#areAllDue && performance.now() - this.#allReadAt >= ALL_AGAIN_MS) this.#readAll();
  }

  #sweep(): void {
    this.#readAllIfDue();
    for (let left = Math.ceil((this.#followed.size * SWEEP_STEP_MS) / SWEEP_MS); left > 0; left--) {
      const { value, done } = this.#rotation.next();
      if (done) {
        this.#rotation = this.#followed.keys();
        break;
      }
      this.#changed.add(value);
    }
    if (this.#changed.size > 0) this.#handler.wake();
  }

  #releaseSoon(): void {
    this.#releaseTimer ??= setTimeout(() => {
      this.#releaseTimer = undefined;
      this.#changed.release(performance.now());
      if (this.#changed.size > 0) this.#handler.wake();
      if (this.#changed.hasDelayed) this.#releaseSoon();
    }, RELEASE_MS);
  }

  #watch(): void {
    // What is written to a connection makes it look alive, so no more is written to one that does not answer.
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#ask(encodeCommand([this.#server.mayMove ? 'ROLE' : 'PING']), (reply) => {
      this.#isWatching = false;
      if (!this.#server.mayMove || reply.isError) return;
      // An array whose first element is the role.
      reply.array();
      const role = reply.text();
      if (role !== 'master') this.#handler.demoted(role);
    });
  }
}
