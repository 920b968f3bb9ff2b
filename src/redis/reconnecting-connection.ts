/**
 * A connection to Redis that is made again after it was lost: by itself, after a wait that grows with each failure, or
 * on demand, when it is needed next.
 *
 * Promises: one connection at a time; of each, `ready` at most once, then its replies, at last `lost`, once, even if it
 * was never ready. A connection that owes an answer and on which nothing moves is given up. Nothing is queued and
 * nothing is sent again: only the owner knows what a repetition means.
 */
import { BackOff } from '../protocol/back-off.js';
import { type ConnectionSizes, RedisConnection } from './connection.js';
import type { ReplyCursor } from './resp.js';
import { SilenceWatch } from './silence-watch.js';
import type { RedisTarget } from './target.js';

/** The waits between attempts, of all connections to Redis. */
export const FIRST_RECONNECT_MS = 20;
export const LAST_RECONNECT_MS = 500;

export interface ReconnectingOptions extends ConnectionSizes {
  readonly target: RedisTarget;
  /** What CLIENT LIST shows behind `streamgate-`; asked for each connection. */
  readonly role: () => string;
  /** A connection that owes an answer and on which nothing has moved for about so long is given up. */
  readonly silenceMs: number;
  /** Each connection is made by a call of `connect`, none by itself. */
  readonly isOnDemand?: boolean;
  /** A connection that is not ready by then is given up, even if the server is there and loads its data. */
  readonly readyMs?: number;
}

/** What is known of a connection that was lost. */
export interface Loss {
  readonly cause: Error;
  readonly wasReady: boolean;
  /** It was dropped here; otherwise Redis, or the way to it, closed it. */
  readonly isGivenUp: boolean;
  /** No other was lost before it, since the start or since `proven`. */
  readonly isFirst: boolean;
  /** For how long nothing had moved while an answer was owed, in ms. */
  readonly silentMs: number;
  /** Bytes written to it of which Redis may have read some; it has read none beyond. */
  readonly takenBytes: number;
}

export interface ReconnectingHandler {
  /** The server takes commands. */
  ready(): void;
  /** One reply; the cursor and its views are valid during the call only. A plain function: it is called as such. */
  readonly reply: (cursor: ReplyCursor) => void;
  /** What Redis sends unasked, where RESP3 was asked for; as for `reply`. */
  readonly push?: (cursor: ReplyCursor) => void;
  /** Whether Redis owes answers; asked of a connection that is ready. */
  owesAnswer(): boolean;
  lost(loss: Loss): void;
}

export class ReconnectingConnection {
  readonly #options: ReconnectingOptions;
  readonly #handler: ReconnectingHandler;
  readonly #backOff = new BackOff(FIRST_RECONNECT_MS, LAST_RECONNECT_MS);
  #connection: RedisConnection | undefined;
  /** Of that connection. */
  #watch: SilenceWatch | undefined;
  #role = '';
  #isReady = false;
  #isGivenUp = false;
  #isClosed = false;
  #readyTimer: NodeJS.Timeout | undefined;
  #reconnectTimer: NodeJS.Timeout | undefined;

  constructor(options: ReconnectingOptions, handler: ReconnectingHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  /** Whether commands may be written. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether it was closed for good. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The role of the present connection, or of the last. */
  get role(): string {
    return this.#role;
  }

  /** Bytes written of which Redis may have read some; it has read none beyond. */
  get takenBytes(): number {
    return this.#connection?.takenBytes ?? 0;
  }

  /** Makes a connection, unless there is one. */
  connect(): void {
    if (this.#connection !== undefined || this.#isClosed) return;
    const { target, role, silenceMs, readyMs } = this.#options;
    const { reply, push } = this.#handler;
    this.#role = role();
    this.#isGivenUp = false;
    const ready = () => {
      this.#isReady = true;
      clearTimeout(this.#readyTimer);
      this.#handler.ready();
    };
    const closed = (cause: Error) => this.#lost(connection, watch, cause);
    const handler = { ready, reply, closed, ...(push && { push }) };
    const connection = new RedisConnection(target, this.#role, handler, this.#options);
    const watch = new SilenceWatch(
      connection,
      silenceMs,
      () => this.#isReady && this.#handler.owesAnswer(),
      (cause) => this.drop(cause),
    );
    this.#connection = connection;
    this.#watch = watch;
    if (readyMs === undefined) return;
    this.#readyTimer = setTimeout(() => this.drop(new Error('Redis was not ready in time')), readyMs);
  }

  /** Sends bytes that must not change until their reply came. Only while ready. */
  write(parts: readonly Uint8Array[]): void {
    this.#watch?.begin();
    this.#connection?.write(parts);
  }

  /** The connection is of use: once it is lost, the next one is made soon. */
  proven(): void {
    this.#backOff.reset();
  }

  /** Ends the present connection, which is lost with `cause`. */
  drop(cause?: Error): void {
    if (this.#connection === undefined) return;
    this.#isGivenUp = true;
    this.#connection.destroy(cause);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reconnectTimer);
    this.drop();
  }

  #lost(connection: RedisConnection, watch: SilenceWatch, cause: Error): void {
    watch.stop();
    clearTimeout(this.#readyTimer);
    const loss = {
      cause,
      wasReady: this.#isReady,
      isGivenUp: this.#isGivenUp,
      isFirst: this.#backOff.isFresh,
      silentMs: watch.silentMs,
      takenBytes: connection.takenBytes,
    };
    this.#connection = undefined;
    this.#watch = undefined;
    this.#isReady = false;
    this.#handler.lost(loss);
    if (this.#isClosed || this.#options.isOnDemand) return;
    this.#reconnectTimer = setTimeout(() => this.connect(), this.#backOff.next());
  }
}
