/**
 * Follows streams over WebSockets: `for await (const entry of pull(…))`.
 *
 * Every entry after the cursor that the gateway still has, in each stream's order, each once; with `latest` the
 * newest whenever there is time for one. A connection that is lost is made again and goes on after the last
 * entry that was handed out. Memory is bounded whatever the consumer's speed: while the loop's body runs, the
 * socket is paused after about a megabyte; where sockets cannot be paused, which is in browsers, each message is
 * asked for when the one before is done with.
 */
import { buildSocketAddress, type Parameters, type Place } from './address.js';
import { askWhyNot } from './ask-why-not.js';
import { pause, reconnectBackOff } from './back-off.js';
import { Connection, isPausable, type WebSocketConstructor } from './connection.js';
import type { Reconnect, StateListener } from './connection-state.js';
import { Cursors } from './cursors.js';
import { decodeEntries, type Entry, nameMoment } from './entry.js';
import type { EntryRange } from './entry-range.js';
import { type Gap, parseGapFrame } from './gap.js';
import { GatewayError, NORMAL_CLOSE } from './gateway-error.js';
import { pinCursor } from './rest.js';

/** `$` is the end at the moment of the first connection. */
export interface PullOptions extends EntryRange {
  /** Replay at this multiple of the pace at which the entries were written; 0: as fast as possible. */
  readonly speed?: number | undefined;
  /** At most this many entries of a stream in one message. Default: 1000, of which a message holds some megabytes. */
  readonly count?: number | undefined;
  /** At most this many messages a second. */
  readonly maxFps?: number | undefined;
  /**
   * Ask for each message when the one before is done with. Default: with `latest`, since frames would else
   * grow old in the network's buffers. Always so where sockets cannot be paused.
   */
  readonly ack?: boolean | undefined;
  /** Milliseconds after which the gateway gives a sign of life where there is no data. The gateway's default: 5000. */
  readonly block?: number | undefined;
  /** Have losses told, before the entry that follows them. Default: where there is an `onGap`. */
  readonly gaps?: boolean | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
  readonly onState?: StateListener | undefined;
  /** Default: true. */
  readonly reconnect?: Reconnect | undefined;
  /** Ends the iteration, without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** The protocol asks for a text message; its words do not matter. */
const ACK = 'ack';
const DEFAULT_COUNT = 1000;
/** docs/protocol.md, parameters. */
const DEFAULT_BLOCK_MS = 5000;
/** How much later than promised a sign of life may come. */
const SILENCE_MS = 15_000;

export interface PullSource extends Place {
  readonly WebSocket: WebSocketConstructor;
}

class Pull {
  readonly #source: PullSource;
  readonly #sids: readonly string[];
  readonly #options: PullOptions;
  readonly #cursors: Cursors;
  readonly #backOff = reconnectBackOff();
  readonly #ack: boolean;
  #wasOpen = false;

  constructor(source: PullSource, sids: readonly string[], options: PullOptions) {
    this.#source = source;
    this.#sids = sids;
    this.#options = options;
    this.#cursors = new Cursors(sids, options);
    this.#ack = !isPausable(source.WebSocket) || (options.ack ?? options.latest ?? false);
  }

  async *entries(): AsyncGenerator<Entry, void, void> {
    const { signal, onState } = this.#options;
    while (!signal?.aborted) {
      try {
        onState?.({ state: 'connecting' });
        const connection = await this.#connect();
        const close = () => connection.cut();
        signal?.addEventListener('abort', close, { once: true });
        try {
          this.#wasOpen = true;
          onState?.({ state: 'open' });
          yield* this.#receive(connection);
          return;
        } finally {
          signal?.removeEventListener('abort', close);
          await connection.close();
        }
      } catch (error) {
        if (signal?.aborted) return;
        if (!this.#mayComeBack(error)) throw error;
        const retryInMs = this.#backOff.next(error.retryAfterMs);
        onState?.({ state: 'waiting', error, retryInMs });
        await pause(retryInMs, signal);
      }
    }
  }

  #mayComeBack(error: unknown): error is GatewayError {
    const { reconnect = true } = this.#options;
    if (!(error instanceof GatewayError) || !error.mayPass) return false;
    return reconnect === 'after-open' ? this.#wasOpen : reconnect;
  }

  async #connect(): Promise<Connection> {
    const { signal } = this.#options;
    if (this.#cursors.needsPin) {
      const cursor = String(this.#cursors.parameters.last_entry_id);
      this.#cursors.pin(await pinCursor(this.#source, this.#sids, cursor, signal));
    }
    const address = buildSocketAddress(this.#source, this.#sids, 'pull', this.#parameters());
    try {
      return await Connection.open(this.#source.WebSocket, address, this.#source.token, signal);
    } catch (error) {
      signal?.throwIfAborted();
      await askWhyNot(address, this.#source.token, signal);
      throw error;
    }
  }

  #parameters(): Parameters {
    const { until, speed, latest, count, maxFps, block, gaps, onGap } = this.#options;
    return {
      ...this.#cursors.parameters,
      header: 'msgpack',
      until: nameMoment(until),
      speed,
      latest,
      count: count ?? (latest ? undefined : DEFAULT_COUNT),
      max_fps: maxFps,
      block,
      ack: this.#ack || undefined,
      gaps: (gaps ?? onGap !== undefined) || undefined,
    };
  }

  async *#receive(connection: Connection): AsyncGenerator<Entry, void, void> {
    const { signal, onGap } = this.#options;
    const silence = this.#silence();
    for (;;) {
      const frame = await this.#nextFrame(connection, silence);
      if (frame === undefined) return;
      this.#backOff.reset();
      if (typeof frame === 'string') {
        onGap?.(parseGapFrame(frame));
        continue;
      }
      for (const entry of decodeEntries(frame)) {
        if (signal?.aborted) return;
        this.#cursors.advance(entry.stream, entry.id);
        yield entry;
      }
      if (this.#ack) connection.send(ACK);
    }
  }

  /** Undefined at the end of what was asked for. */
  async #nextFrame(connection: Connection, silence: number | undefined) {
    try {
      return await connection.receive(silence);
    } catch (error) {
      const isDone = this.#options.until !== undefined && error instanceof GatewayError;
      if (isDone && error.closeCode === NORMAL_CLOSE) return undefined;
      throw error;
    }
  }

  /** Milliseconds without a message after which the connection is dead; undefined where none are promised. */
  #silence(): number | undefined {
    const { block = DEFAULT_BLOCK_MS, maxFps = 0 } = this.#options;
    if (block <= 0) return undefined;
    return block + SILENCE_MS + (maxFps > 0 ? 1000 / maxFps : 0);
  }
}

/**
 * Entries of the streams, as they come; ends when the loop is left, the signal fires or `until` has passed.
 * @throws GatewayError where the gateway refuses, or the connection is lost and is not to be made again
 */
export async function* pull(
  source: PullSource,
  sids: readonly string[],
  options: PullOptions,
): AsyncGenerator<Entry, void, void> {
  yield* new Pull(source, sids, options).entries();
}
