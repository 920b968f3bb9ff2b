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
import { Failure, type FailureBody } from '../src/errors.js';
import { failureFromRedis } from '../src/redis/error-replies.js';
import { ReplyDropped } from '../src/redis/isolating-reads.js';
import type { ReplyCursor } from '../src/redis/resp.js';
import {
  BlockingRead,
  packBatches,
  type ReadEntries,
  readEntries,
  xreadNow,
} from '../src/redis/stream-reads.js';
import type { PackedBatch } from '../src/wire/batch.js';
import { parseEntryId } from '../src/wire/entry-id.js';
import { CulpritSearch, MAY_BE_A_KEYS } from './culprit-search.js';
import type { Followed } from './followed.js';
import { Interrupter } from './interrupter.js';
import { Isolation } from './isolation.js';
import { type Loss, LossCheck } from './loss-check.js';
import type { FollowCommand, ReaderCommand, ReaderEvent, ThreadData } from './messages.js';
import { ReadSize } from './read-size.js';
import { ReaderLink, type TakeReply } from './reader-link.js';
import { StreamEnds } from './stream-ends.js';

const MAX_UNDERWAY_BYTES = 32 * 1024 * 1024;
/**
 * A read goes on unaware of a key that becomes another type, which is noticed by the next: soon, where that
 * costs Redis little. Ms to block for each stream, and the least and the most.
 */
const BLOCK_MS_A_STREAM = 1;
const LEAST_BLOCK_MS = 50;
const MOST_BLOCK_MS = 500;
/** A connection that is half-open is known by its silence: a blocked read ends in time. */
const SILENCE_MS = MOST_BLOCK_MS + 2500;
const RETRY_MS = 100;
/** Every XREAD costs Redis time for each stream, so large sets are read after a pause: 1 ms for each … */
const STREAMS_PER_PAUSE_MS = 500;
const MAX_PAUSE_MS = 8;
/** How often, at most, some of the streams are looked at for whether they still reach up to what was read. */
const LOOK_MS = 250;
/** All of them within so many looks, if that are not too many at once. */
const LOOKS_A_ROUND = 8;
const LEAST_LOOKED_AT = 32;
const MOST_LOOKED_AT = 1000;

/** Errors of a connection that is of no use any more: the server's part has changed, or our rights. */
const NEEDS_NEW_CONNECTION = /^(UNBLOCKED|NOAUTH)/;

/** So many connections in a row that were lost over a read: one of the streams may be the reason. */
const SUSPICIOUS_DROPS = 2;

/** What a read brought, while Redis is asked whether entries before it are missing. */
interface Held {
  readonly batches: PackedBatch[];
  readonly sources: readonly Followed[];
  readonly buffers: ArrayBuffer[];
  readonly bytes: number;
  /** Batches about which there is no answer yet, by their index. */
  readonly open: Set<number>;
}

class Reader {
  readonly #target = (workerData as ThreadData).target;
  readonly #beatMs = (workerData as ThreadData).beatMs;
  readonly #followed = new Map<string, Followed>();
  readonly #command = new BlockingRead();
  readonly #losses = new LossCheck(this.#followed, (command, take) => this.#ask(command, take));
  readonly #link = new ReaderLink(this.#target, SILENCE_MS, {
    ready: () => this.#ready(),
    lost: (cause, wasReady) => this.#lost(cause, wasReady),
  });
  readonly #size = new ReadSize();
  readonly #interrupter = new Interrupter(this.#target);
  readonly #ends = new StreamEnds(
    this.#followed,
    (command, take) => this.#ask(command, take),
    (end, buffers) => {
      // It may be one of many: where Redis was flushed, all are lost.
      this.#looksDue++;
      this.#post({ type: 'lost', end }, buffers);
    },
    (key) => this.#post({ type: 'checked', key }),
  );
  #reads = 0;
  #isReading = false;
  /** Replies that must come before the next read is sent. */
  #guards = 0;
  /** A read was refused, and the keys are looked through for the reason. */
  #isSearching = false;
  #isRefused = false;
  /** Connections that were lost over a read since the last that was answered. */
  #drops = 0;
  /** While streams are read apart from each other. */
  #isolation: Isolation | undefined;
  /** How many looks at the streams' ends are due. */
  #looksDue = 0;
  #underwayBytes = 0;
  /** How many streams the last read brought entries of. */
  #active = 0;
  #held: Held | undefined;
  #beatTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;

  start(): void {
    parentPort?.on('message', (command: ReaderCommand) => this.#take(command));
    this.#post({ type: 'beat' });
    this.#beatTimer = setInterval(() => this.#post({ type: 'beat' }), this.#beatMs);
    this.#lookTimer = setInterval(() => {
      this.#looksDue++;
    }, LOOK_MS);
    this.#link.connect();
  }

  #post(event: ReaderEvent, transfer: ArrayBuffer[] = []): void {
    parentPort?.postMessage(event, transfer);
  }

  #take(command: ReaderCommand): void {
    if (command.type === 'follow') {
      this.#follow(command);
    } else if (command.type === 'unfollow') {
      // The read under way goes on; what it brings for this key is passed over.
      this.#followed.delete(command.key);
      this.#command.changed();
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

  #follow({ key, after, added, generation }: FollowCommand): void {
    // Redis would refuse the whole read for it.
    if (parseEntryId(after) !== after) {
      const failure = new Failure('bad_parameter', `'${after}' is no entry id`).body;
      this.#post({ type: 'evicted', key, generation, failure });
      return;
    }
    this.#followed.set(key, {
      after,
      generation,
      firstRead: this.#reads + 1,
      added,
      confirmed: after,
      lostAfter: undefined,
      infoBytes: undefined,
      readOn: this.#link.connections,
      wasRead: false,
      seenLength: undefined,
      isLost: false,
      seenOn: this.#link.connections,
    });
    this.#command.changed();
    this.#readSoon();
  }

  #ready(): void {
    this.#ends.connected(this.#link.connections);
    this.#looksDue = LOOKS_A_ROUND;
    this.#post({ type: 'connected' });
    this.#read();
  }

  #lost(cause: Error, wasReady: boolean): void {
    if (wasReady) this.#post({ type: 'disconnected', reason: cause.message });
    if (this.#held !== undefined) this.#releaseUnchecked(this.#held);
    if (wasReady && this.#isReading) this.#droppedOverRead();
    if (this.#isolation?.reason === 'refusal') this.#isolation = undefined;
    this.#losses.lost();
    this.#guards = 0;
    this.#endRead();
    this.#isSearching = false;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
  }

  /** Redis closes a connection whose replies are too large for it, even if one entry alone is. */
  #droppedOverRead(): void {
    if (this.#isolation?.reason !== 'drops') {
      this.#drops++;
      if (this.#drops >= SUSPICIOUS_DROPS)
        this.#isolation = new Isolation([...this.#followed.keys()], 'drops');
      return;
    }
    const key = this.#isolation.dropped();
    if (key !== undefined) this.#evict(key, new ReplyDropped().body);
  }

  #ask(command: Buffer, take: TakeReply): void {
    this.#link.ask(command, take);
    // It would wait behind the read.
    if (this.#isReading) this.#interrupt();
  }

  /** Has the next read take notice of what has changed. */
  #readSoon(): void {
    if (this.#isReading) this.#interrupt();
    else this.#read();
  }

  #interrupt(): void {
    const { clientId } = this.#link;
    if (clientId !== undefined) this.#interrupter.begin(clientId);
  }

  /** Sends the next read, unless one is under way or something else must come first. */
  #read(): void {
    const mustWait =
      this.#isReading ||
      this.#guards > 0 ||
      this.#isSearching ||
      this.#link.clientId === undefined ||
      this.#pauseTimer !== undefined ||
      this.#underwayBytes > MAX_UNDERWAY_BYTES;
    if (mustWait) return;
    if (this.#isolation !== undefined && this.#readApart(this.#isolation)) return;
    if (this.#looksDue > 0 || this.#ends.hasWanted) this.#look();
    if (this.#followed.size === 0) return;
    this.#size.settle(this.#active);
    const blockMs = Math.min(
      Math.max(this.#followed.size * BLOCK_MS_A_STREAM, LEAST_BLOCK_MS),
      MOST_BLOCK_MS,
    );
    this.#link.expect(this.#takeRead);
    const guards = this.#losses.guards(
      (take) => this.#link.expect(take),
      () => this.#guardAnswered(),
    );
    this.#isReading = true;
    this.#reads++;
    this.#link.write(...this.#command.encode(this.#followed, this.#size.count, blockMs), ...guards);
  }

  /** Sends the next read of few streams. @returns false once all were read */
  #readApart(isolation: Isolation): boolean {
    for (let keys = isolation.next; keys !== undefined; keys = isolation.next) {
      const cursors = keys.flatMap((key) => {
        const followed = this.#followed.get(key);
        return followed === undefined || followed.isLost ? [] : [[key, followed.after] as const];
      });
      if (cursors.length === 0) {
        isolation.done();
        continue;
      }
      this.#isReading = true;
      this.#reads++;
      this.#losses.noGuards();
      const count = isolation.reason === 'drops' ? 1 : this.#size.count;
      this.#link.ask(xreadNow(cursors, count), (reply) => {
        isolation.done();
        this.#takeRead(reply);
      });
      return true;
    }
    this.#isolation = undefined;
    if (isolation.reason === 'drops') {
      this.#size.shrink();
      return false;
    }
    // For as long as the connection lasts.
    this.#isolate('refusal');
    this.#pause(RETRY_MS);
    return true;
  }

  #isolate(reason: Isolation['reason']): void {
    this.#isolation = new Isolation([...this.#followed.keys()], reason);
  }

  #look(): void {
    const share = Math.max(Math.ceil(this.#followed.size / LOOKS_A_ROUND), LEAST_LOOKED_AT);
    const streams = Math.min(share * this.#looksDue, this.#followed.size, MOST_LOOKED_AT);
    this.#looksDue = 0;
    this.#losses.recount();
    this.#ends.look(streams, this.#size.entryBytes);
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
    this.#drops = 0;
    this.#link.proven();
    const reads: ReadEntries[] = [];
    const sources: Followed[] = [];
    for (let streams = reply.array(); streams > 0; streams--) {
      reply.array();
      const key = reply.text();
      const followed = this.#followed.get(key);
      if (followed === undefined || followed.firstRead > this.#reads || followed.isLost) {
        reply.skip();
        continue;
      }
      reads.push(readEntries(reply, key, followed.after));
      sources.push(followed);
    }
    if (reads.length > 0) this.#deliver(reads, sources);
    // What is asked of these entries must not wait behind the next read.
    if (this.#guards === 0) this.#readOn();
  }

  #guardAnswered(): void {
    this.#guards--;
    if (this.#guards === 0) this.#readOn();
  }

  #readOn(): void {
    const pause = Math.min(Math.floor(this.#followed.size / STREAMS_PER_PAUSE_MS), MAX_PAUSE_MS);
    if (pause > 0) this.#pause(pause);
    else this.#read();
  }

  #deliver(reads: readonly ReadEntries[], sources: readonly Followed[]): void {
    const { batches, buffers } = packBatches(reads);
    let entries = 0;
    let bytes = 0;
    const steps = reads.map(({ key, after, ids, bytes }, index) => {
      const isFull = ids.length >= this.#size.count;
      return {
        key,
        followed: sources[index]!,
        after,
        entries: ids.length,
        bytes,
        lastId: ids.at(-1)!,
        isFull,
      };
    });
    for (const step of steps) {
      entries += step.entries;
      bytes += step.bytes;
    }
    const held: Held = { batches, sources, buffers, bytes, open: new Set(batches.keys()) };
    // The next read waits until no question about this one can come behind it.
    if (this.#held !== undefined) throw new Error('entries of two reads wait for answers');
    this.#held = held;
    const judged = (index: number, loss: Loss | undefined) => {
      if (loss !== undefined) batches[index] = { ...batches[index]!, trimmed: true, ...loss };
      held.open.delete(index);
      if (held.open.size === 0) this.#release(held);
    };
    const connection = this.#link.connections;
    this.#guards += this.#losses.check(steps, connection, judged, () => this.#guardAnswered());
    // Nothing may go wrong any more: what a cursor has passed is not read again.
    for (const { followed, lastId } of steps) {
      followed.after = lastId;
      followed.wasRead = true;
      followed.seenLength = undefined;
      followed.readOn = this.#link.connections;
      followed.seenOn = this.#link.connections;
    }
    this.#active = steps.length;
    this.#size.learn(bytes, entries);
    this.#underwayBytes += bytes;
  }

  #release({ batches, sources, buffers, bytes }: Held): void {
    this.#held = undefined;
    const generations = sources.map(({ generation }) => generation);
    this.#post({ type: 'entries', batches, generations, bytes }, buffers);
  }

  /** The cursors have moved on: these entries would not be read again. What is missing before them is assumed. */
  #releaseUnchecked(held: Held): void {
    for (const index of held.open) {
      const followed = held.sources[index]!;
      held.batches[index] = { ...held.batches[index]!, trimmed: true, lostAfter: followed.confirmed };
      followed.added = undefined;
      followed.confirmed = followed.after;
    }
    this.#release(held);
  }

  #readFailed(error: string): void {
    if (NEEDS_NEW_CONNECTION.test(error)) {
      this.#link.renew(new Error(error));
    } else if (MAY_BE_A_KEYS.test(error)) {
      this.#isSearching = true;
      new CulpritSearch(
        (command, take) => this.#ask(command, take),
        [...this.#followed.keys()],
        (key, refusal) => this.#evict(key, failureFromRedis(refusal).body),
        (culprits) => {
          this.#isSearching = false;
          if (culprits > 0) {
            this.#read();
            return;
          }
          // As on a node of a cluster, they can be read, but not together.
          if (/^CROSSSLOT/.test(error)) this.#isolate('refusal');
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

  #evict(key: string, failure: FailureBody): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    this.#followed.delete(key);
    this.#command.changed();
    const { generation } = followed;
    this.#post({ type: 'evicted', key, generation, failure });
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
    this.#link.close();
    this.#interrupter.close();
    parentPort?.close();
  }
}

new Reader().start();
