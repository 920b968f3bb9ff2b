/** `/graphql` over WebSocket, by the graphql-transport-ws protocol: subscriptions, many on a connection. */

import type { WebSocketBehavior } from 'uWebSockets.js';
import { type ExecutionArgs, GraphQLError } from 'graphql';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import { FAILURES, Failure } from '../errors.js';
import { MAX_REQUEST_BYTES } from '../graphql/limits.js';
import { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import type { GraphqlEndpoint } from './graphql-endpoint.js';
import { socketLimits } from './socket-limits.js';
import { upgradeSocket } from './socket-upgrade.js';

/** How long a client may take to send connection_init. */
const INIT_MS = 10_000;
const MAX_SUBSCRIPTIONS = 100;
/** What the library throws where a client says what only servers say. */
const SERVERS_MESSAGE = /^Unexpected message of type /;

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
  const server = makeServer<Record<string, unknown>, undefined>({
    schema: endpoint.schema,
    connectionInitWaitTimeout: INIT_MS,
    onSubscribe: (connection, _id, payload): ExecutionArgs | readonly GraphQLError[] => {
      if (Object.keys(connection.subscriptions).length > MAX_SUBSCRIPTIONS) {
        return [new GraphQLError(`a connection may have at most ${MAX_SUBSCRIPTIONS} operations at once`)];
      }
      return endpoint.prepare(payload);
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
      const waiting = new Waiting();
      const socket = new ClientSocket(ws, () => waiting.wake());
      data.socket = socket;
      context.sockets.add(socket);
      const onClosed = server.opened(
        {
          protocol: data.protocol,
          send: (text) => {
            socket.sendText(text);
            // The next result is not asked for before this one has gone out.
            return socket.isWritable() ? undefined : waiting.untilRoom();
          },
          close: (code, reason) => socket.close(code ?? FAILURES.internal.close, reason ?? ''),
          onMessage: (take) => {
            data.onMessage = take;
          },
        },
        undefined,
      );
      data.onClosed = async (code, reason) => {
        waiting.wake();
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

/** All of a socket's results that wait for room, on one event. */
class Waiting {
  #room: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  untilRoom(): Promise<void> {
    this.#room ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#room;
  }

  wake(): void {
    this.#resolve?.();
    this.#room = undefined;
    this.#resolve = undefined;
  }
}
