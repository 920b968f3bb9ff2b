/**
 * Commands with answers on a connection of their own, made when first needed and again after it was lost.
 *
 * Promises: each command is answered in its turn, or rejected with a Failure once the connection is lost,
 * has been silent for `SILENCE_MS`, or could not be made within `CONNECT_MS`. Commands are pipelined and
 * never sent twice: `IsolatingReads` does that with those that were lost.
 */
import { Failure } from '../protocol/errors.js';
import { RedisConnection } from './connection.js';
import type { ReplyCursor } from './resp.js';
import { SilenceWatch } from './silence-watch.js';
import type { RedisTarget } from './target.js';

const SILENCE_MS = 4000;
/** A server that is still loading its data after that may be so for minutes: who asks is told so. */
const CONNECT_MS = 5000;
/** Large range reads follow one another: memory taken anew for each would cost more than the reading. */
const KEEP_BYTES = 8 * 1024 * 1024;

/** Redis, or the way to it, closed the connection before it answered. */
export class ConnectionDropped extends Failure {
  constructor() {
    super('redis_unavailable', 'Redis closed the connection before it answered');
  }
}

interface Waiting {
  take(cursor: ReplyCursor): void;
  reject(cause: Error): void;
}

export class CommandConnection {
  readonly #target: RedisTarget;
  readonly #role: string;
  #connection: RedisConnection | undefined;
  #watch: SilenceWatch | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #isReady = false;
  /** We gave the connection up, so that Redis did not close it. */
  #isGivenUp = false;
  /** Commands to send at the end of the turn, or once the connection is ready. */
  #unsent: Buffer[] = [];
  #flushTimer: NodeJS.Immediate | undefined;
  #waiting: Waiting[] = [];

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
      if (this.#connection === undefined) this.#connect();
      this.#unsent.push(command);
      this.#flushTimer ??= setImmediate(this.#endTurn);
    });
  }

  /** Sends at once what would be sent at the end of the turn. */
  flush(): void {
    if (this.#isReady && this.#unsent.length > 0) this.#connection?.write(...this.#unsent.splice(0));
  }

  /** Ends the connection; what waits for an answer is rejected. */
  close(): void {
    this.#isGivenUp = true;
    this.#connection?.destroy();
  }

  /** What one turn asks goes out in one call. */
  readonly #endTurn = (): void => {
    this.#flushTimer = undefined;
    this.flush();
  };

  #connect(): void {
    const handler = {
      ready: () => {
        this.#isReady = true;
        clearTimeout(this.#connectTimer);
        this.flush();
      },
      reply: (cursor: ReplyCursor) => this.#reply(cursor),
      closed: () => this.#lost(),
    };
    const connection = new RedisConnection(this.#target, this.#role, handler, KEEP_BYTES);
    this.#connection = connection;
    this.#isGivenUp = false;
    const giveUp = (cause?: Error) => {
      this.#isGivenUp = true;
      connection.destroy(cause);
    };
    this.#connectTimer = setTimeout(() => giveUp(new Error('Redis was not ready in time')), CONNECT_MS);
    const watched = {
      get movedBytes() {
        return connection.movedBytes;
      },
      destroy: giveUp,
    };
    this.#watch = new SilenceWatch(watched, SILENCE_MS, () => this.#isReady && this.#waiting.length > 0);
  }

  #reply(cursor: ReplyCursor): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new Error('Redis answered more than it was asked');
    try {
      waiting.take(cursor);
    } catch (error) {
      waiting.reject(error as Error);
    }
  }

  #lost(): void {
    this.#connection = undefined;
    const isDropped = this.#isReady && !this.#isGivenUp;
    this.#isReady = false;
    this.#unsent = [];
    clearImmediate(this.#flushTimer);
    this.#flushTimer = undefined;
    clearTimeout(this.#connectTimer);
    this.#watch?.stop();
    const failure = isDropped
      ? new ConnectionDropped()
      : new Failure('redis_unavailable', 'Redis cannot be reached');
    for (const waiting of this.#waiting.splice(0)) waiting.reject(failure);
  }
}
