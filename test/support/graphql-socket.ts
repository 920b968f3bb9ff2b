/** A client of the graphql-transport-ws protocol: messages are awaited one by one, none is lost in between. */
import { WebSocket } from 'ws';
import type { GatewayProcess } from './gateway-process.js';
import type { GraphqlAnswer, GraphqlProblem, Variables } from './graphql.js';

export const SUBPROTOCOL = 'graphql-transport-ws';

export interface ProtocolMessage {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

/** How a connection is asked for. */
export interface GraphqlOpening {
  readonly headers?: Record<string, string>;
  readonly subprotocols?: readonly string[];
  readonly init?: Record<string, unknown>;
}

type Event<T> =
  | { readonly type: 'next'; readonly result: GraphqlAnswer<T> }
  | { readonly type: 'error'; readonly errors: readonly GraphqlProblem[] }
  | { readonly type: 'complete' }
  | { readonly type: 'closed' };

/** One operation on a connection. */
export class Operation<T> {
  readonly id: string;
  readonly #socket: GraphqlSocket;
  readonly #events: Event<T>[] = [];
  #wake: (() => void) | undefined;

  constructor(socket: GraphqlSocket, id: string) {
    this.#socket = socket;
    this.id = id;
  }

  /** Events that came and were not taken. */
  get pending(): number {
    return this.#events.length;
  }

  take(event: Event<T>): void {
    this.#events.push(event);
    this.#wake?.();
  }

  async event(): Promise<Event<T>> {
    while (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#events.shift()!;
  }

  /** The next result, which must have no errors. */
  async next(): Promise<T> {
    const event = await this.event();
    if (event.type !== 'next' || event.result.errors !== undefined) {
      throw new Error(`no result but ${JSON.stringify(event)}`);
    }
    return event.result.data as T;
  }

  /** The next results, which must have no errors. */
  async nextOf(count: number): Promise<T[]> {
    const results: T[] = [];
    while (results.length < count) results.push(await this.next());
    return results;
  }

  /** Says that nothing more is wanted. */
  complete(): void {
    this.#socket.send({ type: 'complete', id: this.id });
  }
}

export class GraphqlSocket {
  readonly ws: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  // biome-ignore lint/suspicious/noExplicitAny: operations of all kinds
  readonly #operations = new Map<string, Operation<any>>();
  #ids = 0;
  #acknowledge: (() => void) | undefined;
  #pong: (() => void) | undefined;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data) => this.#take(JSON.parse(data.toString()) as ProtocolMessage));
    ws.on('error', () => {});
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        for (const operation of this.#operations.values()) operation.take({ type: 'closed' });
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /**
   * Connects, and has the connection acknowledged.
   * @param init what comes with connection_init
   */
  static async open(
    { ws: address }: Pick<GatewayProcess, 'ws'>,
    { headers = {}, subprotocols = [SUBPROTOCOL], init }: GraphqlOpening = {},
  ): Promise<GraphqlSocket> {
    const ws = new WebSocket(`${address}/graphql`, [...subprotocols], {
      headers,
      perMessageDeflate: false,
      maxPayload: 1 << 30,
    });
    const socket = new GraphqlSocket(ws);
    await new Promise((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    const acknowledged = new Promise<void>((resolve) => {
      socket.#acknowledge = resolve;
    });
    socket.send({ type: 'connection_init', ...(init === undefined ? {} : { payload: init }) });
    await Promise.race([
      acknowledged,
      socket.closed.then(({ code }) => Promise.reject(new Error(`closed: ${code}`))),
    ]);
    return socket;
  }

  send(...messages: readonly (ProtocolMessage | string)[]): void {
    for (const message of messages) {
      this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
    }
  }

  /** Begins an operation. */
  run<T>(query: string, variables?: Variables, id = `operation-${this.#ids++}`): Operation<T> {
    const operation = new Operation<T>(this, id);
    this.#operations.set(id, operation);
    this.send({ type: 'subscribe', id, payload: { query, variables } });
    return operation;
  }

  /** Resolves once the server has answered, and so has seen all that was sent before. */
  async ping(): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.#pong = resolve;
    });
    this.send({ type: 'ping' });
    await answered;
  }

  /** Stops reading from the socket: what the system's buffers don't hold waits in the gateway. */
  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  async close(): Promise<void> {
    this.ws.resume();
    this.ws.close();
    await this.closed;
  }

  #take({ type, id, payload }: ProtocolMessage): void {
    if (type === 'connection_ack') this.#acknowledge?.();
    else if (type === 'pong') this.#pong?.();
    else if (type === 'ping') this.send({ type: 'pong' });
    else {
      const operation = this.#operations.get(id ?? '');
      // Of one that was completed meanwhile.
      if (operation === undefined) return;
      if (type === 'next') operation.take({ type, result: payload as GraphqlAnswer });
      else if (type === 'error') operation.take({ type, errors: payload as GraphqlProblem[] });
      else operation.take({ type: 'complete' });
    }
  }
}
