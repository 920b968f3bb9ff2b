/**
 * One WebSocket to the gateway, made into two bounded flows: `receive` pauses the socket while its
 * consumer is slow, `send` waits while the network is.
 *
 * Owns the socket from open to close. Reconnecting, when it comes, belongs above: a connection that
 * has ended stays ended, and `ended` says why.
 */
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import {
  errorFromAnswer,
  errorFromClose,
  errorFromNetwork,
  GatewayError,
  isOrderlyClose,
  NORMAL_CLOSE,
} from './gateway-error.js';
import { type Frame, Inbox } from './inbox.js';

/** `send` does not wait while less than this waits for the network. */
const BUFFERED_BYTES = 1024 * 1024;
const HANDSHAKE_MS = 10_000;
/** How long the other side may take to answer a close before the socket is cut. */
const CLOSE_MS = 2000;
/** A refusal's body is one sentence; more than this is not read. */
const REFUSAL_BYTES = 64 * 1024;
/** Largest message taken: room for batches of frames, yet less than brings the process down. */
const MESSAGE_BYTES = 1024 * 1024 * 1024;

async function readRefusal(answer: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    parts.push(part);
    size += part.length;
    if (size > REFUSAL_BYTES) break;
  }
  return Buffer.concat(parts).toString();
}

export class Connection {
  /** Resolves when the socket is closed: undefined if this side asked for it, else with what went wrong. */
  readonly ended: Promise<GatewayError | undefined>;
  readonly #socket: WebSocket;
  readonly #inbox: Inbox;
  #closing = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#inbox = new Inbox(socket);
    socket.on('message', (data, isBinary) => {
      // With ws' default binaryType every message is one Buffer.
      this.#inbox.add({ data: data as Buffer, isText: !isBinary });
    });
    this.ended = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        const orderly = this.#closing ? isOrderlyClose(code) : code === NORMAL_CLOSE;
        const error = orderly ? undefined : errorFromClose(code, reason.toString());
        this.#inbox.finish(error);
        resolve(error);
      });
    });
  }

  /**
   * Resolves once the gateway has accepted the upgrade.
   * @throws GatewayError the gateway's own sentence where it refuses, `unreachable` where nothing answers
   * @throws the signal's reason where it fires before the connection is open
   */
  static async open(
    address: URL,
    headers: Readonly<Record<string, string>> = {},
    signal?: AbortSignal,
  ): Promise<Connection> {
    signal?.throwIfAborted();
    const socket = new WebSocket(address, {
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: MESSAGE_BYTES,
      // Payloads are images and the like, already compressed.
      perMessageDeflate: false,
      headers,
    });
    // Listens from the start: the first messages can come with the handshake's last bytes.
    const connection = new Connection(socket);
    const abort = () => socket.terminate();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.on('error', (error) => {
          reject(signal?.aborted ? signal.reason : errorFromNetwork(error, address));
        });
        socket.once('unexpected-response', (_request, answer) => {
          readRefusal(answer)
            .then((body) => reject(errorFromAnswer(answer.statusCode ?? 0, body)))
            .catch((error) => reject(errorFromNetwork(error, address)))
            .finally(() => socket.terminate());
        });
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    return connection;
  }

  /** The next message, undefined at an orderly end. One receiver at a time. @throws GatewayError */
  receive(): Promise<Frame | undefined> {
    return this.#inbox.next();
  }

  /**
   * Sends frames one after the other, no other between them: a string as text, bytes as binary.
   * Resolves when there is room for more, which does not mean that the gateway has them.
   * @throws GatewayError where the connection has ended
   */
  async send(frames: readonly (string | Uint8Array)[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const last = frames.length - 1;
      for (const [index, frame] of frames.entries()) {
        this.#socket.send(frame, index < last ? undefined : (error) => (error ? reject(error) : resolve()));
      }
      if (this.#socket.readyState === WebSocket.OPEN && this.#socket.bufferedAmount < BUFFERED_BYTES)
        resolve();
    }).catch(() => this.#throwEnd());
  }

  /** Resolves when everything sent so far has left this process. @throws GatewayError */
  async drain(): Promise<void> {
    if (this.#socket.bufferedAmount === 0) return;
    // A pong that nobody asked for is allowed (RFC 6455 §5.5.3), and goes out after all that waits.
    await new Promise<void>((resolve, reject) => {
      this.#socket.pong('', true, (error) => (error ? reject(error) : resolve()));
    }).catch(() => this.#throwEnd());
  }

  /**
   * Ends the connection and resolves when the socket is closed. What was sent goes out first, as far as
   * that takes no longer than the gateway may take to answer; `drain` waits for all of it.
   */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#inbox.discard();
      this.#socket.close(NORMAL_CLOSE);
    }
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends the connection at once; what was not sent is lost. */
  cut(): void {
    this.#closing = true;
    this.#inbox.discard();
    this.#socket.terminate();
  }

  /** Why the connection ended says more than which write it broke. */
  async #throwEnd(): Promise<never> {
    throw (await this.ended) ?? new GatewayError('closed', 'the connection is closed');
  }
}
