/**
 * A reader thread: follows a set of streams for everyone with one blocking XREAD on a connection of its
 * own, packs what comes and transfers it to main.
 *
 * Promises: the entries of a stream come in order, each once, from after the id that it was followed
 * from, across reconnections; a key that cannot be read is told, taken out and harms no other; at most
 * `MAX_UNDERWAY_BYTES` and one reply are under way to main.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type FailureBody, failureFromRedis } from '../src/errors.js';
import { RedisConnection } from '../src/redis/connection.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { OVERTAKEN_SCRIPT } from '../src/redis/scripts.js';
import { BlockingRead, packBatches, type ReadEntries, readEntries } from '../src/redis/stream-reads.js';
import type { PackedBatch } from '../src/wire/batch.js';
import type { ReaderCommand, ReaderEvent, ThreadData } from './messages.js';

/** A reply is kept near this size by COUNT. */
const REPLY_BYTES = 8 * 1024 * 1024;
const MAX_UNDERWAY_BYTES = 32 * 1024 * 1024;
/** Until entries have been seen they are taken to be large, so that the first reply is not far too. */
const FIRST_GUESS_BYTES = 512 * 1024;
const MAX_COUNT = 1000;
/** One more than the least, so that a stream of the largest entries can be seen to be read to its end. */
const MIN_COUNT = 2;
/** A read goes on unaware of a key that becomes another type: it is noticed by the next. */
const BLOCK_MS = 500;
/** A read that takes so much longer than it may block is on a dead connection. */
const OVERDUE_MS = 3000;
/** An interrupted read that has not ended by then was not blocked when the interruption came. */
const INTERRUPT_AGAIN_MS = 5;
const RETRY_MS = 100;
const FIRST_RECONNECT_MS = 20;
const LAST_RECONNECT_MS = 500;
/** So many entries at once of a stream whose length was not asked may be what trimming left of more. */
const MANY_ENTRIES = 64;
/** Streams whose length is asked before a read, of those that the last one brought entries of. */
const MAX_LENGTHS = 256;
/** Every XREAD costs Redis time for each stream, so large sets are read after a pause: 1 ms for each … */
const STREAMS_PER_PAUSE_MS = 500;
const MAX_PAUSE_MS = 20;

interface Followed {
  after: string;
  /** The first read that counts for it: an earlier one may still bring entries from an older cursor. */
  readonly firstRead: number;
  /** Entries that the stream held right before the read under way; undefined where it was not asked. */
  length: number | undefined;
}

/** What a read brought, while Redis is asked whether entries before it were trimmed unread. */
interface Held {
  readonly batches: PackedBatch[];
  readonly buffers: ArrayBuffer[];
  readonly bytes: number;
  /** Questions without an answer. */
  open: number;
}

/** What the next reply on the reading connection answers. */
type Expected =
  | { readonly type: 'client-id' | 'read' }
  | { readonly type: 'length'; readonly key: string }
  | { readonly type: 'overtaken'; readonly held: Held; readonly index: number }
  | { readonly type: 'probe'; readonly key: string; readonly isLast: boolean };

class Reader {
  readonly #target = (workerData as ThreadData).target;
  readonly #followed = new Map<string, Followed>();
  readonly #command = new BlockingRead();
  readonly #expected: Expected[] = [];
  #connection: RedisConnection | undefined;
  #interrupter: RedisConnection | undefined;
  #isInterrupterReady = false;
  #clientId: number | undefined;
  #reads = 0;
  #isReading = false;
  #isStopped = false;
  #underwayBytes = 0;
  #entryBytes = FIRST_GUESS_BYTES;
  /** The streams that the last read brought entries of. */
  #active: readonly string[] = [];
  /** COUNT of the read under way. */
  #count = MIN_COUNT;
  #held: Held | undefined;
  #reconnectMs = FIRST_RECONNECT_MS;
  #overdueTimer: NodeJS.Timeout | undefined;
  #interruptTimer: NodeJS.Timeout | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  #reconnectTimer: NodeJS.Timeout | undefined;

  start(): void {
    parentPort?.on('message', (command: ReaderCommand) => this.#take(command));
    this.#connect();
  }

  #post(event: ReaderEvent, transfer: ArrayBuffer[] = []): void {
    parentPort?.postMessage(event, transfer);
  }

  #take(command: ReaderCommand): void {
    if (command.type === 'follow') {
      this.#followed.set(command.key, {
        after: command.after,
        firstRead: this.#reads + 1,
        length: undefined,
      });
      this.#command.changed();
      if (this.#isReading) this.#interrupt();
      else this.#read();
    } else if (command.type === 'unfollow') {
      // The read under way goes on; what it brings for this key is passed over.
      this.#followed.delete(command.key);
      this.#command.changed();
    } else if (command.type === 'consumed') {
      this.#underwayBytes -= command.bytes;
      this.#read();
    } else {
      this.#stop();
    }
  }

  #connect(): void {
    this.#connection = new RedisConnection(this.#target, 'reader', {
      ready: () => this.#ready(),
      reply: (cursor) => this.#reply(cursor),
      closed: (cause) => this.#lost(cause),
    });
  }

  #ready(): void {
    this.#reconnectMs = FIRST_RECONNECT_MS;
    this.#expected.push({ type: 'client-id' });
    this.#connection?.write(encodeCommand(['CLIENT', 'ID']));
  }

  #lost(cause: Error): void {
    if (this.#isStopped) return;
    if (this.#clientId !== undefined) this.#post({ type: 'disconnected', reason: cause.message });
    this.#clientId = undefined;
    this.#expected.length = 0;
    // Their cursors have moved on: these entries would not be read again.
    if (this.#held !== undefined) this.#release(this.#held);
    this.#endRead();
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
    this.#dropInterrupter();
    this.#reconnectTimer = setTimeout(() => this.#connect(), this.#reconnectMs);
    this.#reconnectMs = Math.min(this.#reconnectMs * 2, LAST_RECONNECT_MS);
  }

  /** Sends the next read, unless one is under way or something else must come first. */
  #read(): void {
    const mustWait =
      this.#isReading ||
      this.#clientId === undefined ||
      this.#followed.size === 0 ||
      this.#pauseTimer !== undefined;
    if (mustWait || this.#underwayBytes > MAX_UNDERWAY_BYTES) return;
    this.#isReading = true;
    this.#reads++;
    const count = Math.floor(REPLY_BYTES / (this.#entryBytes * Math.max(this.#active.length, 1)));
    this.#count = Math.min(Math.max(count, MIN_COUNT), MAX_COUNT);
    const lengths = this.#askLengths();
    this.#expected.push({ type: 'read' });
    this.#connection?.write(...lengths, ...this.#command.encode(this.#followed, this.#count, BLOCK_MS));
    this.#overdueTimer = setTimeout(() => {
      this.#connection?.destroy(new Error('Redis did not end a blocking read in time'));
    }, BLOCK_MS + OVERDUE_MS);
  }

  /**
   * XLEN costs Redis next to nothing, and clears nearly every read of the suspicion that trimming had
   * overtaken it: what the stream held besides the entries read was older.
   */
  #askLengths(): Buffer[] {
    const commands: Buffer[] = [];
    for (const key of this.#active) {
      if (commands.length === MAX_LENGTHS) break;
      if (!this.#followed.has(key)) continue;
      this.#expected.push({ type: 'length', key });
      commands.push(encodeCommand(['XLEN', key]));
    }
    return commands;
  }

  #endRead(): void {
    this.#isReading = false;
    clearTimeout(this.#overdueTimer);
    clearTimeout(this.#interruptTimer);
    this.#interruptTimer = undefined;
  }

  #reply(cursor: ReplyCursor): void {
    const expected = this.#expected.shift();
    if (expected?.type === 'read') {
      this.#endRead();
      if (cursor.isError) this.#readFailed(cursor.text());
      else this.#readDone(cursor);
    } else if (expected?.type === 'length') {
      const followed = this.#followed.get(expected.key);
      if (followed !== undefined && !cursor.isError) followed.length = cursor.number();
    } else if (expected?.type === 'overtaken') {
      this.#overtakenKnown(expected.held, expected.index, !cursor.isError && cursor.number() === 1);
    } else if (expected?.type === 'probe') {
      if (cursor.isError) this.#evict(expected.key, failureFromRedis(cursor.text()).body);
      if (expected.isLast) this.#pause(RETRY_MS);
    } else if (expected?.type === 'client-id') {
      this.#clientId = cursor.number();
      this.#post({ type: 'connected' });
      this.#read();
    } else {
      throw new Error('Redis answered more than it was asked');
    }
  }

  #readDone(cursor: ReplyCursor): void {
    const reads: ReadEntries[] = [];
    const suspects: number[] = [];
    for (let streams = cursor.array(); streams > 0; streams--) {
      cursor.array();
      const key = cursor.text();
      const followed = this.#followed.get(key);
      if (followed === undefined || followed.firstRead > this.#reads) {
        cursor.skip();
        continue;
      }
      const read = readEntries(cursor, key, followed.after, false);
      followed.after = read.ids.at(-1) ?? followed.after;
      if (this.#mayBeOvertaken(read.ids.length, followed.length)) suspects.push(reads.length);
      reads.push(read);
    }
    for (const key of this.#active) {
      const followed = this.#followed.get(key);
      if (followed !== undefined) followed.length = undefined;
    }
    if (reads.length > 0) {
      this.#active = reads.map(({ key }) => key);
      this.#deliver(reads, suspects);
    }
    const pause = Math.min(Math.floor(this.#followed.size / STREAMS_PER_PAUSE_MS), MAX_PAUSE_MS);
    if (pause > 0) this.#pause(pause);
    else this.#read();
  }

  /** @param length entries that the stream held before the read, if it was asked */
  #mayBeOvertaken(entries: number, length: number | undefined): boolean {
    if (length === undefined) return entries >= Math.min(MANY_ENTRIES, this.#count);
    return length > 0 && (entries === this.#count || entries >= length);
  }

  #deliver(reads: readonly ReadEntries[], suspects: readonly number[]): void {
    const { batches, buffers } = packBatches(reads);
    const bytes = reads.reduce((sum, read) => sum + read.bytes, 0);
    const entries = reads.reduce((sum, read) => sum + read.ids.length, 0);
    // Larger entries count at once, smaller ones by and by.
    this.#entryBytes = Math.max(bytes / entries, this.#entryBytes * 0.75 + (bytes / entries) * 0.25, 1);
    this.#underwayBytes += bytes;
    this.#held = { batches, buffers, bytes, open: suspects.length };
    if (suspects.length === 0) this.#release(this.#held);
    for (const index of suspects) {
      const { key, after } = reads[index]!;
      this.#expected.push({ type: 'overtaken', held: this.#held, index });
      this.#connection?.write(encodeCommand(['EVAL', OVERTAKEN_SCRIPT, 1, key, after]));
    }
  }

  #overtakenKnown(held: Held, index: number, isOvertaken: boolean): void {
    if (isOvertaken) held.batches[index] = { ...held.batches[index]!, trimmed: true };
    held.open--;
    if (held.open === 0) this.#release(held);
  }

  #release({ batches, buffers, bytes }: Held): void {
    this.#held = undefined;
    this.#post({ type: 'entries', batches, bytes }, buffers);
  }

  #readFailed(error: string): void {
    // One bad key fails the whole read: ask for each alone, and take out those that fail by themselves.
    if (!/^(WRONGTYPE|NOPERM|ERR)/.test(error)) {
      this.#pause(RETRY_MS);
      return;
    }
    const keys = [...this.#followed.keys()];
    keys.forEach((key, index) => {
      this.#expected.push({ type: 'probe', key, isLast: index === keys.length - 1 });
      this.#connection?.write(encodeCommand(['XLEN', key]));
    });
    if (keys.length > 0) this.#isReading = true;
  }

  #evict(key: string, failure: FailureBody): void {
    if (!this.#followed.delete(key)) return;
    this.#command.changed();
    this.#post({ type: 'evicted', key, failure });
  }

  #pause(ms: number): void {
    this.#isReading = false;
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#read();
    }, ms);
  }

  /**
   * Ends the read under way, so that the next one has the changed set. CLIENT UNBLOCK does nothing to a
   * read that Redis has not begun, so it is sent again until the read has ended.
   */
  #interrupt(): void {
    if (this.#interruptTimer !== undefined) return;
    this.#interrupter ??= new RedisConnection(this.#target, 'interrupt', {
      ready: () => {
        this.#isInterrupterReady = true;
        this.#sendInterrupt();
      },
      reply: (cursor) => cursor.skip(),
      closed: () => this.#dropInterrupter(),
    });
    this.#sendInterrupt();
  }

  #sendInterrupt(): void {
    clearTimeout(this.#interruptTimer);
    this.#interruptTimer = undefined;
    if (!this.#isReading || this.#clientId === undefined) return;
    if (this.#isInterrupterReady) {
      this.#interrupter?.write(encodeCommand(['CLIENT', 'UNBLOCK', this.#clientId]));
    }
    this.#interruptTimer = setTimeout(() => {
      this.#interruptTimer = undefined;
      this.#interrupt();
    }, INTERRUPT_AGAIN_MS);
  }

  #dropInterrupter(): void {
    const interrupter = this.#interrupter;
    this.#interrupter = undefined;
    this.#isInterrupterReady = false;
    interrupter?.destroy();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#endRead();
    clearTimeout(this.#pauseTimer);
    clearTimeout(this.#reconnectTimer);
    this.#connection?.destroy();
    this.#dropInterrupter();
    parentPort?.close();
  }
}

new Reader().start();
