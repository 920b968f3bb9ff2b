/**
 * Reads streams over a WebSocket: `for await (const entry of puller)`.
 *
 * Entries come in the order of the gateway. The iteration ends when `close` is called or the loop is
 * left, which closes the connection; it throws when the gateway ends it. While the loop's body runs, the
 * socket is paused after a small backlog, and the gateway holds the rest.
 */
import {
  buildSocketAddress,
  nameReadParameters,
  type ReadOptions,
  type Target,
  tokenHeaders,
} from './address.js';
import { Connection } from './connection.js';
import { type Entry, splitBatch } from './entry.js';
import { GatewayError } from './gateway-error.js';

export interface PullOptions extends Target, ReadOptions {
  /** Default true: ids and batches. False: bare entries of one stream, without their ids. */
  readonly header?: boolean | undefined;
  /** At most this many messages a second. */
  readonly maxFps?: number | undefined;
  /**
   * Ask for each message when the one before is done with. Default: where `latest` is set, since frames
   * would else grow old in the network's buffers.
   */
  readonly ack?: boolean | undefined;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** The contract asks for a text message; its words do not matter. */
const ACK = 'ack';

export class Puller implements AsyncIterable<Entry> {
  readonly #connection: Connection;
  readonly #sid: string;
  readonly #header: boolean;
  readonly #ack: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => void this.close();

  private constructor(connection: Connection, options: PullOptions, ack: boolean) {
    this.#connection = connection;
    this.#sid = options.sids[0] ?? '';
    this.#header = options.header ?? true;
    this.#ack = ack;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
    if (this.#signal?.aborted) this.#abort();
  }

  /**
   * @throws GatewayError where the gateway refuses or does not answer
   * @throws the signal's reason where it fires before the connection is open
   */
  static async open(options: PullOptions): Promise<Puller> {
    const ack = options.ack ?? options.latest ?? false;
    const address = buildSocketAddress(options, 'pull', {
      ...nameReadParameters(options),
      header: options.header,
      max_fps: options.maxFps,
      ack: ack || undefined,
    });
    return new Puller(
      await Connection.open(address, tokenHeaders(options.token), options.signal),
      options,
      ack,
    );
  }

  /** @throws GatewayError where the gateway ends the connection or breaks the protocol */
  async *[Symbol.asyncIterator](): AsyncGenerator<Entry, void, void> {
    try {
      for (;;) {
        const entries = await this.#receiveEntries();
        if (entries === undefined) return;
        for (const entry of entries) yield entry;
        if (this.#ack && !this.#signal?.aborted) await this.#connection.send([ACK]);
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort);
    await this.#connection.close();
  }

  /** The entries of the next message, none for a heartbeat; undefined at the end. */
  async #receiveEntries(): Promise<Entry[] | undefined> {
    const first = await this.#connection.receive();
    if (first === undefined) return undefined;
    if (!this.#header) {
      if (first.isText) throw new GatewayError('bad_answer', 'a text frame came where entries are binary');
      return [{ sid: this.#sid, id: undefined, data: first.data }];
    }
    if (!first.isText) throw new GatewayError('bad_answer', 'a payload came without its header');
    const payload = await this.#connection.receive();
    if (payload === undefined) return undefined;
    if (payload.isText) throw new GatewayError('bad_answer', 'a header came without its payload');
    return splitBatch(first.data.toString(), payload.data);
  }
}
