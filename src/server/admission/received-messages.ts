/**
 * Bounds what the WebSocket library keeps of messages that clients send.
 *
 * It gathers a message that comes in pieces in a buffer of its socket, shows nothing of it before it is
 * complete, and keeps the buffer until the socket closes. So of each socket two things may be held:
 *
 *     kept         the buffer of its largest message so far: its size is known, and counted
 *     unfinished   the message that is under way: only the memory of the whole process shows it
 *
 * Kept buffers may take MAX_BUFFERED_BYTES together. Beyond it those sockets are closed that have sent nothing
 * for longest, or where all send, the newest.
 *
 * Unfinished messages are watched by what the process has grown beyond all that is known. At half of
 * MAX_BUFFERED_BYTES all sockets are paused that have not just completed a message, so that nothing grows. If that does not pass within a
 * moment, those are closed that have not completed a message for a while, until half of it is free again; then
 * the others go on. One that completes messages cannot hold much besides: a message cannot be sent within another.
 *
 * Between two looks the process must not grow by too much: see reading-turns.ts.
 *
 * Where so few sockets are open that all of them together cannot hold more than MAX_BUFFERED_BYTES, as on an idle
 * gateway, nothing is watched.
 */
import { Failure } from '../../protocol/errors.js';
import { ReadingTurns, type TurnTaker } from './reading-turns.js';

const MIB = 1024 * 1024;
/** Below, the process' memory says too little. */
const LEAST_ALARM_BYTES = 64 * MIB;
/** An alarm that came to nothing raises what counts as usual; the next comes after this much at least. */
const LEAST_GROWTH_BYTES = 32 * MIB;
/** Smaller messages mostly come whole, so that the library gathers none. */
const GATHERED_BYTES = 32 * 1024;
/** Growth of other causes, as of reads that end, may pass by itself. */
const PATIENCE_MS = 500;
/** A socket that completed a message within this time before an alarm is not closed for it. */
const RECENT_MS = 2000;
/** One that has just completed a message is read on during an alarm: it holds little, and a fast producer is not slowed. */
const JUST_NOW_MS = 100;
/** A kept buffer that was not used for so long gives way first. */
const IDLE_MS = 10_000;
/** Of a socket that completed no message yet. */
const NEVER = Number.NEGATIVE_INFINITY;
/** So many parts the suspects are closed in, to see what each part held. */
const PARTS = 16;

export interface ReceivingSocket {
  pauseReading(): void;
  resumeReading(): void;
  /** Closes it at once, so that its memory is free. */
  drop(failure: Failure): void;
}

export interface ReceivedMessagesOptions {
  /** MAX_BUFFERED_BYTES. */
  readonly max: number;
  /** The process' memory in bytes, without what is cheaply known to be held for other reasons. */
  readonly memory: () => number;
  /** The part of it that waits for clients to read it; asked for only where it matters. */
  readonly unread: () => number;
  /** Starts to call `look` many times a second. Without, once a second is enough. @returns ends it */
  readonly watch: () => () => void;
}

/** What is known of one socket. */
export class Receiver implements TurnTaker {
  readonly socket: ReceivingSocket;
  readonly #all: ReceivedMessages;
  /** Bytes of the longest message that the library gathers. */
  readonly most: number;
  /** By `ReceivedMessages.now`. */
  readonly opened: number;
  /** By the same clock; before its first message it is `NEVER`, a number, so that a message allocates nothing. */
  completedAt = NEVER;
  /** Bytes of its largest message. */
  kept = 0;

  constructor(socket: ReceivingSocket, most: number, all: ReceivedMessages) {
    this.socket = socket;
    this.most = most;
    this.#all = all;
    this.opened = all.now;
  }

  get isProven(): boolean {
    return this.completedAt !== NEVER;
  }

  pauseReading(): void {
    this.socket.pauseReading();
  }

  resumeReading(): void {
    this.socket.resumeReading();
  }

  /** To be called for each message, with its length. */
  completed(bytes: number): void {
    if (this.completedAt === NEVER) this.#all.turns.proven(this);
    this.completedAt = this.#all.now;
    if (bytes > this.kept && bytes >= GATHERED_BYTES) {
      this.#all.keptBytes += bytes - this.kept;
      this.kept = bytes;
    }
  }

  close(): void {
    this.#all.closed(this);
  }
}

export class ReceivedMessages {
  readonly #max: number;
  readonly #alarm: number;
  readonly #memory: () => number;
  readonly #unread: () => number;
  readonly #startWatch: () => () => void;
  #endWatch: (() => void) | undefined;
  readonly #receivers = new Set<Receiver>();
  readonly turns = new ReadingTurns<Receiver>();
  /** What all sockets together could hold. */
  #possibleBytes = 0;
  /** The time of the last look, at most a second ago: exact enough, and free. */
  now = performance.now();
  /** Buffers of finished messages. */
  keptBytes = 0;
  /** Sockets closed for what they held. */
  closes = 0;
  /** The least memory seen, and what earlier alarms could not explain. */
  #usual: number | undefined;
  /** The part of it that came of alarms. */
  #unexplained = 0;
  /** Kept buffers that were let go: the allocator may keep the memory, which is no growth then. */
  #freed = 0;
  #grown = 0;
  #pausedSince: number | undefined;
  #suspects: Receiver[] | undefined;

  constructor({ max, memory, unread, watch }: ReceivedMessagesOptions) {
    this.#max = max;
    this.#alarm = Math.max(max / 2, LEAST_ALARM_BYTES);
    this.#memory = memory;
    this.#unread = unread;
    this.#startWatch = watch;
  }

  /** Growth of the process that nothing explains but unfinished messages. */
  get unfinishedBytes(): number {
    return this.#grown;
  }

  /** Whether only sockets that have just completed a message are read. */
  get isPaused(): boolean {
    return this.#pausedSince !== undefined;
  }

  /** @param most bytes of the longest message that the library gathers for the socket */
  open(socket: ReceivingSocket, most: number): Receiver {
    const receiver = new Receiver(socket, most, this);
    this.#receivers.add(receiver);
    this.#possibleBytes += most;
    this.turns.open(receiver, this.#canHoldTooMuch ? this.#room : Number.POSITIVE_INFINITY);
    this.#adjustWatch();
    return receiver;
  }

  closed(receiver: Receiver): void {
    if (!this.#receivers.delete(receiver)) return;
    this.turns.closed(receiver);
    this.#possibleBytes -= receiver.most;
    this.keptBytes -= receiver.kept;
    this.#freed += receiver.kept;
    this.#adjustWatch();
  }

  /** Looks at the memory, and does what must be done. To be called once a second at least. */
  look(): void {
    this.now = performance.now();
    if (this.keptBytes > this.#max) this.#dropKept();
    this.#measure();
    if (this.isPaused) this.#relieve();
    else if (this.#grown > this.#limit && this.#canHoldTooMuch) this.#pauseSilent();
    else if (this.turns.waiting > 0) this.#takeTurns();
  }

  /** Ends the watch. */
  close(): void {
    this.#endWatch?.();
    this.#endWatch = undefined;
  }

  /** Bytes that may still be read before an alarm. */
  get #room(): number {
    return this.#limit - this.#grown;
  }

  get #canHoldTooMuch(): boolean {
    return this.#possibleBytes > this.#max;
  }

  #adjustWatch(): void {
    const isNeeded = this.#canHoldTooMuch || this.isPaused || this.turns.waiting > 0;
    if (isNeeded) this.#endWatch ??= this.#startWatch();
    else this.close();
  }

  get #limit(): number {
    return Math.max(this.#alarm - this.#unexplained, LEAST_GROWTH_BYTES);
  }

  #measure(): void {
    let memory = this.#memory() - this.keptBytes;
    this.#usual ??= memory;
    if (memory - this.#usual > this.#limit / 4) memory -= this.#unread();
    this.#freed = Math.min(this.#freed, Math.max(memory - this.#usual, 0));
    if (memory < this.#usual) {
      this.#unexplained = Math.max(this.#unexplained - (this.#usual - memory), 0);
      this.#usual = memory;
    }
    this.#grown = memory - this.#usual - this.#freed;
  }

  #pauseSilent(): void {
    this.#pausedSince ??= this.now;
    const since = this.now - JUST_NOW_MS;
    this.turns.pause(this.#bySuspicion().filter(({ completedAt }) => completedAt < since));
  }

  /** Closes suspects part by part, for as long as too much is held. */
  #relieve(): void {
    if (this.#grown <= this.#limit / 2) {
      this.#goOn();
      return;
    }
    if (this.now - this.#pausedSince! < PATIENCE_MS) {
      this.#pauseSilent();
      return;
    }
    this.#suspects ??= this.#findSuspects();
    const part = Math.max(1, Math.ceil(this.#suspects.length / PARTS));
    const failure = new Failure(
      'overloaded',
      'unfinished messages take too much memory (MAX_BUFFERED_BYTES)',
    );
    for (const suspect of this.#suspects.splice(-part)) this.#drop(suspect, failure);
    if (this.#suspects.length > 0) return;
    // Something else has grown, or the allocator keeps what was freed.
    this.#measure();
    this.#usual! += this.#grown;
    this.#unexplained += this.#grown;
    this.#grown = 0;
    this.#goOn();
  }

  /** The most suspicious last: those that never completed a message, the newest of them last of all. */
  #bySuspicion(): Receiver[] {
    const rank = ({ isProven, completedAt, opened }: Receiver) => (isProven ? -completedAt : opened);
    const isNew = ({ isProven }: Receiver) => Number(!isProven);
    return [...this.#receivers].sort((a, b) => isNew(a) - isNew(b) || rank(a) - rank(b));
  }

  #findSuspects(): Receiver[] {
    const recent = this.#pausedSince! - RECENT_MS;
    return this.#bySuspicion().filter(({ completedAt }) => completedAt < recent);
  }

  #goOn(): void {
    this.#pausedSince = undefined;
    this.#suspects = undefined;
    this.#takeTurns();
  }

  #takeTurns(): void {
    this.turns.takeTurns(this.#room, this.now);
    this.#adjustWatch();
  }

  #dropKept(): void {
    const keepers = [...this.#receivers].filter(({ kept }) => kept > 0);
    const isIdle = ({ completedAt }: Receiver) => Number(this.now - completedAt >= IDLE_MS);
    const idleFirst = (a: Receiver, b: Receiver) =>
      isIdle(b) - isIdle(a) || (isIdle(a) ? a.completedAt - b.completedAt : b.opened - a.opened);
    const failure = new Failure('overloaded', 'large messages take too much memory (MAX_BUFFERED_BYTES)');
    for (const keeper of keepers.sort(idleFirst)) {
      if (this.keptBytes <= this.#max) return;
      this.#drop(keeper, failure);
    }
  }

  #drop(receiver: Receiver, failure: Failure): void {
    this.closes++;
    receiver.socket.drop(failure);
    this.closed(receiver);
  }
}
