/**
 * Keeps a pipe connected: prepares each connection before entries are written to it, and says when Redis was away for
 * too long.
 *
 *     connecting ── prepared ──▶ open ── lost, silent, not the master ──▶ connecting …
 */
import { randomBytes } from 'node:crypto';
import { readInvalidation } from '../redis/invalidations.js';
import { type Loss, ReconnectingConnection } from '../redis/reconnecting-connection.js';
import type { ReplyCursor } from '../redis/resp.js';
import type { RedisTarget } from '../redis/target.js';
import { TrackingAttempts } from '../redis/tracking-attempts.js';
import type { Logger } from '../system/logger.js';
import { askForChanges } from './ask-for-changes.js';
import { type Introduction, introduce } from './introduction.js';
import { type Asking, Questions } from './questions.js';

/**
 * A connection that owes answers and on which nothing has moved for so long is taken for dead: soon enough
 * for another to be tried before the outage is over its limit, and later than a WAIT may last.
 */
const SILENCE_MS = 2000;
/** How long Redis may take over all that is asked before entries are written. */
const PREPARE_MS = 5000;
/** A connection that lasted so long was a good one, though nothing was answered on it. */
const LASTING_MS = 1000;
/** A server that takes no writes is left for whatever is at its address now, but not more often. */
const LEAVE_AGAIN_MS = 2000;
/** The kernel is to hold several large entries, so that Redis can read on while this process does something else. */
const SEND_BUFFER_BYTES = 2 * 1024 * 1024;

/** No other connection has this name, also not on another server or after a restart. */
const newRole = () => `append-${randomBytes(6).toString('hex')}`;

export interface AppendConnectionHandler {
  /** Whether Redis owes answers. */
  owesAnswers(): boolean;
  /** Whether nothing waits to be stored. */
  isIdle(): boolean;
  /** A connection is there, and may be asked things; entries may be written once this resolves. */
  prepare(asking: Asking, begun: Introduction): Promise<void>;
  /** From now on until `lost` entries may be written. */
  opened(): void;
  reply(cursor: ReplyCursor): void;
  /** Another client has changed the stream `key`, of those that were read here since; undefined: perhaps all. */
  changed(key: string | undefined): void;
  /** @param takenBytes bytes of entries that Redis may have read; it has read none beyond */
  lost(begun: Introduction, takenBytes: number): void;
  /** Redis answered no entry for `maxOutageMs`, from the last sign of it on; it is looked for further. */
  unreachable(): void;
}

export interface AppendConnectionOptions {
  readonly target: RedisTarget;
  readonly logger: Logger;
  readonly maxOutageMs: number;
}

export class AppendConnection {
  readonly #options: AppendConnectionOptions;
  readonly #handler: AppendConnectionHandler;
  readonly #connection: ReconnectingConnection;
  /** Of the present connection; undefined until it is ready. */
  #questions: Questions | undefined;
  /** Of the present connection while it is open. */
  #begun: Introduction | undefined;
  /** Bytes that were written to it before it was open. */
  #bytesBefore = 0;
  #isLeaving = false;
  /** Whether Redis tells of changes by other clients, and takes transactions. */
  tellsChanges = false;
  readonly #attempts = new TrackingAttempts();
  #leftAt = Number.NEGATIVE_INFINITY;
  /** Whether anything was answered on the present connection, or it lasted. */
  #isProven = false;
  #prepareTimer: NodeJS.Timeout | undefined;
  #lastingTimer: NodeJS.Timeout | undefined;
  #outageTimer: NodeJS.Timeout | undefined;
  /** Connections lost since the start. */
  disconnects = 0;

  constructor(options: AppendConnectionOptions, handler: AppendConnectionHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#connection = new ReconnectingConnection(
      {
        target: options.target,
        role: newRole,
        silenceMs: SILENCE_MS,
        sendBufferBytes: SEND_BUFFER_BYTES,
      },
      {
        ready: () => void this.#prepare(),
        reply: (cursor) => {
          if (this.#begun === undefined) {
            this.#questions!.take(cursor);
            return;
          }
          if (!this.#isProven) this.#proven();
          handler.reply(cursor);
        },
        push: (cursor) => {
          for (const key of readInvalidation(cursor)) handler.changed(key);
        },
        owesAnswer: () => this.#begun !== undefined && handler.owesAnswers(),
        lost: (loss) => this.#lost(loss),
      },
    );
    this.#startOutage(0);
    this.#connection.connect();
  }

  get isOpen(): boolean {
    return this.#begun !== undefined;
  }

  /** Whether entries may be written: not on a connection that is to be left once all is answered. */
  get isWritable(): boolean {
    return this.#begun !== undefined && !this.#isLeaving;
  }

  /** Only while `isWritable`. */
  write(parts: readonly Uint8Array[]): void {
    this.#connection.write(parts);
  }

  /** The server takes no writes: nothing more is written to it. Call `leave` when all is answered. */
  beginLeaving(): void {
    const now = performance.now();
    if (now - this.#leftAt < LEAVE_AGAIN_MS) return;
    this.#leftAt = now;
    this.#isLeaving = true;
  }

  /** Another server is the master now. Call `leave` when all is answered. */
  beginMoving(): void {
    this.#isLeaving = true;
  }

  leave(): void {
    this.#connection.drop(new Error('Redis takes no writes there'));
  }

  close(): void {
    clearTimeout(this.#outageTimer);
    this.#connection.close();
  }

  async #prepare(): Promise<void> {
    const questions = new Questions((parts) => this.#connection.write(parts));
    this.#questions = questions;
    this.#prepareTimer = setTimeout(() => {
      this.#connection.drop(new Error('Redis did not answer in time'));
    }, PREPARE_MS);
    let begun: Introduction;
    try {
      begun = await introduce(questions, this.#connection.role);
      await this.#handler.prepare(questions, begun);
      this.tellsChanges = false;
      if (begun.isTested && this.#attempts.mayTry) {
        // Until it is answered: the connection may be lost over it.
        this.#attempts.failed();
        this.tellsChanges = await askForChanges(questions);
        this.#attempts.succeeded();
      }
    } catch (error) {
      if (questions.loss === undefined) this.#connection.drop(error as Error);
      return;
    }
    if (questions.loss === undefined) this.#open(begun);
  }

  #open(begun: Introduction): void {
    clearTimeout(this.#prepareTimer);
    this.#bytesBefore = this.#connection.takenBytes;
    this.#begun = begun;
    this.#isLeaving = false;
    this.#isProven = false;
    this.#lastingTimer = setTimeout(() => this.#proven(), LASTING_MS);
    // Where entries wait, one must be answered first: Redis may close each connection on which it gets them.
    if (this.#handler.isIdle()) this.#endOutage();
    this.#options.logger.debug('the append pipe is connected');
    this.#handler.opened();
  }

  #proven(): void {
    this.#isProven = true;
    this.#connection.proven();
    this.#endOutage();
  }

  #lost({ cause, isFirst, silentMs, takenBytes }: Loss): void {
    clearTimeout(this.#prepareTimer);
    clearTimeout(this.#lastingTimer);
    this.#questions?.lost(cause);
    const begun = this.#begun;
    this.#questions = undefined;
    this.#begun = undefined;
    if (!this.#connection.isClosed) {
      this.#tellLoss(cause, begun !== undefined, isFirst);
      this.#startOutage(silentMs);
    }
    if (begun !== undefined) this.#handler.lost(begun, takenBytes - this.#bytesBefore);
  }

  #tellLoss({ message }: Error, wasOpen: boolean, isFirst: boolean): void {
    if (wasOpen) {
      this.disconnects++;
      this.#options.logger.warn({ err: message }, 'the append pipe lost its connection to Redis');
    } else if (isFirst) {
      // The first of many attempts, at the start: a wrong address or password shows here.
      this.#options.logger.warn({ err: message }, 'the append pipe cannot connect to Redis');
    }
  }

  /** @param silentMs for how long there had been no sign of Redis before */
  #startOutage(silentMs: number): void {
    this.#outageTimer ??= setTimeout(
      () => {
        // What was written on a connection must not be stored after it is given up.
        if (this.isOpen) this.#connection.drop(new Error('Redis answers no entry'));
        this.#handler.unreachable();
      },
      Math.max(0, this.#options.maxOutageMs - silentMs),
    );
  }

  #endOutage(): void {
    clearTimeout(this.#outageTimer);
    this.#outageTimer = undefined;
  }
}
