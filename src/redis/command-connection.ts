/**
 * Commands with answers on a connection of their own, made when first needed and again after it was lost.
 *
 * Promises: each command is answered in its turn, or rejected with a Failure within `TIMEOUT_MS`. Commands
 * are pipelined and never sent twice.
 */
import { Failure } from '../errors.js';
import { RedisConnection } from './connection.js';
import type { ReplyCursor } from './resp.js';
import type { RedisTarget } from './target.js';

const TIMEOUT_MS = 10_000;
/** Large range reads follow one another: memory taken anew for each would cost more than the reading. */
const KEEP_BYTES = 8 * 1024 * 1024;

interface Waiting {
  take(cursor: ReplyCursor): void;
  reject(cause: Error): void;
}

export class CommandConnection {
  readonly #target: RedisTarget;
  readonly #role: string;
  #connection: RedisConnection | undefined;
  #isReady = false;
  /** Commands to send at the end of the turn, or once the connection is ready. */
  #unsent: Buffer[] = [];
  #flushTimer: NodeJS.Immediate | undefined;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(target: RedisTarget, role: string) {
    this.#target = target;
    this.#role = role;
  }

  /**
   * Sends a command; its reply is read by `take`, during whose call alone the cursor is valid.
   * @throws Failure `redis_unavailable`, and what `take` throws
   */
  send<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ take: (reply) => resolve(take(reply)), reject });
      if (this.#timer === undefined) this.#watch();
      if (this.#connection === undefined) this.#connect();
      this.#unsent.push(command);
      this.#flushTimer ??= setImmediate(this.#flush);
    });
  }

  /** Ends the connection; what waits is rejected, and nothing may be sent any more. */
  close(): void {
    this.#lost(new Error('the connection was closed'));
  }

  /** What one turn asks goes out in one call. */
  readonly #flush = (): void => {
    this.#flushTimer = undefined;
    if (this.#isReady && this.#unsent.length > 0) this.#connection?.write(...this.#unsent.splice(0));
  };

  #watch(): void {
    this.#timer = setTimeout(() => this.#lost(new Error('Redis did not answer in time')), TIMEOUT_MS);
  }

  #connect(): void {
    const handler = {
      ready: () => {
        this.#isReady = true;
        this.#flush();
      },
      reply: (cursor: ReplyCursor) => this.#reply(cursor),
      closed: (cause: Error) => this.#lost(cause),
    };
    this.#connection = new RedisConnection(this.#target, this.#role, handler, KEEP_BYTES);
  }

  #reply(cursor: ReplyCursor): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new Error('Redis answered more than it was asked');
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) this.#watch();
    try {
      waiting.take(cursor);
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  #lost(cause: Error): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#isReady = false;
    this.#unsent = [];
    clearImmediate(this.#flushTimer);
    this.#flushTimer = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    connection?.destroy(cause);
    const failure = new Failure('redis_unavailable', 'Redis cannot be reached');
    for (const waiting of this.#waiting.splice(0)) waiting.reject(failure);
  }
}
