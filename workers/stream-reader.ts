/**
 * Follows streams of one server on a connection of its own. It reads with one blocking XREAD, and with many streams those
 * that Redis says have changed; at a node of a cluster each of those by an XREAD of its own.
 *
 * Promises: those of `reader.ts`, for as long as the streams are this server's. One that has gone to another server is
 * handed over by `leave`, and goes on there by `adopt`, where this one had ended.
 */
import type { Redirect } from '../src/redis/cluster/redirect.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { xreadEach, xreadNow } from '../src/redis/stream-reads.js';
import type { RedisTarget } from '../src/redis/target.js';
import { ApartReads } from './apart-reads.js';
import { MOST_BLOCK_MS } from './blocking-reads.js';
import { Deliveries } from './deliveries.js';
import type { Followed, Moving } from './followed.js';
import { FollowedStreams } from './followed-streams.js';
import type { Arrival } from './held-reads.js';
import type { FollowCommand } from './messages.js';
import { ReadRound } from './read-round.js';
import type { Unread } from './read-strategy.js';
import { ReadTimers } from './read-timers.js';
import { ReaderConnection, type TakeReply } from './reader-connection.js';
import { RefusedReads } from './refused-reads.js';
import { StrategyChoice } from './strategy-choice.js';
import { StreamEnds } from './stream-ends.js';
import type { Post, ThreadReader } from './thread-reader.js';
import type { Underway } from './underway.js';

/** A connection that is half-open is known by its silence: a blocked read ends in time. */
const SILENCE_MS = MOST_BLOCK_MS + 2500;
/** Between two rounds of reads that cannot be one. */
const ROUND_MS = 100;
const ASKING = encodeCommand(['ASKING']);

export interface StreamReaderHandler {
  readonly post: Post;
  connected(): void;
  /** @param wasReady whether there had been a connection */
  disconnected(cause: Error, wasReady: boolean): void;
  /** The server does not have the stream. @returns whether the stream has been given to another reader */
  redirected(key: string, redirect: Redirect): boolean;
  /** The server does not have the stream, whose slot is on the way to it: the other server may have it. */
  missing(key: string): void;
}

export class StreamReader implements ThreadReader {
  /** Its streams may not be read together. */
  readonly #isShard: boolean;
  readonly #handler: StreamReaderHandler;
  readonly #streams: FollowedStreams;
  readonly #deliveries: Deliveries;
  readonly #apart: ApartReads;
  readonly #connection: ReaderConnection;
  readonly #ends: StreamEnds;
  readonly #strategy: StrategyChoice;
  readonly #refused: RefusedReads;
  readonly #round: ReadRound;
  #isReading = false;
  /** Keys of the last read. */
  #keys: () => readonly string[] = () => [];
  /** Ms that the next read waits for. */
  #pauseMs = 0;
  readonly #timers = new ReadTimers({
    read: () => this.#read(),
    look: () => {
      if (this.#streams.size > 0) this.#ends.lookSoon();
      return this.#streams.size > 0;
    },
  });

  /** @param underway shared by the readers of the thread */
  constructor(target: RedisTarget, underway: Underway, handler: StreamReaderHandler) {
    const { post } = handler;
    this.#isShard = target.shard !== undefined;
    this.#handler = handler;
    this.#streams = new FollowedStreams(post, (key) => this.#strategy.changed(key));
    const { byKey } = this.#streams;
    this.#deliveries = new Deliveries(this.#streams, underway, this.#ask, post, () => this.#readOn());
    this.#apart = new ApartReads(byKey, (key, failure) => this.#streams.evict(key, failure));
    this.#connection = new ReaderConnection(target, SILENCE_MS, {
      ready: () => this.#ready(),
      push: (cursor) => this.#strategy.current.push(cursor),
      lost: (cause, wasReady) => this.#lost(cause, wasReady),
    });
    this.#ends = new StreamEnds(byKey, this.#ask, !this.#isShard, {
      lost: (end, buffers) => {
        // It may be one of many: where Redis was flushed, all are lost.
        this.#ends.lookSoon();
        post({ type: 'lost', end }, buffers);
      },
      checked: (key) => post({ type: 'checked', key }),
      redirected: (key, redirect) => handler.redirected(key, redirect),
      missing: (key) => handler.missing(key),
    });
    this.#strategy = new StrategyChoice(byKey, this.#ask, target, {
      wake: () => this.#timers.wake(),
      suspect: (key) => this.#ends.suspect(key),
      flushed: () => this.#ends.lookAtAll(),
      demoted: (role) => this.renew(new Error(`the server is no master now: its ROLE is ${role}`)),
    });
    this.#refused = new RefusedReads({
      ask: this.#ask,
      renew: (cause) => this.renew(cause),
      evict: (key, failure) => this.#streams.evict(key, failure),
      readApart: () => this.#apart.begin('refusal'),
      refused: (reason) => post({ type: 'refused', reason }),
      readAgain: (ms) => (ms > 0 ? this.#timers.pause(ms) : this.#read()),
    });
    this.#round = new ReadRound(this.#streams, this.#refused, {
      redirected: (key, redirect) => handler.redirected(key, redirect),
      done: (arrivals, unread) => this.#roundDone(arrivals, unread),
    });
  }

  /** How many streams it follows. */
  get size(): number {
    return this.#streams.size;
  }

  start(): void {
    this.#connection.connect();
  }

  follow(command: FollowCommand): void {
    this.#timers.startLooks();
    if (this.#streams.follow(command, this.#connection.connections)) this.#readSoon();
  }

  unfollow(key: string): void {
    this.#streams.unfollow(key);
    this.#refused.provenAlone(key);
  }

  count(key: string, isCounted: boolean): void {
    this.#streams.count(key, isCounted);
  }

  check(key: string): void {
    this.#ends.want(key);
    this.#readSoon();
  }

  readOn(): void {
    this.#read();
  }

  /** Takes a stream over from another reader. @param asks its slot is on the way to this server */
  adopt({ followed, isWanted }: Moving, asks: boolean): void {
    const { key } = followed;
    this.#timers.startLooks();
    this.#streams.adopt(followed, asks);
    this.#deliveries.adopt(followed);
    this.#ends.suspect(key);
    if (isWanted) this.#ends.want(key);
    this.#readSoon();
  }

  /** Gives a stream up to another reader. @returns undefined where that must wait, as entries of its wait to go to main */
  leave(key: string): Moving | undefined {
    const followed = this.#streams.byKey.get(key);
    if (followed === undefined || this.#deliveries.isHolding) return undefined;
    this.unfollow(key);
    return { followed, isWanted: this.#ends.forget(key) };
  }

  /** The slot of the stream has come to this server. */
  arrived(key: string): void {
    const followed = this.#streams.byKey.get(key);
    if (followed !== undefined) followed.asks = false;
  }

  /** Reads the stream, and looks at its end, though nothing is known to have changed. */
  review(key: string): void {
    this.#strategy.changed(key);
    this.#ends.suspect(key);
    this.#readSoon();
  }

  /** Ends the connection, and makes another. */
  renew(cause: Error): void {
    this.#connection.renew(cause);
  }

  close(): void {
    // What is counted as under way must reach main, though it may not be followed any more.
    this.#deliveries.lost();
    this.#strategy.close();
    this.#timers.close();
    this.#connection.close();
  }

  #ready(): void {
    this.#ends.connected(this.#connection.connections);
    this.#handler.connected();
    this.#read();
  }

  #lost(cause: Error, wasReady: boolean): void {
    this.#handler.disconnected(cause, wasReady);
    this.#deliveries.lost();
    this.#apart.lost(wasReady && this.#isReading);
    this.#isReading = false;
    this.#strategy.lost();
    this.#round.lost();
    this.#refused.lost();
    this.#timers.endPause();
  }

  readonly #ask = (command: Buffer, take: TakeReply, key?: string): void => {
    if (this.#isShard && key !== undefined && this.#streams.byKey.get(key)?.asks) {
      this.#connection.ask(ASKING, (reply) => reply.skip());
    }
    this.#connection.ask(command, take);
    // It would wait behind the read.
    if (this.#isReading) this.#interrupt();
  };

  /** Has the next read take notice of what has changed. */
  #readSoon(): void {
    if (this.#isReading) this.#interrupt();
    else this.#read();
  }

  #interrupt(): void {
    const { clientId } = this.#connection;
    if (clientId !== undefined) this.#strategy.current.interrupt(clientId);
  }

  /** Sends the next read, unless one is under way or something else must come first. */
  #read(): void {
    const mustWait =
      this.#isReading ||
      this.#refused.isSearching ||
      this.#strategy.isChanging ||
      this.#connection.clientId === undefined ||
      this.#timers.isPausing ||
      this.#deliveries.mustWait;
    if (mustWait) return;
    this.#strategy.review(() => this.#read());
    if (this.#strategy.isChanging) return;
    if (this.#apart.reason !== undefined && this.#readApart()) return;
    const { size } = this.#deliveries;
    if (this.#ends.isDue) {
      this.#deliveries.recount();
      this.#ends.look(size.entryBytes, this.#strategy.isTold);
    }
    const read = this.#strategy.current.next(size);
    if (read === undefined) return;
    this.#keys = read.keys;
    if (read.apart === undefined) this.#connection.expect(this.#takeRead);
    else this.#round.begin(read.apart, size.count, this.#expect);
    const guards = this.#deliveries.guards(read.likely, this.#expect);
    this.#isReading = true;
    this.#streams.began();
    this.#connection.write([...read.command, ...guards]);
  }

  /** Sends the next read of few streams. @returns false once all were read */
  #readApart(): boolean {
    const group = this.#apart.next();
    if (group !== undefined) {
      this.#sendApart(group);
      return true;
    }
    if (this.#apart.reason === 'drops') {
      this.#apart.end();
      this.#deliveries.size.shrink();
      return false;
    }
    // For as long as the connection lasts.
    this.#apart.begin('refusal');
    this.#timers.pause(ROUND_MS);
    return true;
  }

  #sendApart(group: readonly Followed[]): void {
    // What Redis closes the connection over may be a single entry.
    const count = this.#apart.reason === 'drops' ? 1 : this.#deliveries.size.count;
    this.#isReading = true;
    this.#streams.began();
    this.#deliveries.noGuards();
    this.#keys = () => [...this.#streams.byKey.keys()];
    if (this.#isShard) {
      this.#round.begin(group, count, this.#expect);
      this.#connection.write([xreadEach(group, count)]);
      return;
    }
    this.#connection.ask(xreadNow(group, count), (reply) => {
      this.#apart.done();
      this.#takeRead(reply);
    });
  }

  readonly #expect = (take: TakeReply): void => this.#connection.expect(take);

  readonly #takeRead = (reply: ReplyCursor): void => {
    this.#isReading = false;
    this.#strategy.current.ended();
    this.#deliveries.readAnswered();
    if (reply.isError) {
      this.#strategy.current.failed();
      this.#refused.refused(reply.text(), this.#keys());
    } else this.#readDone(reply);
  };

  #readDone(reply: ReplyCursor): void {
    this.#refused.proven();
    this.#answered(this.#streams.takeRead(reply, this.#deliveries.size.count));
  }

  #roundDone(arrivals: readonly Arrival[], unread: Unread): void {
    this.#isReading = false;
    this.#strategy.current.ended();
    this.#deliveries.readAnswered();
    this.#apart.done();
    this.#answered(arrivals, unread);
  }

  #answered(arrivals: readonly Arrival[], unread?: Unread): void {
    this.#apart.proven();
    this.#connection.proven();
    this.#pauseMs = this.#strategy.current.answered(arrivals, unread);
    this.#deliveries.take(arrivals, this.#connection.connections);
    // What is asked of these entries must not wait behind the next read.
    if (!this.#deliveries.owesAnswers) this.#readOn();
  }

  #readOn(): void {
    if (this.#pauseMs > 0) this.#timers.pause(this.#pauseMs);
    else this.#read();
  }
}
