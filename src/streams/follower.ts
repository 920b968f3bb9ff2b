/**
 * One client that follows streams: decides what it is sent next, and when.
 *
 * For each of its streams a follower is *catching up* (the pool reads from its cursor), *live* (fed from
 * the hub's batches) or *behind* (its socket is full: nothing is queued for it, and on drain it goes on
 * from the hub, or catches up where the hub has let its place go).
 *
 * Promises: every entry after the cursor that Redis still holds, in order, each once; with `latest` the
 * newest only, never one older than one sent. It holds one batch at most of its own, of a size that it
 * has shown to take, and none once its client has stopped reading.
 */
import type { Failure } from '../errors.js';
import type { EntryBatch } from '../wire/batch.js';
import { BEFORE_FIRST, compareEntryIds } from '../wire/entry-id.js';
import type { Hub } from './hub.js';
import type { HubListener, HubStream } from './hub-stream.js';
import type { Threads } from './threads.js';

/** Entries `from` to `to` (excluded) of a batch of one of a follower's streams: one message. */
export interface Run {
  /** The stream's place among those that the follower was given. */
  readonly index: number;
  readonly batch: EntryBatch;
  readonly from: number;
  readonly to: number;
  /** Others that keep up are sent the same. */
  readonly isShared: boolean;
}

/** Where a follower's messages go: its client's connection, in its client's framing. */
export interface FollowerOutlet {
  /** Whether a message would go out now rather than wait. */
  isWritable(): boolean;
  /** Sends a run as one message. @returns the message's bytes */
  send(run: Run): number;
  /** Runs `send` so that small messages leave together. */
  cork(send: () => void): void;
  /** Says that there is nothing new. @returns whether this framing has a word for it */
  sendHeartbeat(): boolean;
  /** The follower cannot go on. */
  end(failure: Failure): void;
}

/** Of the contract's pull parameters those that decide what is sent when. */
export interface FollowerParameters {
  readonly latest: boolean;
  /** At most so many entries in a message. */
  readonly count: number;
  /** Ms without data after which a heartbeat is sent; 0: none; -1: at once, whenever caught up. */
  readonly block: number;
  /** Wait for `acknowledge` after each message. */
  readonly ack: boolean;
  /** Messages a second; 0: no limit. */
  readonly maxFps: number;
}

/** What followers did, over all of them, for the metrics. */
export interface FollowerCounters {
  entries: number;
  bytes: number;
  skipped: number;
  trimmed: number;
}

/** Messages from this size on are sent uncorked, since corking would copy them. */
const LARGE_BYTES = 16 * 1024;
/** A follower that has sent so much lets others have their turn. */
const TURN_BYTES = 4 * 1024 * 1024;
const TURN_MESSAGES = 2000;
const FIRST_APPETITE_BYTES = 256 * 1024;
const LEAST_APPETITE_BYTES = 64 * 1024;
const MOST_APPETITE_BYTES = 4 * 1024 * 1024;
const MAX_RANGE_COUNT = 10_000;
/** What an entry is taken for before any was seen. */
const GUESS_ENTRY_BYTES = 64 * 1024;
const RETRY_MS = 100;
/** A client whose connection takes nothing for so long is not read for in advance. */
const STALL_MS = 250;
/** The place in the hub is not known: it must be looked up by the cursor. */
const UNLOCATED = -1;

/** One stream of a follower, and how far it was sent. */
interface FollowedStream {
  readonly index: number;
  readonly hub: HubStream;
  /** The last entry sent. */
  cursor: string;
  /** With `latest`: how many entries the hub had read by then. */
  seen: number;
  /** The batch in the hub that comes next, or `UNLOCATED`, and the entry in it. */
  number: number;
  entry: number;
  /** What the pool read while catching up, and the entry in it that comes next. */
  backlog: EntryBatch | undefined;
  backlogEntry: number;
  isFetching: boolean;
  /** The cursor is one that we read, so that entries trimmed after it are a loss. */
  isOwnCursor: boolean;
}

export interface FollowerStream {
  readonly key: string;
  readonly cursor: string;
  /** The stream's last generated id at the request. */
  readonly tail: string;
}

export interface FollowerContext {
  readonly hub: Hub;
  readonly threads: Threads;
  readonly counters: FollowerCounters;
}

export class Follower implements HubListener {
  readonly #context: FollowerContext;
  readonly #parameters: FollowerParameters;
  readonly #outlet: FollowerOutlet;
  readonly #streams: readonly FollowedStream[];
  /** The stream whose turn it is: each sends one message in turn. */
  #turn = 0;
  #isPumping = false;
  #isEnded = false;
  #awaitsAck = false;
  #nextFrameAt = 0;
  #appetite = FIRST_APPETITE_BYTES;
  #lastSentAt = Date.now();
  /** With `block=-1`: whether a client that has caught up is still to be told so. */
  #owesHeartbeat = true;
  #frameTimer: NodeJS.Timeout | undefined;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #turnTimer: NodeJS.Immediate | undefined;
  /** Found too large to be corked with those before it: sent next. */
  #largeRun: Run | undefined;

  constructor(
    context: FollowerContext,
    streams: readonly FollowerStream[],
    parameters: FollowerParameters,
    outlet: FollowerOutlet,
  ) {
    this.#context = context;
    this.#parameters = parameters;
    this.#outlet = outlet;
    this.#streams = streams.map(({ key, cursor, tail }, index) => {
      const hub = context.hub.follow(key, tail, this);
      return {
        index,
        hub,
        cursor,
        seen: hub.entries,
        number: UNLOCATED,
        entry: 0,
        backlog: undefined,
        backlogEntry: 0,
        isFetching: false,
        isOwnCursor: cursor === tail && tail !== BEFORE_FIRST,
      };
    });
    this.#armHeartbeat();
  }

  onEntries(): void {
    this.pump();
  }

  onEvicted(failure: Failure): void {
    this.#outlet.end(failure);
  }

  /** The client acknowledged a message. */
  acknowledge(): void {
    this.#awaitsAck = false;
    this.#owesHeartbeat = true;
    this.pump();
  }

  /** Sends what there is to send, as far as the client can take it. */
  pump(): void {
    if (this.#isPumping || this.#isEnded) return;
    this.#isPumping = true;
    try {
      this.#sendTurn();
    } finally {
      this.#isPumping = false;
    }
  }

  /** Lets go of everything; nothing is sent any more. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#frameTimer);
    clearTimeout(this.#heartbeatTimer);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#stallTimer);
    clearImmediate(this.#turnTimer);
    for (const stream of this.#streams) {
      stream.backlog = undefined;
      this.#context.hub.unfollow(stream.hub, this);
    }
  }

  #sendTurn(): void {
    let bytes = 0;
    let messages = 0;
    // Once a turn is exact enough for heartbeats, and asking for the time costs as much as a small send.
    const sentAt = Date.now();
    const mayGoOn = () => bytes < TURN_BYTES && messages < TURN_MESSAGES;
    const sendSmall = () => {
      while (mayGoOn() && this.#maySend()) {
        const run = this.#nextRun();
        if (run === undefined) return;
        if (runBytes(run) >= LARGE_BYTES) {
          this.#largeRun = run;
          return;
        }
        bytes += this.#send(run);
        messages++;
      }
    };
    for (;;) {
      if (messages > 0) this.#lastSentAt = sentAt;
      if (!mayGoOn()) {
        this.#turnTimer ??= setImmediate(() => {
          this.#turnTimer = undefined;
          this.pump();
        });
        return;
      }
      if (!this.#maySend()) {
        this.#watchForStall();
        return;
      }
      const run = this.#nextRun();
      if (run === undefined) {
        this.#caughtUp();
        return;
      }
      if (runBytes(run) >= LARGE_BYTES) {
        bytes += this.#send(run);
        messages++;
      } else {
        this.#outlet.cork(() => {
          bytes += this.#send(run);
          messages++;
          sendSmall();
        });
        const large = this.#largeRun;
        this.#largeRun = undefined;
        if (large !== undefined) {
          bytes += this.#send(large);
          messages++;
        }
      }
    }
  }

  #maySend(): boolean {
    if (this.#isEnded || this.#awaitsAck || !this.#outlet.isWritable()) return false;
    if (this.#parameters.maxFps === 0) return true;
    const wait = this.#nextFrameAt - performance.now();
    if (wait <= 0) return true;
    this.#frameTimer ??= setTimeout(() => {
      this.#frameTimer = undefined;
      this.pump();
    }, Math.ceil(wait));
    return false;
  }

  /** The next message's entries, of the first stream in turn that has any. */
  #nextRun(): Run | undefined {
    for (let tried = 0; tried < this.#streams.length; tried++) {
      const stream = this.#streams[this.#turn]!;
      this.#turn = this.#turn + 1 === this.#streams.length ? 0 : this.#turn + 1;
      const run = this.#parameters.latest ? this.#newestOf(stream) : this.#nextOf(stream);
      if (run !== undefined) return run;
    }
    return undefined;
  }

  #nextOf(stream: FollowedStream): Run | undefined {
    const { count } = this.#parameters;
    const { backlog } = stream;
    if (backlog !== undefined) {
      if (stream.backlogEntry < backlog.length) {
        const from = stream.backlogEntry;
        const to = Math.min(from + count, backlog.length);
        return { index: stream.index, batch: backlog, from, to, isShared: false };
      }
      stream.backlog = undefined;
      this.#appetite = Math.min(this.#appetite * 2, MOST_APPETITE_BYTES);
    }
    for (;;) {
      if (stream.number === UNLOCATED && !this.#locate(stream)) return undefined;
      if (stream.number === stream.hub.nextNumber) return undefined;
      const batch = stream.hub.batch(stream.number);
      if (batch === undefined) {
        stream.number = UNLOCATED;
      } else if (stream.entry < batch.length) {
        const from = stream.entry;
        const to = Math.min(from + count, batch.length);
        return { index: stream.index, batch, from, to, isShared: isShared(stream.hub, batch) };
      } else {
        stream.number++;
        stream.entry = 0;
      }
    }
  }

  /** Finds the cursor's place in the hub. Where the hub does not go back that far, the pool is asked. */
  #locate(stream: FollowedStream): boolean {
    const position = stream.hub.locate(stream.cursor);
    if (position !== undefined) {
      stream.number = position.number;
      stream.entry = position.index;
      return true;
    }
    if (compareEntryIds(stream.cursor, stream.hub.startAfter) < 0) void this.#fetch(stream);
    return false;
  }

  #newestOf(stream: FollowedStream): Run | undefined {
    const { hub } = stream;
    const { newest } = hub;
    if (newest !== undefined && compareEntryIds(hub.lastId, stream.cursor) > 0) {
      stream.backlog = undefined;
      return lastOf(stream, newest, isShared(hub, newest));
    }
    const { backlog } = stream;
    if (backlog !== undefined && stream.backlogEntry < backlog.length) {
      return lastOf(stream, backlog, false);
    }
    stream.backlog = undefined;
    if (compareEntryIds(hub.lastId, stream.cursor) > 0) void this.#fetch(stream);
    return undefined;
  }

  /** Asks the pool for what comes after the cursor; what comes is pumped. */
  async #fetch(stream: FollowedStream): Promise<void> {
    if (stream.isFetching || this.#retryTimer !== undefined) return;
    stream.isFetching = true;
    const { hub, cursor } = stream;
    // What the hub held from here on when the read began need not be read again.
    const read = this.#parameters.latest ? hub.lastId : hub.startAfter;
    try {
      const [batch] = await this.#context.threads.range({
        streams: [{ key: hub.key, after: cursor }],
        count: this.#parameters.latest ? 1 : MAX_RANGE_COUNT,
        latest: this.#parameters.latest,
        maxBytes: this.#appetite,
        expectedBytes: hub.entryBytes || GUESS_ENTRY_BYTES,
        detectTrimming: stream.isOwnCursor,
      });
      stream.isFetching = false;
      if (this.#isEnded || batch === undefined) return;
      if (batch.trimmed) this.#context.counters.trimmed++;
      if (stream.cursor !== cursor) {
        // With `latest` a newer entry was sent meanwhile.
      } else if (batch.length > 0) {
        stream.backlog = batch;
        stream.backlogEntry = 0;
      } else if (compareEntryIds(stream.cursor, read) < 0) {
        // Nothing is left up to there.
        stream.cursor = read;
      }
      this.pump();
    } catch (error) {
      stream.isFetching = false;
      this.#fetchFailed(error as Failure);
    }
  }

  #fetchFailed(failure: Failure): void {
    if (this.#isEnded) return;
    // The client keeps its connection through whatever passes.
    if (!failure.kind?.retry && failure.code !== 'internal') {
      this.#outlet.end(failure);
      return;
    }
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.pump();
    }, RETRY_MS);
  }

  /** Sends a run and moves its stream past it. @returns the message's bytes */
  #send(run: Run): number {
    const { batch, from, to } = run;
    const { maxFps, ack, latest } = this.#parameters;
    const stream = this.#streams[run.index]!;
    const bytes = this.#outlet.send(run);
    const { counters } = this.#context;
    counters.entries += to - from;
    counters.bytes += bytes;
    stream.cursor = batch.ids[to - 1]!;
    stream.isOwnCursor = true;
    if (batch === stream.backlog) {
      stream.backlogEntry = to;
    } else if (latest) {
      counters.skipped += stream.hub.entries - stream.seen - 1;
      stream.seen = stream.hub.entries;
    } else {
      if (from === 0 && batch.trimmed) counters.trimmed++;
      stream.entry = to;
    }
    this.#owesHeartbeat = true;
    this.#awaitsAck = ack;
    if (maxFps > 0) this.#nextFrameAt = Math.max(this.#nextFrameAt, performance.now() - 1) + 1000 / maxFps;
    return bytes;
  }

  /**
   * What was read for a client alone is let go where it takes nothing for a while; the cursor finds it
   * again. Not at once: a client that is merely slow would have everything read for it many times.
   */
  #watchForStall(): void {
    if (this.#isEnded || this.#stallTimer !== undefined) return;
    if (this.#awaitsAck || this.#streams.every((stream) => stream.backlog === undefined)) return;
    this.#stallTimer = setTimeout(() => {
      this.#stallTimer = undefined;
      if (!this.#outlet.isWritable()) this.#giveUpBacklogs();
    }, STALL_MS);
  }

  #giveUpBacklogs(): void {
    for (const stream of this.#streams) {
      if (stream.backlog === undefined) continue;
      stream.backlog = undefined;
      stream.number = UNLOCATED;
    }
    this.#appetite = Math.max(this.#appetite / 2, LEAST_APPETITE_BYTES);
  }

  #caughtUp(): void {
    if (this.#parameters.block >= 0 || !this.#owesHeartbeat) return;
    if (this.#retryTimer !== undefined || this.#streams.some((stream) => stream.isFetching)) return;
    this.#sendHeartbeat();
  }

  #sendHeartbeat(): void {
    this.#owesHeartbeat = false;
    if (this.#awaitsAck || !this.#outlet.isWritable() || !this.#outlet.sendHeartbeat()) return;
    this.#lastSentAt = Date.now();
    this.#awaitsAck = this.#parameters.ack;
  }

  #armHeartbeat(): void {
    const { block } = this.#parameters;
    if (block <= 0) return;
    const fire = () => {
      if (Date.now() - this.#lastSentAt >= block) this.#sendHeartbeat();
      // What was sent since the timer was set puts the next heartbeat off.
      const due = this.#lastSentAt + block - Date.now();
      this.#heartbeatTimer = setTimeout(fire, due > 0 ? due : block);
    };
    this.#heartbeatTimer = setTimeout(fire, block);
  }
}

function runBytes({ batch, from, to }: Run): number {
  return batch.start(to) - batch.start(from);
}

function lastOf(stream: FollowedStream, batch: EntryBatch, isShared: boolean): Run {
  return { index: stream.index, batch, from: batch.length - 1, to: batch.length, isShared };
}

/** Whether others are about to be sent the same: they are at the newest batch too. */
function isShared(hub: HubStream, batch: EntryBatch): boolean {
  return batch === hub.newest && hub.listeners.size > 1;
}
