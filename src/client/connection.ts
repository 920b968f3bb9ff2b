/**
 * One WebSocket to the gateway, from open to close. `receive` hands out messages one by one, and pauses
 * the socket while its consumer is slow, where the socket can be paused.
 *
 * A connection that has ended stays ended, and `ended` says why; reconnecting belongs above.
 */
import {
  errorFromClose,
  errorFromNetwork,
  errorFromSilence,
  GatewayError,
  NORMAL_CLOSE,
} from './gateway-error.js';
import { type Frame, Inbox } from './inbox.js';

/** What is needed of a WebSocket: a browser's has it, and ws' has the rest too. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  // biome-ignore lint/suspicious/noExplicitAny: an event of the DOM or of ws, which have no type in common
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: any) => void): void;
  /** Browsers have none of these: there a socket cannot be paused, and ends when the other side has answered. */
  pause?(): void;
  resume?(): void;
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const HANDSHAKE_MS = 10_000;
/** How long the other side may take to answer a close before the socket is cut. */
const CLOSE_MS = 2000;
/** docs/access.md: a token goes as a subprotocol, beside another that is then the one chosen. */
const SUBPROTOCOL = 'streamgate';
const TOKEN_SUBPROTOCOL = 'bearer.';

/** Whether the sockets that `Socket` makes can be paused. */
export function isPausable(Socket: WebSocketConstructor): boolean {
  return typeof (Socket.prototype as WebSocketLike | undefined)?.pause === 'function';
}

export class Connection {
  /** Resolves when the socket is closed: undefined if this side asked for it, else with what went wrong. */
  readonly ended: Promise<GatewayError | undefined>;
  readonly #socket: WebSocketLike;
  readonly #inbox: Inbox;
  #isClosing = false;
  #end: (error: GatewayError | undefined) => void = () => {};

  private constructor(socket: WebSocketLike) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    this.#inbox = new Inbox({
      pause: () => socket.pause?.(),
      resume: () => socket.resume?.(),
    });
    this.ended = new Promise((resolve) => {
      this.#end = (error) => {
        this.#inbox.finish(error);
        resolve(error);
      };
    });
    socket.addEventListener('message', ({ data }: { data: string | ArrayBuffer }) => {
      this.#inbox.add(typeof data === 'string' ? data : new Uint8Array(data));
    });
    socket.addEventListener('close', ({ code, reason }: { code: number; reason: string }) => {
      this.#end(this.#isClosing ? undefined : errorFromClose(code, reason));
    });
  }

  /**
   * Resolves once the gateway has accepted the upgrade. Browsers do not say why it was refused: the same is
   * to be asked by HTTP then.
   * @throws GatewayError `unreachable` where the upgrade was refused, or nothing answers
   * @throws the signal's reason where it fires before the connection is open
   */
  static async open(
    Socket: WebSocketConstructor,
    address: URL,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    signal?.throwIfAborted();
    const socket = new Socket(
      address.href,
      token === undefined ? [] : [SUBPROTOCOL, TOKEN_SUBPROTOCOL + token],
    );
    // Listens from the start: the first messages can come with the handshake's last bytes.
    const connection = new Connection(socket);
    let giveUp = () => {};
    const timer = setTimeout(() => giveUp(), HANDSHAKE_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        let fault: unknown;
        const refuse = () => reject(errorFromNetwork(fault, address));
        giveUp = () => {
          fault ??= new Error(`no answer in ${HANDSHAKE_MS / 1000} s`);
          signal?.aborted ? reject(signal.reason) : refuse();
          connection.cut();
        };
        signal?.addEventListener('abort', giveUp, { once: true });
        socket.addEventListener('open', () => resolve());
        // Of a browser an event without a word; ws says what happened.
        socket.addEventListener('error', (event: { error?: unknown }) => {
          fault ??= event.error;
        });
        socket.addEventListener('close', refuse);
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
    return connection;
  }

  /** Bytes that wait for the network. */
  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  /**
   * The next message, undefined once this side has closed. One receiver at a time.
   * @param silenceMs after so long without a message the connection is taken for dead; undefined: never
   * @throws GatewayError where the other side ended it, or it is dead
   */
  async receive(silenceMs?: number): Promise<Frame | undefined> {
    if (silenceMs === undefined || !this.#inbox.isEmpty) return this.#inbox.next();
    const timer = setTimeout(() => this.abandon(errorFromSilence(silenceMs)), silenceMs);
    try {
      return await this.#inbox.next();
    } finally {
      clearTimeout(timer);
    }
  }

  /** A string as text, bytes as binary. What an ended connection is given is lost; `ended` tells. */
  send(frame: string | Uint8Array<ArrayBuffer>): void {
    try {
      this.#socket.send(frame);
    } catch (cause) {
      this.abandon(
        new GatewayError('closed', 'the connection is closed', { closeCode: NORMAL_CLOSE, cause }),
      );
    }
  }

  /** Ends the connection and resolves when the socket is closed; what was sent goes out first. */
  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#inbox.discard();
      this.#socket.close(NORMAL_CLOSE);
    }
    const timer = setTimeout(() => {
      this.#socket.terminate?.();
      this.#end(undefined);
    }, CLOSE_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Ends the connection at once; what was not sent is lost. */
  cut(): void {
    this.#isClosing = true;
    this.#inbox.discard();
    this.#terminate();
    this.#end(undefined);
  }

  /** The same, told as a failure: what waits to be received is handed out before it. */
  abandon(error: GatewayError): void {
    this.#end(error);
    this.#isClosing = true;
    this.#terminate();
  }

  #terminate(): void {
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close();
  }
}
