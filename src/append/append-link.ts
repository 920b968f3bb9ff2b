/**
 * Keeps a pipe connected: makes connections until one serves, notices those that are dead though nobody
 * said so, and says when Redis was away for too long.
 *
 *     connecting ── prepared ──▶ open ── lost, silent, not the master ──▶ connecting …
 */

import { BackOff } from '../protocol/back-off.js';
import type { ReplyCursor } from '../redis/resp.js';
import { SilenceWatch } from '../redis/silence-watch.js';
import type { RedisTarget } from '../redis/target.js';
import type { Logger } from '../system/logger.js';
import { AppendSession } from './append-session.js';

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 500;
/**
 * A connection that owes answers and on which nothing has moved for so long is taken for dead: soon enough
 * for another to be tried before the outage is over its limit, and later than a WAIT may last.
 */
const SILENCE_MS = 2000;
/** A connection that lasted so long was a good one, though nothing was answered on it. */
const LASTING_MS = 1000;
/** A server that takes no writes is left for whatever is at its address now, but not more often. */
const LEAVE_AGAIN_MS = 2000;

export interface AppendLinkHandler {
  /** Whether Redis owes answers. */
  owesAnswers(): boolean;
  /** Whether nothing waits to be stored. */
  isIdle(): boolean;
  /** A connection is there, and may be asked things; entries may be written once this resolves. */
  prepare(session: AppendSession): Promise<void>;
  /** From now on until `lost` entries may be written. */
  opened(): void;
  reply(cursor: ReplyCursor): void;
  lost(session: AppendSession): void;
  /** Redis answered no entry for `maxOutageMs`, from the last sign of it on; it is looked for further. */
  unreachable(): void;
}

export interface LinkOptions {
  readonly target: RedisTarget;
  readonly logger: Logger;
  readonly maxOutageMs: number;
}

export class AppendLink {
  readonly #options: LinkOptions;
  readonly #handler: AppendLinkHandler;
  #session: AppendSession | undefined;
  #isOpen = false;
  #isLeaving = false;
  #leftAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;
  readonly #backOff = new BackOff(FIRST_RETRY_MS, LAST_RETRY_MS);
  #retryTimer: NodeJS.Timeout | undefined;
  /** Whether anything was answered on the present connection, or it lasted. */
  #isProven = false;
  #outageTimer: NodeJS.Timeout | undefined;
  #lastingTimer: NodeJS.Timeout | undefined;
  #watch: SilenceWatch | undefined;
  /** Connections lost since the start. */
  disconnects = 0;

  constructor(options: LinkOptions, handler: AppendLinkHandler) {
    this.#options = options;
    this.#handler = handler;
    this.#startOutage();
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether entries may be written: not on a connection that is to be left once all is answered. */
  get isWritable(): boolean {
    return this.#isOpen && !this.#isLeaving;
  }

  /** Only while `isWritable`. */
  write(parts: readonly Uint8Array[]): void {
    this.#session!.write(parts);
  }

  /** The server takes no writes: nothing more is written to it. Call `leave` when all is answered. */
  beginLeaving(): void {
    const now = performance.now();
    if (now - this.#leftAt < LEAVE_AGAIN_MS) return;
    this.#leftAt = now;
    this.#isLeaving = true;
  }

  leave(): void {
    this.#session!.destroy(new Error('Redis takes no writes there'));
  }

  close(): void {
    const wasOpen = this.#isOpen;
    this.#isClosed = true;
    this.#isOpen = false;
    this.#watch?.stop();
    clearTimeout(this.#lastingTimer);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#outageTimer);
    this.#session!.destroy();
    if (wasOpen) this.#handler.lost(this.#session!);
  }

  #connect(): void {
    const session: AppendSession = new AppendSession(this.#options.target, {
      ready: () => void this.#prepare(session),
      reply: (cursor) => {
        if (!this.#isProven) this.#proven();
        this.#handler.reply(cursor);
      },
      closed: (cause) => this.#closed(session, cause),
    });
    this.#session = session;
    this.#watch = new SilenceWatch(
      session,
      SILENCE_MS,
      () => this.#isOpen && this.#handler.owesAnswers(),
      (cause) => session.destroy(cause),
    );
  }

  async #prepare(session: AppendSession): Promise<void> {
    try {
      await this.#handler.prepare(session);
    } catch (error) {
      session.destroy(error as Error);
    }
    // Lost meanwhile.
    if (session.isClosed) return;
    session.open();
    this.#isOpen = true;
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
    this.#endOutage();
  }

  #endOutage(): void {
    clearTimeout(this.#outageTimer);
    this.#outageTimer = undefined;
  }

  #closed(session: AppendSession, cause: Error): void {
    this.#watch?.stop();
    clearTimeout(this.#lastingTimer);
    if (this.#isClosed) return;
    if (this.#isOpen && this.#isProven) this.#backOff.reset();
    if (this.#isOpen) {
      this.disconnects++;
      this.#options.logger.warn({ err: cause.message }, 'the append pipe lost its connection to Redis');
    } else if (this.#backOff.isFresh) {
      // The first of many attempts, at the start: a wrong address or password shows here.
      this.#options.logger.warn({ err: cause.message }, 'the append pipe cannot connect to Redis');
    }
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#startOutage();
    this.#retryTimer = setTimeout(() => this.#connect(), this.#backOff.next());
    if (wasOpen) this.#handler.lost(session);
  }

  #startOutage(): void {
    this.#outageTimer ??= setTimeout(
      () => {
        // What was written on a connection must not be stored after it is given up.
        if (this.#isOpen) this.#session!.destroy(new Error('Redis answers no entry'));
        this.#handler.unreachable();
      },
      Math.max(0, this.#options.maxOutageMs - (this.#watch?.silentMs ?? 0)),
    );
  }
}
