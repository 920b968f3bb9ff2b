/**
 * A reader thread: follows a set of streams for everyone on a connection of its own, packs what comes and transfers it
 * to main. It reads with one blocking XREAD, and with many streams those that Redis says have changed.
 *
 * Promises: the entries of a stream come in order, each once, from after the id that it was followed
 * from, across reconnections; a key that cannot be read is told, taken out and harms no other; a stream
 * that ends before what was read of it is told, and left alone until it is followed anew; at most
 * `MAX_UNDERWAY_BYTES` and one reply are under way to main.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReplyCursor } from '../src/redis/resp.js';
import { heapBytes } from '../src/system/memory.js';
import { ApartReads } from './apart-reads.js';
import { MOST_BLOCK_MS } from './blocking-reads.js';
import { FollowedStreams } from './followed-streams.js';
import { type Arrival, HeldReads } from './held-reads.js';
import { LossCheck } from './loss-check.js';
import type { ReaderCommand, ReaderEvent, ThreadData } from './messages.js';
import { ReadSize } from './read-size.js';
import { ReaderConnection, type TakeReply } from './reader-connection.js';
import { RefusedReads } from './refused-reads.js';
import { StrategyChoice } from './strategy-choice.js';
import { StreamEnds } from './stream-ends.js';

const MAX_UNDERWAY_BYTES = 32 * 1024 * 1024;
/** A connection that is half-open is known by its silence: a blocked read ends in time. */
const SILENCE_MS = MOST_BLOCK_MS + 2500;
/** Between two rounds of reads that cannot be one. */
const ROUND_MS = 100;
/** How often, at most, some of the streams are looked at for whether they still reach up to what was read. */
const LOOK_MS = 250;

class Reader {
  readonly #target = (workerData as ThreadData).target;
  readonly #streams = new FollowedStreams(
    (event) => this.#post(event),
    (key) => this.#strategy.changed(key),
  );
  readonly #losses = new LossCheck(this.#streams.byKey, (command, take) => this.#ask(command, take));
  readonly #held = new HeldReads(this.#losses, (event, transfer) => this.#post(event, transfer));
  readonly #apart = new ApartReads(this.#streams.byKey, (key, failure) => this.#streams.evict(key, failure));
  readonly #connection = new ReaderConnection(this.#target, SILENCE_MS, {
    ready: () => this.#ready(),
    push: (cursor) => this.#strategy.current.push(cursor),
    lost: (cause, wasReady) => this.#lost(cause, wasReady),
  });
  readonly #size = new ReadSize();
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
  readonly #strategy = new StrategyChoice(
    this.#streams.byKey,
    (command, take) => this.#ask(command, take),
    this.#target,
    {
      wake: () => this.#wake(),
      suspect: (key) => this.#ends.suspect(key),
      flushed: () => this.#ends.lookAtAll(),
      demoted: (role) =>
        this.#connection.renew(new Error(`the server is no master now: its ROLE is ${role}`)),
    },
  );
  readonly #refused = new RefusedReads({
    ask: (command, take) => this.#ask(command, take),
    renew: (cause) => this.#connection.renew(cause),
    evict: (key, failure) => this.#streams.evict(key, failure),
    readApart: () => this.#apart.begin('refusal'),
    refused: (reason) => this.#post({ type: 'refused', reason }),
    readAgain: (ms) => (ms > 0 ? this.#pause(ms) : this.#read()),
  });
  #isReading = false;
  /** Keys of the last read. */
  #keys: () => readonly string[] = () => [];
  /** Ms that the next read waits for. */
  #pauseMs = 0;
  /** Replies that must come before the next read is sent. */
  #guards = 0;
  #underwayBytes = 0;
  #lookTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;

  start(): void {
    parentPort?.on('message', (command: ReaderCommand) => this.#take(command));
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
      // Tracked reads are sent where there is something to read, and looks are part of a read.
      this.#read();
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
    } else if (command.type === 'beat') {
      this.#post({ type: 'beat', bytes: heapBytes() });
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
    this.#isReading = false;
    this.#strategy.lost();
    this.#refused.lost();
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
    if (clientId !== undefined) this.#strategy.current.interrupt(clientId);
  }

  /** Has what is to be read be read together, at the end of this turn of the event loop. */
  #wake(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#read();
    });
  }

  /** Sends the next read, unless one is under way or something else must come first. */
  #read(): void {
    const mustWait =
      this.#isReading ||
      this.#guards > 0 ||
      this.#refused.isSearching ||
      this.#strategy.isChanging ||
      this.#connection.clientId === undefined ||
      this.#pauseTimer !== undefined ||
      this.#underwayBytes > MAX_UNDERWAY_BYTES;
    if (mustWait) return;
    this.#strategy.review(() => this.#read());
    if (this.#strategy.isChanging) return;
    if (this.#apart.reason !== undefined && this.#readApart()) return;
    if (this.#ends.isDue) {
      this.#losses.recount();
      this.#ends.look(this.#size.entryBytes, this.#strategy.isTold);
    }
    const read = this.#strategy.current.next(this.#size);
    if (read === undefined) return;
    this.#keys = read.keys;
    this.#connection.expect(this.#takeRead);
    const guards = this.#losses.guards(
      read.likely,
      (take) => this.#connection.expect(take),
      () => this.#guardAnswered(),
    );
    this.#isReading = true;
    this.#streams.began();
    this.#connection.write([...read.command, ...guards]);
  }

  /** Sends the next read of few streams. @returns false once all were read */
  #readApart(): boolean {
    const read = this.#apart.next(this.#size.count);
    if (read !== undefined) {
      this.#isReading = true;
      this.#streams.began();
      this.#losses.noGuards();
      this.#keys = () => [...this.#streams.byKey.keys()];
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
    this.#pause(ROUND_MS);
    return true;
  }

  readonly #takeRead = (reply: ReplyCursor): void => {
    this.#isReading = false;
    this.#strategy.current.ended();
    this.#guards = this.#losses.guardCount;
    if (reply.isError) {
      this.#strategy.current.failed();
      this.#refused.refused(reply.text(), this.#keys());
    } else this.#readDone(reply);
  };

  #readDone(reply: ReplyCursor): void {
    this.#refused.proven();
    this.#apart.proven();
    this.#connection.proven();
    const arrivals = this.#streams.takeRead(reply, this.#size.count);
    this.#pauseMs = this.#strategy.current.answered(arrivals);
    if (arrivals.length > 0) this.#deliver(arrivals);
    // What is asked of these entries must not wait behind the next read.
    if (this.#guards === 0) this.#readOn();
  }

  #guardAnswered(): void {
    this.#guards--;
    if (this.#guards === 0) this.#readOn();
  }

  #readOn(): void {
    if (this.#pauseMs > 0) this.#pause(this.#pauseMs);
    else this.#read();
  }

  #deliver(arrivals: readonly Arrival[]): void {
    const { connections } = this.#connection;
    this.#guards += this.#held.take(arrivals, connections, () => this.#guardAnswered());
    // Nothing may go wrong any more: what a cursor has passed is not read again.
    this.#streams.moveOn(arrivals, connections);
    const entries = arrivals.reduce((sum, { step }) => sum + step.entries, 0);
    const bytes = arrivals.reduce((sum, { step }) => sum + step.bytes, 0);
    this.#size.learn(bytes, entries);
    this.#underwayBytes += bytes;
  }

  #pause(ms: number): void {
    this.#pauseTimer ??= setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#read();
    }, ms);
  }

  #stop(): void {
    this.#strategy.close();
    clearImmediate(this.#turn);
    clearInterval(this.#lookTimer);
    clearTimeout(this.#pauseTimer);
    this.#connection.close();
    parentPort?.close();
  }
}

new Reader().start();
