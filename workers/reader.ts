/**
 * A reader thread: follows a set of streams for everyone with one blocking XREAD on a connection of its
 * own, packs what comes and transfers it to main.
 *
 * Promises: the entries of a stream come in order, each once, from after the id that it was followed
 * from, across reconnections; a key that cannot be read is told, taken out and harms no other; a stream
 * that ends before what was read of it is told, and left alone until it is followed anew; at most
 * `MAX_UNDERWAY_BYTES` and one reply are under way to main.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { failureFromRedis } from '../src/redis/error-replies.js';
import type { ReplyCursor } from '../src/redis/resp.js';
import { heapBytes } from '../src/system/memory.js';
import { ApartReads } from './apart-reads.js';
import { CulpritSearch, MAY_BE_A_KEYS } from './culprit-search.js';
import { FollowedStreams, MOST_BLOCK_MS } from './followed-streams.js';
import { type Arrival, HeldReads } from './held-reads.js';
import { Interrupter } from './interrupter.js';
import { LossCheck } from './loss-check.js';
import type { ReaderCommand, ReaderEvent, ThreadData } from './messages.js';
import { ReadSize } from './read-size.js';
import { ReaderConnection, type TakeReply } from './reader-connection.js';
import { StreamEnds } from './stream-ends.js';

const MAX_UNDERWAY_BYTES = 32 * 1024 * 1024;
/** A connection that is half-open is known by its silence: a blocked read ends in time. */
const SILENCE_MS = MOST_BLOCK_MS + 2500;
const RETRY_MS = 100;
/** Every XREAD costs Redis time for each stream, so large sets are read after a pause: 1 ms for each … */
const STREAMS_PER_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8;
/** How often, at most, some of the streams are looked at for whether they still reach up to what was read. */
const LOOK_MS = 250;

/** Errors of a connection that is of no use any more: the server's part has changed, or our rights. */
const NEEDS_NEW_CONNECTION = /^(UNBLOCKED|NOAUTH)/;

class Reader {
  readonly #target = (workerData as ThreadData).target;
  readonly #beatMs = (workerData as ThreadData).beatMs;
  readonly #streams = new FollowedStreams((event) => this.#post(event));
  readonly #losses = new LossCheck(this.#streams.byKey, (command, take) => this.#ask(command, take));
  readonly #held = new HeldReads(this.#losses, (event, transfer) => this.#post(event, transfer));
  readonly #apart = new ApartReads(this.#streams.byKey, (key, failure) => this.#streams.evict(key, failure));
  readonly #connection = new ReaderConnection(this.#target, SILENCE_MS, {
    ready: () => this.#ready(),
    lost: (cause, wasReady) => this.#lost(cause, wasReady),
  });
  readonly #size = new ReadSize();
  readonly #interrupter = new Interrupter(this.#target);
  readonly #ends = new StreamEnds(
    this.#streams.byKey,
    (command, take) => this.#ask(command, take),
    (end, buffers) => {
      // It may be one of many: where Redis was flushed, all are lost.
      this.#ends.lookSoon();
      this.#post({ type: 'lost', end }, buffers);
    },
    (key) => this.#post({ type: 'checked', key }),
  );
  #isReading = false;
  /** Replies that must come before the next read is sent. */
  #guards = 0;
  /** A read was refused, and the keys are looked through for the reason. */
  #isSearching = false;
  #isRefused = false;
  #underwayBytes = 0;
  /** How many streams the last read brought entries of. */
  #active = 0;
  #beatTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;

  start(): void {
    parentPort?.on('message', (command: ReaderCommand) => this.#take(command));
    const beat = () => this.#post({ type: 'beat', bytes: heapBytes() });
    beat();
    this.#beatTimer = setInterval(beat, this.#beatMs);
    this.#connection.connect();
  }

  /** While there are streams: a thread without any sleeps. */
  #startLooks(): void {
    this.#lookTimer ??= setInterval(() => {
      if (this.#streams.size > 0) this.#ends.lookSoon();
      else {
        clearInterval(this.#lookTimer);
        this.#lookTimer = undefined;
      }
    }, LOOK_MS);
  }

  #post(event: ReaderEvent, transfer: ArrayBuffer[] = []): void {
    parentPort?.postMessage(event, transfer);
  }

  #take(command: ReaderCommand): void {
    if (command.type === 'follow') {
      this.#startLooks();
      if (this.#streams.follow(command, this.#connection.connections)) this.#readSoon();
    } else if (command.type === 'unfollow') {
      this.#streams.unfollow(command.key);
    } else if (command.type === 'count') {
      this.#streams.count(command.key, command.isCounted);
    } else if (command.type === 'check') {
      this.#ends.want(command.key);
      this.#readSoon();
    } else if (command.type === 'consumed') {
      this.#underwayBytes -= command.bytes;
      this.#read();
    } else {
      this.#stop();
    }
  }

  #ready(): void {
    this.#ends.connected(this.#connection.connections);
    this.#post({ type: 'connected' });
    this.#read();
  }

  #lost(cause: Error, wasReady: boolean): void {
    if (wasReady) this.#post({ type: 'disconnected', reason: cause.message });
    this.#held.lost();
    this.#apart.lost(wasReady && this.#isReading);
    this.#losses.lost();
    this.#guards = 0;
    this.#endRead();
    this.#isSearching = false;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
  }

  #ask(command: Buffer, take: TakeReply): void {
    this.#connection.ask(command, take);
    // It would wait behind the read.
    if (this.#isReading) this.#interrupt();
  }

  /** Has the next read take notice of what has changed. */
  #readSoon(): void {
    if (this.#isReading) this.#interrupt();
    else this.#read();
  }

  #interrupt(): void {
    const { clientId } = this.#connection;
    if (clientId !== undefined) this.#interrupter.begin(clientId);
  }

  /** Sends the next read, unless one is under way or something else must come first. */
  #read(): void {
    const mustWait =
      this.#isReading ||
      this.#guards > 0 ||
      this.#isSearching ||
      this.#connection.clientId === undefined ||
      this.#pauseTimer !== undefined ||
      this.#underwayBytes > MAX_UNDERWAY_BYTES;
    if (mustWait) return;
    if (this.#apart.reason !== undefined && this.#readApart()) return;
    if (this.#ends.isDue) this.#look();
    if (this.#streams.size === 0) return;
    this.#size.settle(this.#active);
    this.#connection.expect(this.#takeRead);
    const guards = this.#losses.guards(
      (take) => this.#connection.expect(take),
      () => this.#guardAnswered(),
    );
    this.#isReading = true;
    this.#streams.began();
    this.#connection.write([...this.#streams.encodeRead(this.#size.count), ...guards]);
  }

  /** Sends the next read of few streams. @returns false once all were read */
  #readApart(): boolean {
    const read = this.#apart.next(this.#size.count);
    if (read !== undefined) {
      this.#isReading = true;
      this.#streams.began();
      this.#losses.noGuards();
      this.#connection.ask(read, (reply) => {
        this.#apart.done();
        this.#takeRead(reply);
      });
      return true;
    }
    if (this.#apart.reason === 'drops') {
      this.#apart.end();
      this.#size.shrink();
      return false;
    }
    // For as long as the connection lasts.
    this.#apart.begin('refusal');
    this.#pause(RETRY_MS);
    return true;
  }

  #look(): void {
    this.#losses.recount();
    this.#ends.look(this.#size.entryBytes);
  }

  #endRead(): void {
    this.#isReading = false;
    this.#interrupter.done();
  }

  readonly #takeRead = (reply: ReplyCursor): void => {
    this.#endRead();
    this.#guards = this.#losses.guardCount;
    if (reply.isError) this.#readFailed(reply.text());
    else this.#readDone(reply);
  };

  #readDone(reply: ReplyCursor): void {
    this.#isRefused = false;
    this.#apart.proven();
    this.#connection.proven();
    const arrivals = this.#streams.takeRead(reply, this.#size.count);
    if (arrivals.length > 0) this.#deliver(arrivals);
    // What is asked of these entries must not wait behind the next read.
    if (this.#guards === 0) this.#readOn();
  }

  #guardAnswered(): void {
    this.#guards--;
    if (this.#guards === 0) this.#readOn();
  }

  #readOn(): void {
    const pause = Math.min(Math.floor(this.#streams.size / STREAMS_PER_PAUSE_MS), MAX_PAUSE_MS);
    if (pause > 0) this.#pause(pause);
    else this.#read();
  }

  #deliver(arrivals: readonly Arrival[]): void {
    const { connections } = this.#connection;
    this.#guards += this.#held.take(arrivals, connections, () => this.#guardAnswered());
    // Nothing may go wrong any more: what a cursor has passed is not read again.
    this.#streams.moveOn(arrivals, connections);
    const entries = arrivals.reduce((sum, { step }) => sum + step.entries, 0);
    const bytes = arrivals.reduce((sum, { step }) => sum + step.bytes, 0);
    this.#active = arrivals.length;
    this.#size.learn(bytes, entries);
    this.#underwayBytes += bytes;
  }

  #readFailed(error: string): void {
    if (NEEDS_NEW_CONNECTION.test(error)) {
      this.#connection.renew(new Error(error));
    } else if (MAY_BE_A_KEYS.test(error)) {
      this.#isSearching = true;
      new CulpritSearch(
        (command, take) => this.#ask(command, take),
        this.#streams.keys,
        (key, refusal) => this.#streams.evict(key, failureFromRedis(refusal).body),
        (culprits) => {
          this.#isSearching = false;
          if (culprits > 0) {
            this.#read();
            return;
          }
          // As on a node of a cluster, they can be read, but not together.
          if (/^CROSSSLOT/.test(error)) this.#apart.begin('refusal');
          this.#refused(error);
        },
      );
    } else {
      this.#refused(error);
    }
  }

  /** The server's fault, and nobody's in particular. */
  #refused(error: string): void {
    if (!this.#isRefused) this.#post({ type: 'refused', reason: error });
    this.#isRefused = true;
    this.#pause(RETRY_MS);
  }

  #pause(ms: number): void {
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#read();
    }, ms);
  }

  #stop(): void {
    this.#endRead();
    clearInterval(this.#beatTimer);
    clearInterval(this.#lookTimer);
    clearTimeout(this.#pauseTimer);
    this.#connection.close();
    this.#interrupter.close();
    parentPort?.close();
  }
}

new Reader().start();
