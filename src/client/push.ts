/**
 * Writes entries to one stream over a WebSocket, one a message, in the order of the calls.
 *
 * With acks nothing is lost in silence: an entry that was not stored fails the next `push`, or `close`.
 * Without them the gateway closes the connection at the first such entry, and a fault in the moment
 * before `close` can go unheard.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseAck } from './ack.js';
import { buildSocketAddress, type Target, tokenHeaders } from './address.js';
import { Connection } from './connection.js';
import { GatewayError } from './gateway-error.js';

export interface PushOptions extends Target {
  /** Default true: a header `[length]` before each payload. False: the payload alone. */
  readonly header?: boolean | undefined;
  /** Default false: the gateway answers each entry with its id. */
  readonly ack?: boolean | undefined;
  /** Gives up opening. */
  readonly signal?: AbortSignal | undefined;
}

/** Most entries that may wait for their ack; `push` waits beyond it. */
const UNACKED = 1024;
/** After so many pushes in one go other events get their turn: acks, closes, timers, signals. */
const PUSHES_A_TURN = 64;
/** How long `close` waits for the network to take the last entries and the gateway to acknowledge them. */
const LAST_ENTRIES_MS = 10_000;

interface Waiter {
  readonly resolve: (id: string) => void;
  readonly reject: (error: unknown) => void;
}

export class Pusher {
  readonly #connection: Connection;
  readonly #header: boolean;
  readonly #ack: boolean;
  /** In the order sent, which is the order of the acks. */
  readonly #unacked: Waiter[] = [];
  #pushes = 0;
  #failure: { readonly error: unknown } | undefined;
  /** The next ack, or the end, for those who wait for either. */
  #change: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #closed: Promise<void> | undefined;

  private constructor(connection: Connection, options: PushOptions) {
    this.#connection = connection;
    this.#header = options.header ?? true;
    this.#ack = options.ack ?? false;
    void this.#readAcks();
  }

  /**
   * @throws GatewayError where the gateway refuses or does not answer
   * @throws the signal's reason where it fires before the connection is open
   */
  static async open(options: PushOptions): Promise<Pusher> {
    const address = buildSocketAddress(options, 'push', {
      header: options.header,
      ack: options.ack || undefined,
    });
    return new Pusher(await Connection.open(address, tokenHeaders(options.token), options.signal), options);
  }

  /**
   * Sends an entry. Resolves when there is room for the next one, which with acks means that fewer than
   * 1024 entries wait for theirs; that this one is stored is not awaited.
   * @throws GatewayError where this entry could not be sent, or an earlier one was not stored
   */
  async push(payload: Uint8Array | string): Promise<void> {
    const reject = (error: unknown) => this.#fail(error);
    await this.#send(payload, { resolve: () => {}, reject });
    this.#pushes += 1;
    if (this.#pushes % PUSHES_A_TURN === 0) await nextTurn();
    while (this.#unacked.length >= UNACKED) await this.#waitForChange();
  }

  /**
   * Sends an entry and resolves with its id once it is stored; needs `ack`. An entry that was not stored
   * fails this call only.
   * @throws GatewayError
   */
  async store(payload: Uint8Array | string): Promise<string> {
    if (!this.#ack) throw new TypeError('store needs a Pusher that was opened with ack');
    return new Promise((resolve, reject) => {
      this.#send(payload, { resolve, reject }).catch(reject);
    });
  }

  /**
   * Ends the connection once everything pushed has been sent and, with acks, acknowledged.
   * @throws GatewayError where an entry was not stored, or the gateway does not take the rest in 10 s
   */
  close(): Promise<void> {
    this.#closed ??= this.#finish();
    return this.#closed;
  }

  async #send(payload: Uint8Array | string, waiter: Waiter): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    if (this.#ack) this.#unacked.push(waiter);
    await this.#connection.send(this.#header ? [`[${bytes.length}]`, bytes] : [bytes]);
  }

  async #finish(): Promise<void> {
    const timer = setTimeout(() => {
      this.#fail(new GatewayError('closed', 'the gateway did not take the last entries in time'));
      this.#connection.cut();
    }, LAST_ENTRIES_MS);
    try {
      await this.#connection.drain();
      while (this.#unacked.length > 0) await this.#waitForChange();
    } catch (error) {
      this.#fail(error);
    } finally {
      clearTimeout(timer);
    }
    const failure = this.#failure;
    await this.#connection.close();
    if (failure !== undefined) throw failure.error;
    const ending = await this.#connection.ended;
    if (ending !== undefined) throw ending;
  }

  /** Runs for as long as the connection does, also without acks, since it is what sees the end. */
  async #readAcks(): Promise<void> {
    let ending: unknown = new GatewayError('closed', 'the connection is closed');
    try {
      for (let frame = await this.#receive(); frame !== undefined; frame = await this.#receive()) {
        const ack = parseAck(frame);
        const waiter = this.#unacked.shift();
        if (typeof ack === 'string') waiter?.resolve(ack);
        else waiter?.reject(ack);
        this.#announceChange();
      }
    } catch (error) {
      ending = error;
    }
    this.#fail(ending);
    for (const waiter of this.#unacked.splice(0)) waiter.reject(ending);
    this.#announceChange();
  }

  async #receive(): Promise<string | undefined> {
    const frame = await this.#connection.receive();
    return frame?.data.toString();
  }

  /** The first failure is the one that is told. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #waitForChange(): Promise<void> {
    if (this.#change === undefined) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#change = { promise, resolve };
    }
    return this.#change.promise;
  }

  #announceChange(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }
}
