/**
 * Commands with answers on a connection of their own, made when first needed and again after it was lost.
 *
 * Promises: each command is answered in its turn, or rejected with a Failure once the connection is lost,
 * has been silent for `SILENCE_MS`, or could not be made within `CONNECT_MS`. Commands are pipelined and
 * never sent twice: `IsolatingReads` does that with those that were lost.
 */
import { Failure } from '../protocol/errors.js';
import { PendingReplies } from './pending-replies.js';
import { type Loss, ReconnectingConnection } from './reconnecting-connection.js';
import type { ReplyCursor } from './resp.js';
import type { RedisTarget } from './target.js';

const SILENCE_MS = 4000;
/** A server that is still loading its data after that may be so for minutes, so callers get an error. */
const CONNECT_MS = 5000;
/** Large range reads follow one another: memory taken anew for each would cost more than the reading. */
const KEEP_BYTES = 8 * 1024 * 1024;

/** Redis, or the way to it, closed the connection before it answered. */
export class ConnectionDropped extends Failure {
  constructor() {
    super('redis_unavailable', 'Redis closed the connection before it answered');
  }
}

export class CommandConnection {
  readonly #connection: ReconnectingConnection;
  readonly #replies = new PendingReplies();
  /** Commands to send at the end of the turn, or once the connection is ready. */
  #unsent: Buffer[] = [];
  #flushTimer: NodeJS.Immediate | undefined;

  constructor(target: RedisTarget, role: string) {
    this.#connection = new ReconnectingConnection(
      {
        target,
        role: () => role,
        silenceMs: SILENCE_MS,
        isOnDemand: true,
        readyMs: CONNECT_MS,
        keepBytes: KEEP_BYTES,
      },
      {
        ready: () => this.flush(),
        reply: (cursor) => this.#replies.take(cursor),
        owesAnswer: () => !this.#replies.isEmpty,
        lost: (loss) => this.#lost(loss),
      },
    );
  }

  /**
   * Sends a command; its reply is read by `take`, during whose call alone the cursor is valid.
   * @throws Failure `redis_unavailable`, and what `take` throws
   */
  send<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    this.#connection.connect();
    this.#unsent.push(command);
    this.#flushTimer ??= setImmediate(this.#endTurn);
    return this.#replies.expect(take);
  }

  /** Sends at once what would be sent at the end of the turn. */
  flush(): void {
    if (this.#connection.isReady && this.#unsent.length > 0) this.#connection.write(this.#unsent.splice(0));
  }

  /** Ends the connection; what waits for an answer is rejected. */
  close(): void {
    this.#connection.drop();
  }

  /** What one turn asks goes out in one call. */
  readonly #endTurn = (): void => {
    this.#flushTimer = undefined;
    this.flush();
  };

  #lost({ wasReady, isGivenUp }: Loss): void {
    this.#unsent = [];
    clearImmediate(this.#flushTimer);
    this.#flushTimer = undefined;
    const isDropped = wasReady && !isGivenUp;
    this.#replies.reject(
      isDropped ? new ConnectionDropped() : new Failure('redis_unavailable', 'Redis cannot be reached'),
    );
  }
}
