/**
 * The way of entries into Redis: one connection, XADDs pipelined, flushed once a turn of the loop.
 *
 * Promises:
 * - Order: entries are stored in the order of `append`, all streams and producers together.
 * - Each entry's receipt is told once, after Redis answered that XADD, or when the entry is given up.
 * - A lost connection: before anything is sent on the next one, Redis is made to end the old one, and
 *   entries without an answer are looked for in their streams. What is found is told to be stored, what is
 *   not there is sent again, in order, before all that is newer. What cannot be known is refused with
 *   `unknown_outcome`, or sent again where the receipt says so.
 * - A deadline: if for `maxOutageMs` Redis answers no entry, whether it is away or closes every connection, all that
 *   waits is given up: what Redis may have with `unknown_outcome`, what it cannot have with `redis_unavailable`.
 *   New entries are refused at once, until it is back.
 * - Isolation: what is sent again goes out alone at first, and an entry on which Redis closes the connection again and
 *   again is refused.
 * - Bounded: beyond what the budget has left, entries are refused.
 *
 * In a cluster each shard has a pipe, and an entry of which the server says that it has no part is given back
 * (`sharded.ts`).
 *
 * More than 300 lines: an entry is taken, sent, answered, lost, looked for and given up by one set of counters, which
 * two files would both have to change.
 */
import { Failure } from '../protocol/errors.js';
import { failureFromRedis } from '../redis/error-replies.js';
import { bulkReply, encodeCommand, type ReplyCursor } from '../redis/resp.js';
import type { Histogram } from '../system/histogram.js';
import { AppendConnection, type AppendConnectionOptions } from './append-connection.js';
import type { Receipt, Unanswered } from './batch.js';
import { type AppendBudget, overloaded } from './budget.js';
import type { AppendStream } from './command.js';
import type { Introduction } from './introduction.js';
import type { Asking } from './questions.js';
import { AppendQueue } from './queue.js';
import { fence } from './recovery/fence.js';
import type { Fate } from './recovery/matching.js';
import { findFates } from './recovery/recovery.js';
import { Suspects } from './recovery/suspects.js';
import { encodeStreamCount, readStreamCount } from './stream-count.js';
import type { StreamFeed } from './stream-feed.js';
import { AppendStreams } from './streams.js';

/**
 * A turn's commands are sent before its end once they are this many bytes: less than what the kernel holds
 * for a Unix socket, or Redis would run out of work in a turn of many. Measured: a sixth faster than 256 KiB.
 */
const FLUSH_BYTES = 64 * 1024;
/** Errors of a node of a cluster after which an entry may be sent again, there or to another. */
const NOT_HERE = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|READONLY|MASTERDOWN)\b/;
/** Those of a server that is not the master any more. */
const DEMOTED = /^(READONLY|MASTERDOWN)\b/;
const PING = encodeCommand(['PING']);
/** Errors of a server that is not, or no longer, the one to write to. */
const NOT_THE_MASTER = /^(READONLY|MASTERDOWN|CLUSTERDOWN)\b/;

export interface AppendPipeOptions extends AppendConnectionOptions {
  readonly budget: AppendBudget;
  /** About how many entries every append leaves its stream. */
  readonly maxLength: number;
  /** Followers here of streams that may be written to, by key. */
  readonly feeds?: ReadonlyMap<string, StreamFeed>;
  /** What is different where the server has a part of the streams. */
  readonly shard?: ShardRole;
}

/** What a pipe needs of the others of its cluster. */
export interface ShardRole {
  /** Those of all shards together. */
  readonly streams: AppendStreams;
  /**
   * The server has not carried out an entry, and will not: the stream is elsewhere, or not served now.
   * @param error of the server, which begins with one of `NOT_HERE`
   */
  elsewhere(entry: Unanswered, error: string): void;
  /** Where to ask about a stream, which may be elsewhere by now. */
  askingOf(key: string, asking: Asking): Asking;
}

/** A connection that was lost while Redis owed answers on it. */
interface LostConnection {
  readonly begun: Introduction;
  /** When the first entry without an answer was written at the earliest, by `performance.now`. */
  readonly writtenAt: number;
  readonly lostAt: number;
}

export class AppendPipe {
  readonly #options: AppendPipeOptions;
  /** The streams that are written to through this pipe. */
  readonly streams: AppendStreams;
  readonly #queue = new AppendQueue(() => this.#flush());
  readonly #connection: AppendConnection;
  /** What an earlier connection may have carried to Redis: older than all in the queue. */
  #uncertain: readonly Unanswered[] = [];
  /** What it did not carry there whole: older than the queue, too. */
  #unsent: Unanswered[] = [];
  readonly #suspects = new Suspects();
  /** That connection, until it is certain that it carries no more. */
  #lost: LostConnection | undefined;
  #bufferedBytes = 0;
  #unflushedBytes = 0;
  #isFlushScheduled = false;
  #isFenceMissed = false;
  /** Why entries are refused at once; undefined while they are taken. */
  #outage: Failure | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(options: AppendPipeOptions) {
    this.#options = options;
    this.streams = options.shard?.streams ?? new AppendStreams(options.maxLength, options.feeds);
    this.#connection = new AppendConnection(options, {
      owesAnswers: () => this.#queue.isWritten,
      isIdle: () => this.#bufferedBytes === 0,
      prepare: (asking, now) => this.#prepare(asking, now),
      opened: () => {
        this.#outage = undefined;
        this.#flush();
      },
      reply: (cursor) => this.#reply(cursor),
      changed: (key) => this.#changedByOthers(key),
      lost: (begun, takenBytes) => this.#connectionLost(begun, takenBytes),
      unreachable: () => this.#giveUp(new Failure('redis_unavailable', 'Redis cannot be reached')),
    });
  }

  get isReady(): boolean {
    return this.#connection.isOpen;
  }

  /** The pipes that entries are written by: this alone. */
  get pipes(): readonly AppendPipe[] {
    return [this];
  }

  /** Seconds until entries were answered: one of each batch. */
  get latency(): Histogram {
    return this.#queue.latency;
  }

  /** Connections lost since the start. */
  get disconnects(): number {
    return this.#connection.disconnects;
  }

  /** Bytes of commands that Redis has not answered: this pipe's share of the budget that is used. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * Takes one entry to store; `payload` is copied before this returns.
   * The receipt is told later, or within the call where the entry cannot be taken.
   * @param stream one of `streams`
   */
  append(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    const refusal = this.#refusal(payload.length);
    if (refusal === undefined) {
      const current = this.streams.current(stream);
      if (!current.isCountAsked) this.#askCount(current);
      this.#added(this.#queue.add(current, id, payload, receipt, token));
    } else {
      receipt.refused(token, refusal);
    }
  }

  /** Like `append`, of an entry that was taken before: it is not refused for want of room. */
  adopt(stream: AppendStream, id: string, payload: Uint8Array, receipt: Receipt, token: number): void {
    if (this.#outage !== undefined) receipt.refused(token, this.#outage);
    else this.#added(this.#queue.add(stream, id, payload, receipt, token));
  }

  /** Calls back once all entries taken so far are stored, refused or elsewhere. */
  whenAnswered(done: () => void): void {
    if (this.#bufferedBytes === 0 || this.#outage !== undefined) {
      done();
      return;
    }
    // It is answered behind them. Where the connection is lost first, they are sent again and this is not.
    const again = () => setImmediate(() => this.whenAnswered(done));
    this.#added(this.#queue.addCommand(PING, { stored: done, refused: again }, 0));
  }

  /** Before the first entry of ours, so that those of other writers can be told by the count later. */
  #askCount(stream: AppendStream): void {
    stream.isCountAsked = true;
    const receipt: Receipt = {
      stored: (_, reply) => stream.count(readStreamCount(reply)),
      refused: (_, { mayPass }) => {
        if (mayPass) stream.forgetCount();
      },
    };
    this.#added(this.#queue.addCommand(encodeStreamCount(stream.key), receipt, 0));
  }

  /**
   * Takes another command, to be carried out behind all entries before it. Its reply is told as `stored`.
   * It is not sent again after the connection was lost.
   */
  command(command: Uint8Array, receipt: Receipt, token: number): void {
    const refusal = this.#refusal(command.length);
    if (refusal === undefined) this.#added(this.#queue.addCommand(command, receipt, token));
    else receipt.refused(token, refusal);
  }

  /** Another server has the place of the one that is connected. */
  serverMoved(): void {
    if (!this.#connection.isOpen) return;
    this.#connection.beginMoving();
    if (!this.#queue.isWritten) this.#connection.leave();
  }

  /** Resolves once every entry taken so far is stored or given up. */
  idle(): Promise<void> {
    if (this.#bufferedBytes === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Ends the connection; what still waits is given up. */
  close(): void {
    this.#connection.close();
    this.#giveUp(new Failure('shutting_down', 'the gateway is going down'));
  }

  #refusal(payloadBytes: number): Failure | undefined {
    if (this.#outage !== undefined) return this.#outage;
    const tooLarge =
      payloadBytes < this.#suspects.largest ? undefined : this.#suspects.tooLarge(payloadBytes);
    if (tooLarge !== undefined) return tooLarge;
    const { budget, shard } = this.#options;
    const refusal = overloaded(budget, payloadBytes);
    return refusal ?? (shard === undefined ? undefined : this.#shardOverloaded(payloadBytes));
  }

  /** One server that is away must not take all that others leave. */
  #shardOverloaded(payloadBytes: number): Failure | undefined {
    const { usedBytes, maxBytes } = this.#options.budget;
    const left = maxBytes - (usedBytes - this.#bufferedBytes);
    if (2 * (this.#bufferedBytes + payloadBytes) <= left) return undefined;
    return new Failure(
      'overloaded',
      `${this.#bufferedBytes} bytes already wait for a part of the Redis Cluster, which is half of what others leave it (MAX_BUFFERED_BYTES=${maxBytes})`,
    );
  }

  #added(bytes: number): void {
    this.#hold(bytes);
    this.#unflushedBytes += bytes;
    if (this.#unflushedBytes >= FLUSH_BYTES) this.#flush();
    else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      setImmediate(this.#flushTurn);
    }
  }

  readonly #flushTurn = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };

  #flush(): void {
    this.#unflushedBytes = 0;
    if (!this.#connection.isWritable) return;
    const parts = this.#queue.write(this.#connection.tellsChanges);
    if (parts.length > 0) this.#connection.write(parts);
  }

  #reply(cursor: ReplyCursor): void {
    const isElsewhere = this.#options.shard !== undefined && this.#isElsewhere(cursor);
    const bytes = isElsewhere ? this.#takeOut(cursor) : this.#queue.answered(cursor, this.#failureOf);
    // An answer within a transaction is no result yet.
    if (bytes === 0) return;
    this.#release(bytes);
    this.#suspects.clear();
    if (!this.#connection.isWritable && !this.#queue.isWritten) this.#connection.leave();
  }

  #isElsewhere(cursor: ReplyCursor): boolean {
    const error = cursor.peekError();
    return error !== undefined && NOT_HERE.test(error) && this.#queue.isEntryNext;
  }

  /** @returns the bytes that are no longer in flight */
  #takeOut(cursor: ReplyCursor): number {
    const error = cursor.text();
    if (DEMOTED.test(error)) this.#connection.beginLeaving();
    const entry = this.#queue.takeOut();
    this.#options.shard!.elsewhere(entry, error);
    return entry.bytes;
  }

  readonly #failureOf = (error: string): Failure => {
    if (NOT_THE_MASTER.test(error)) this.#connection.beginLeaving();
    return failureFromRedis(error);
  };

  /** @param key undefined: any stream may be changed */
  #changedByOthers(key: string | undefined): void {
    if (key === undefined) this.streams.proofLost();
    else this.streams.peek(key)?.proof.changedByOthers();
  }

  #hold(bytes: number): void {
    this.#bufferedBytes += bytes;
    this.#options.budget.usedBytes += bytes;
  }

  #release(bytes: number): void {
    this.#bufferedBytes -= bytes;
    this.#options.budget.usedBytes -= bytes;
    if (this.#bufferedBytes === 0) this.#tellIdle();
  }

  #connectionLost(begun: Introduction, takenBytes: number): void {
    this.streams.proofLost();
    if (this.#queue.isWritten) {
      const writtenAt = Math.max(this.#queue.oldestAt, begun.localTime);
      this.#lost = { begun, writtenAt, lostAt: performance.now() };
    }
    const { uncertain, unsent, refusedBytes } = this.#queue.takeWritten(
      takenBytes,
      new Failure('redis_unavailable', 'the connection to Redis was lost'),
    );
    this.#uncertain = uncertain;
    this.#unsent = [...unsent];
    this.#suspects.lost([...uncertain, ...unsent]);
    this.#release(refusedBytes);
  }

  /** Settles what the connection before left behind. @throws Error where this one is lost, too */
  async #prepare(asking: Asking, now: Introduction): Promise<void> {
    const lost = this.#lost;
    if (lost === undefined) return;
    const isFenced = await fence(asking, lost.begun);
    if (!isFenced) this.#missFence();
    // A server that died may have done so for any reason.
    if (now.runId !== lost.begun.runId) this.#suspects.clear();
    const entries = this.#uncertain;
    const { shard } = this.#options;
    if (entries.length > 0) {
      const fates = await findFates(asking, { entries, ...lost, isFenced, askingOf: shard?.askingOf }, now);
      // Unless they were given up meanwhile.
      if (entries === this.#uncertain) this.#settle(entries, fates);
    }
    this.#sendAgain(this.#unsent);
    this.#unsent = [];
    this.#lost = undefined;
  }

  /** Of entries before all that is in the queue. */
  #sendAgain(entries: readonly Unanswered[]): void {
    const [first] = entries;
    const failure = first && this.#suspects.judge(first);
    if (first === undefined || failure === undefined) {
      this.#hold(this.#queue.putBack(entries));
      return;
    }
    this.#hold(this.#queue.putBack(entries.slice(1)));
    first.receipt.refused(first.token, failure);
    this.#release(first.bytes);
  }

  #settle(entries: readonly Unanswered[], fates: readonly Fate[]): void {
    this.#uncertain = [];
    const isAgain = fates.map((fate, index) => {
      return fate === 'missing' || (fate === 'unknown' && entries[index]!.receipt.sendsAgain === true);
    });
    this.#sendAgain([...entries.filter((_, index) => isAgain[index]), ...this.#unsent]);
    this.#unsent = [];
    const count = (which: (fate: Fate) => boolean) => fates.filter(which).length;
    const missing = count((fate) => fate === 'missing');
    const unknown = count((fate) => fate === 'unknown');
    const stored = fates.length - missing - unknown;
    if (stored > 0) this.#suspects.clear();
    this.#options.logger.info({ stored, missing, unknown }, 'looked for entries that had no answer');
    entries.forEach((entry, index) => {
      if (!isAgain[index]) this.#tell(entry, fates[index]!);
    });
  }

  #tell({ stream, receipt, token, bytes }: Unanswered, fate: Fate): void {
    if (typeof fate === 'object') {
      stream.found(bulkReply(fate.id));
      receipt.stored(token, bulkReply(fate.id));
    } else if (fate === 'stored' && receipt.sendsAgain) {
      // Whoever would have it sent again does not ask for its id.
      receipt.stored(token, bulkReply(''));
    } else {
      receipt.refused(token, unknownOutcome());
    }
    this.#release(bytes);
  }

  #giveUp(failure: Failure): void {
    this.#outage = failure;
    const uncertain = this.#uncertain;
    this.#uncertain = [];
    for (const { stream, receipt, token } of uncertain) {
      stream.forgetCount();
      receipt.refused(token, unknownOutcome());
    }
    for (const { receipt, token } of this.#unsent.splice(0)) receipt.refused(token, failure);
    this.#queue.giveUp(failure);
    this.#release(this.#bufferedBytes);
  }

  #missFence(): void {
    if (this.#isFenceMissed) return;
    this.#isFenceMissed = true;
    this.#options.logger.warn(
      'Redis does not allow CLIENT INFO, CLIENT LIST and CLIENT KILL: entries without an answer when the connection was lost may still be stored',
    );
  }

  #tellIdle(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function unknownOutcome(): Failure {
  return new Failure(
    'unknown_outcome',
    'the connection to Redis was lost before it answered, and it cannot be known whether the entry is stored',
  );
}
