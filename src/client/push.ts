/**
 * Writes entries over a WebSocket, in the order of the calls. Entries sent within one turn of the event loop go out
 * as one message; each is acknowledged with its id.
 *
 * A connection that is lost is made again, and what waited then goes out. What was sent and not acknowledged may
 * be stored or not: its `send` fails with `unknown_outcome`, except for what can be sent again without harm:
 * entries with a whole id of their own (`ms-seq`; where others write to the stream too, that their id is too old
 * is taken to mean that they are stored), those that a gateway that went down in order did not take, and all of them
 * with `resend`.
 */
import { buildSocketAddress, type Place } from './address.js';
import { askWhyNot } from './ask-why-not.js';
import { pause, reconnectBackOff } from './back-off.js';
import { Connection, type WebSocketConstructor } from './connection.js';
import type { Reconnect, StateListener } from './connection-state.js';
import { errorFromSilence, GatewayError } from './gateway-error.js';
import { Outbox } from './outbox.js';
import type { Payload } from './rest.js';

export interface PushOptions {
  /** Bytes that may wait for their acks before `ready` waits. Default: 8 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** Send again what was sent and not acknowledged when the connection was lost, and may so be stored twice. */
  readonly resend?: boolean | undefined;
  /** Acknowledge entries only once so many replicas of Redis have them, too. */
  readonly minReplicas?: number | undefined;
  readonly onState?: StateListener | undefined;
  /** Default: true. */
  readonly reconnect?: Reconnect | undefined;
  /** Gives up: what is not acknowledged fails. */
  readonly signal?: AbortSignal | undefined;
}

export interface SendOptions {
  /** The entry's stream, where the producer was opened for `*`. */
  readonly stream?: string | undefined;
  /** Its time, or with a string `ms-seq` its whole id, after the stream's newest entry. Default: the gateway's clock. */
  readonly time?: number | string | Date | undefined;
}

const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024;
/** The gateway answers within seconds even if Redis does not; after this the connection is dead. */
const ACK_MS = 30_000;
const ANY_STREAM = '*';

/** A task of its own, after the events of this turn; browsers have no setImmediate. */
const nextTurn: (run: () => void) => void =
  (globalThis as { setImmediate?: (run: () => void) => void }).setImmediate ?? ((run) => setTimeout(run, 0));

export interface PushTarget extends Place {
  readonly WebSocket: WebSocketConstructor;
}

export class Producer {
  readonly #target: PushTarget;
  readonly #sid: string;
  readonly #options: PushOptions;
  readonly #outbox = new Outbox();
  readonly #backOff = reconnectBackOff();
  /** Fires at the end, whoever brings it about. */
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #connection: Connection | undefined;
  #wasOpen = false;
  #isFlushing = false;
  #failure: { readonly error: unknown } | undefined;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  /** The next answer, or the end, for those who wait for either. */
  #change: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  /** @param sid the one stream, or `*` where each entry names its own */
  constructor(target: PushTarget, sid: string, options: PushOptions) {
    this.#target = target;
    this.#sid = sid;
    this.#options = options;
    const { signal } = options;
    const abort = () => this.#end(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted) abort();
    this.#running = this.#run().finally(() => signal?.removeEventListener('abort', abort));
  }

  /**
   * Resolves when there is room for more: await it before each `send`, or a producer that is faster than the
   * network fills the memory.
   */
  get ready(): Promise<void> {
    const most = this.#options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES;
    return this.#until(() => this.#outbox.bytes < most);
  }

  /**
   * Sends an entry. Its bytes must not change until then.
   * @returns its id, once it is stored
   * @throws GatewayError where it is not stored, or `unknown_outcome` where that cannot be known
   */
  send(data: Payload, { stream, time }: SendOptions = {}): Promise<string> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (this.#sid === ANY_STREAM && stream === undefined) {
      return Promise.reject(new TypeError("an entry of a producer for '*' must name its stream"));
    }
    return new Promise((resolve, reject) => {
      this.#outbox.add({
        stream: stream ?? null,
        time: time === undefined ? null : String(time instanceof Date ? time.getTime() : time),
        data: typeof data === 'string' ? new TextEncoder().encode(data) : data,
        resolve,
        reject,
      });
      this.#flushSoon();
    });
  }

  /**
   * Resolves when every entry sent so far is stored or has failed, which its own `send` tells.
   * @throws GatewayError where the connection is lost for good
   */
  async flush(): Promise<void> {
    await this.#until(() => this.#outbox.isEmpty);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Flushes, and ends the connection. @throws GatewayError where it was lost for good before */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#end(new GatewayError('closed', 'the producer is closed'));
      await this.#running;
    }
  }

  async #run(): Promise<void> {
    while (!this.#over.signal.aborted) {
      try {
        await this.#serve();
      } catch (error) {
        if (this.#over.signal.aborted) return;
        if (error instanceof GatewayError) this.#outbox.lose(error, this.#options.resend ?? false);
        this.#announceChange();
        if (!this.#mayComeBack(error)) {
          this.#end(error);
          return;
        }
        const retryInMs = this.#backOff.next(error.retryAfterMs);
        this.#options.onState?.({ state: 'waiting', error, retryInMs });
        await pause(retryInMs, this.#over.signal);
      }
    }
  }

  #mayComeBack(error: unknown): error is GatewayError {
    const { reconnect = true } = this.#options;
    if (!(error instanceof GatewayError)) return false;
    // Only the one entry is at fault, and was told.
    if (!error.mayPass && error.code !== 'payload_too_large') return false;
    return reconnect === 'after-open' ? this.#wasOpen : reconnect;
  }

  /** One connection, from its beginning to its end. */
  async #serve(): Promise<void> {
    this.#options.onState?.({ state: 'connecting' });
    const connection = await this.#connect();
    this.#connection = connection;
    this.#wasOpen = true;
    this.#options.onState?.({ state: 'open' });
    const close = () => void connection.close();
    this.#over.signal.addEventListener('abort', close, { once: true });
    if (this.#over.signal.aborted) close();
    this.#flush();
    try {
      for (;;) {
        const frame = await connection.receive();
        if (frame === undefined) return;
        this.#outbox.answer(typeof frame === 'string' ? frame : '');
        this.#backOff.reset();
        this.#watchForAcks();
        this.#announceChange();
      }
    } finally {
      this.#connection = undefined;
      clearTimeout(this.#ackTimer);
      this.#over.signal.removeEventListener('abort', close);
      await connection.close();
    }
  }

  async #connect(): Promise<Connection> {
    const { signal } = this.#over;
    const parameters = { header: 'msgpack', ack: true, min_replicas: this.#options.minReplicas };
    const address = buildSocketAddress(this.#target, [this.#sid], 'push', parameters);
    try {
      return await Connection.open(this.#target.WebSocket, address, this.#target.token, signal);
    } catch (error) {
      signal.throwIfAborted();
      await askWhyNot(address, this.#target.token, signal);
      throw error;
    }
  }

  /** Not at once: what else this turn brings goes out with it. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    nextTurn(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const wasIdle = !this.#outbox.hasUnanswered;
    for (let message = this.#outbox.take(); message !== undefined; message = this.#outbox.take()) {
      connection.send(message);
    }
    if (wasIdle) this.#watchForAcks();
  }

  #watchForAcks(): void {
    clearTimeout(this.#ackTimer);
    if (!this.#outbox.hasUnanswered) return;
    this.#ackTimer = setTimeout(() => this.#connection?.abandon(errorFromSilence(ACK_MS)), ACK_MS);
  }

  /** The first call counts. */
  #end(error: unknown): void {
    this.#failure ??= { error };
    this.#outbox.abandon(error);
    this.#over.abort(error);
    this.#announceChange();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo() && this.#failure === undefined) {
      this.#change ??= makeChange();
      await this.#change.promise;
    }
  }

  #announceChange(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}

function makeChange() {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
