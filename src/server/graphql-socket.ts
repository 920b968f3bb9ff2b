/** `/graphql` over WebSocket, by the graphql-transport-ws protocol: subscriptions, many on a connection. */

import type { WebSocketBehavior } from 'uWebSockets.js';
import { type ExecutionArgs, GraphQLError } from 'graphql';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import { FAILURES, Failure } from '../errors.js';
import type { OpenSubscription } from '../graphql/context.js';
import { MAX_REQUEST_BYTES } from '../graphql/limits.js';
import { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import type { GraphqlEndpoint } from './graphql-endpoint.js';
import { socketLimits } from './socket-limits.js';
import { upgradeSocket } from './socket-upgrade.js';

/** How long a client may take to send connection_init. */
const INIT_MS = 10_000;
const MAX_OPERATIONS = 100;
/** Messages that may wait for a client to read on: one of each operation, and as many of other kinds. */
const MAX_WAITING = 2 * MAX_OPERATIONS;
/** What the library throws where a client says what only servers say. */
const SERVERS_MESSAGE = /^Unexpected message of type /;

/** What a connection has besides what the library knows. */
interface Extra {
  /** Those that have not ended. */
  readonly subscriptions: Set<OpenSubscription>;
}

interface GraphqlSocket {
  readonly protocol: string;
  socket?: ClientSocket;
  onMessage?: (text: string) => Promise<void>;
  onClosed?: (code: number, reason: string) => Promise<void>;
}

export function graphqlBehavior(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
): WebSocketBehavior<GraphqlSocket> {
  const server = makeServer<Record<string, unknown>, Extra>({
    schema: endpoint.schema,
    connectionInitWaitTimeout: INIT_MS,
    onSubscribe: (connection, _id, payload): ExecutionArgs | readonly GraphQLError[] => {
      const { subscriptions } = connection.extra;
      const operations = Math.max(Object.keys(connection.subscriptions).length, subscriptions.size + 1);
      if (operations > MAX_OPERATIONS) {
        return [new GraphQLError(`a connection may have at most ${MAX_OPERATIONS} operations at once`)];
      }
      return endpoint.prepare(payload, subscriptions);
    },
  });
  return {
    ...socketLimits(MAX_REQUEST_BYTES),
    upgrade: (res, req, socketContext) =>
      upgradeSocket<GraphqlSocket>(
        context,
        res,
        req,
        socketContext,
        (exchange) => {
          const offered = exchange.header('sec-websocket-protocol').split(',');
          if (!offered.some((protocol) => protocol.trim() === GRAPHQL_TRANSPORT_WS_PROTOCOL)) {
            throw new Failure('bad_parameter', `the subprotocol must be ${GRAPHQL_TRANSPORT_WS_PROTOCOL}`);
          }
          return { protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL };
        },
        GRAPHQL_TRANSPORT_WS_PROTOCOL,
      ),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = new ClientSocket(ws, () => outbox.wake());
      const outbox = new Outbox(socket);
      const subscriptions = new Set<OpenSubscription>();
      data.socket = socket;
      context.sockets.add(socket);
      const onClosed = server.opened(
        {
          protocol: data.protocol,
          send: (text) => outbox.send(text),
          close: (code, reason) => socket.close(code ?? FAILURES.internal.close, reason ?? ''),
          onMessage: (take) => {
            data.onMessage = take;
          },
        },
        { subscriptions },
      );
      data.onClosed = async (code, reason) => {
        outbox.close();
        // The library forgets one whose id was used again while it ended.
        for (const subscription of subscriptions) void subscription.return();
        await onClosed(code, reason);
      };
    },
    message: (ws, message, isBinary) => {
      const { onMessage, socket } = ws.getUserData();
      if (isBinary) {
        socket?.end(new Failure('bad_frame', 'a binary frame came where text belongs'));
        return;
      }
      const bytes = message.byteLength;
      if (bytes > MAX_REQUEST_BYTES) {
        const refusal = `the message has ${bytes} bytes; at most ${MAX_REQUEST_BYTES} are allowed`;
        socket?.end(new Failure('payload_too_large', refusal));
        return;
      }
      onMessage?.(Buffer.from(message).toString()).catch((error: unknown) => {
        if (error instanceof Error && SERVERS_MESSAGE.test(error.message)) {
          socket?.close(CloseCode.BadRequest, error.message);
          return;
        }
        context.logger.error({ err: error }, 'a GraphQL connection failed');
        socket?.end(new Failure('internal', 'the gateway failed to answer'));
      });
    },
    drain: (ws) => ws.getUserData().socket?.drained(),
    close: (ws, code, reason) => {
      const { socket, onClosed } = ws.getUserData();
      if (socket === undefined) return;
      socket.closed();
      context.sockets.delete(socket);
      void onClosed?.(code, Buffer.from(reason).toString());
    },
  };
}

/** A client's messages, which wait for it to read on; and with each whoever has sent it. */
class Outbox {
  readonly #socket: ClientSocket;
  #waiting = 0;
  #isClosed = false;
  #room: Promise<void> | undefined;
  #onRoom: (() => void) | undefined;

  constructor(socket: ClientSocket) {
    this.#socket = socket;
  }

  /** Resolves once the message has gone out: the next result is not asked for before. */
  async send(text: string): Promise<void> {
    await this.#untilRoom();
    this.#socket.sendText(text);
    await this.#untilRoom();
  }

  wake(): void {
    this.#onRoom?.();
    this.#room = undefined;
    this.#onRoom = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.wake();
  }

  async #untilRoom(): Promise<void> {
    if (this.#isClosed || this.#socket.isWritable()) return;
    if (++this.#waiting > MAX_WAITING) {
      // Not the code for unread acks, 4429, which means something else in this protocol.
      this.#socket.end(new Failure('overloaded', 'too many answers wait to be read'));
    }
    while (!this.#isClosed && !this.#socket.isWritable()) {
      this.#room ??= new Promise((resolve) => {
        this.#onRoom = resolve;
      });
      await this.#room;
    }
    this.#waiting--;
  }
}
