/** `/graphql` over WebSocket, by the graphql-transport-ws protocol: subscriptions, many on a connection. */

import type { WebSocketBehavior } from 'uWebSockets.js';
import { type ExecutionArgs, GraphQLError, getOperationAST, OperationTypeNode } from 'graphql';
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws';
import type { Grant } from '../../../access/grant.js';
import type { OpenSubscription } from '../../../graphql/context.js';
import { checkRequestText, MAX_REQUEST_BYTES } from '../../../graphql/limits.js';
import { FAILURES, Failure } from '../../../protocol/errors.js';
import { authenticate, bearerToken, offeredSubprotocols, presentedToken } from '../../admission/authorize.js';
import type { Share } from '../../admission/client-shares.js';
import type { NewSocket } from '../../admission/first-messages.js';
import type { Receiver } from '../../admission/received-messages.js';
import type { GatewayContext } from '../../context.js';
import type { ClientSocket } from '../../sockets/client-socket.js';
import { closeWithGrant, openSocket } from '../../sockets/open-socket.js';
import { socketLimits } from '../../sockets/socket-limits.js';
import { upgradeSocket } from '../../sockets/socket-upgrade.js';
import type { GraphqlEndpoint } from './endpoint.js';
import { Outbox } from './outbox.js';

/** How long a client may take to send connection_init. */
const INIT_MS = 10_000;
const MAX_OPERATIONS = 100;
/** What the library throws where a client says what only servers say. */
const SERVERS_MESSAGE = /^Unexpected message of type /;

/** What a connection has besides what the library knows. */
interface Extra {
  /** What the client's token grants; undefined until it is known. */
  grant(): Grant | undefined;
  /** Counts its subscriptions; undefined until the token is known. */
  share(): Share | undefined;
  /** Takes a token that comes with connection_init, if one does. @throws Failure */
  admit(token: string | undefined): Promise<void>;
  /** Its client has introduced itself. */
  begin(): void;
  /** Ids of queries and mutations without their answer. */
  readonly questions: Set<string>;
  /** Those that have not ended. */
  readonly subscriptions: Set<OpenSubscription>;
  /** What it is sent. */
  readonly outbox: Outbox;
}

interface GraphqlSocket {
  readonly protocol: string;
  /** Of the request that was upgraded; undefined where it brought no token. */
  grant: Grant | undefined;
  readonly address: string;
  share?: Share;
  unwatchGrant?: () => void;
  socket?: ClientSocket;
  /** Until its client has introduced itself. */
  newcomer?: NewSocket;
  receiver?: Receiver;
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
    onConnect: async ({ connectionParams, extra }) => {
      await extra.admit(tokenOf(connectionParams ?? {}));
      extra.begin();
    },
    onSubscribe: (connection, id, payload): ExecutionArgs | readonly GraphQLError[] => {
      const { subscriptions } = connection.extra;
      const operations = Math.max(Object.keys(connection.subscriptions).length, subscriptions.size + 1);
      if (operations > MAX_OPERATIONS) {
        return [new GraphQLError(`a connection may have at most ${MAX_OPERATIONS} operations at once`)];
      }
      if (context.stopping.signal.aborted) {
        return [new GraphQLError('the gateway is going down', { extensions: { code: 'shutting_down' } })];
      }
      // Known: before it is, the library lets no operation through.
      const prepared = endpoint.prepare(
        connection.extra.grant()!,
        payload,
        subscriptions,
        connection.extra.share(),
        connection.extra.outbox.sinkOf(id),
      );
      if ('document' in prepared && !isSubscription(prepared)) {
        connection.extra.questions.add(id);
        context.underway.begin();
      }
      return prepared;
    },
    onComplete: ({ extra }, id) => {
      if (extra.questions.delete(id)) context.underway.end();
    },
  });
  const limits = socketLimits(MAX_REQUEST_BYTES);
  return {
    ...limits,
    upgrade: (res, req, socketContext) =>
      upgradeSocket<GraphqlSocket>(
        context,
        res,
        req,
        socketContext,
        async (exchange) => {
          if (!offeredSubprotocols(exchange).includes(GRAPHQL_TRANSPORT_WS_PROTOCOL)) {
            throw new Failure('bad_parameter', `the subprotocol must be ${GRAPHQL_TRANSPORT_WS_PROTOCOL}`);
          }
          context.firstMessages.checkRoom(exchange.address);
          // A browser may bring its token later, with connection_init.
          const isKnown = !context.access.isOn || presentedToken(context, exchange) !== undefined;
          const grant = isKnown ? await authenticate(context, exchange) : undefined;
          return { protocol: GRAPHQL_TRANSPORT_WS_PROTOCOL, grant, address: exchange.address };
        },
        GRAPHQL_TRANSPORT_WS_PROTOCOL,
      ),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = openSocket(context, ws, 'graphql', undefined, () => outbox.wake());
      const outbox = new Outbox(socket, 2 * MAX_OPERATIONS);
      const subscriptions = new Set<OpenSubscription>();
      const questions = new Set<string>();
      data.socket = socket;
      const newcomer: NewSocket = {
        address: data.address,
        pauseReading: () => socket.pauseReading(),
        resumeReading: () => socket.resumeReading(),
        end: (failure) => socket.drop(failure),
      };
      data.newcomer = newcomer;
      context.firstMessages.add(newcomer);
      const begin = () => {
        if (data.socket === undefined) return;
        context.firstMessages.remove(newcomer);
        data.receiver ??= context.receivedMessages.open(socket, limits.maxPayloadLength);
      };
      const take = (grant: Grant) => {
        data.unwatchGrant?.();
        data.grant = grant;
        data.unwatchGrant = closeWithGrant(socket, grant);
        data.share?.close();
        const token = context.access.isOn ? grant.name : undefined;
        data.share = context.streamShares.open({ address: data.address, token });
      };
      if (data.grant !== undefined) take(data.grant);
      const admit = async (token: string | undefined) => {
        if (token === undefined && data.grant !== undefined) return;
        const grant = await context.access.authenticate(token);
        // It may have left meanwhile.
        if (data.socket !== undefined) take(grant);
      };
      const onClosed = server.opened(
        {
          protocol: data.protocol,
          send: (text) => outbox.send(text),
          close: (code, reason) => socket.close(code ?? FAILURES.internal.close, reason ?? ''),
          onMessage: (take) => {
            data.onMessage = async (text) => {
              checkRequestText(text);
              await take(text);
            };
          },
        },
        {
          subscriptions,
          questions,
          outbox,
          grant: () => data.grant,
          share: () => data.share,
          admit,
          begin,
        },
      );
      data.onClosed = async (code, reason) => {
        outbox.close();
        // The library forgets one whose id was used again while it ended.
        for (const subscription of subscriptions) void subscription.return();
        for (const id of questions) if (questions.delete(id)) context.underway.end();
        await onClosed(code, reason);
      };
    },
    message: (ws, message, isBinary) => {
      const { onMessage, receiver, socket } = ws.getUserData();
      receiver?.completed(message.byteLength);
      if (isBinary) {
        socket?.end(new Failure('bad_frame', 'a message must be a text frame, not a binary frame'));
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
        if (error instanceof Failure) {
          socket?.end(error);
          return;
        }
        context.logger.error({ err: error }, 'a GraphQL connection failed');
        socket?.end(new Failure('internal', 'the gateway failed to answer this request'));
      });
    },
    drain: (ws) => ws.getUserData().socket?.drained(),
    close: (ws, code, reason) => {
      const data = ws.getUserData();
      const { socket, onClosed, unwatchGrant } = data;
      if (socket === undefined) return;
      delete data.socket;
      unwatchGrant?.();
      data.share?.close();
      if (data.newcomer !== undefined) context.firstMessages.remove(data.newcomer);
      data.receiver?.close();
      socket.closed();
      void onClosed?.(code, Buffer.from(reason).toString());
    },
  };
}

/** The token in connection_init, as `token` or, as for HTTP, `authorization`, in any case. */
function tokenOf(parameters: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== 'string') continue;
    if (/^token$/i.test(name)) return value;
    if (/^authorization$/i.test(name)) return bearerToken(value) ?? value;
  }
  return undefined;
}

function isSubscription({ document, operationName }: ExecutionArgs): boolean {
  return getOperationAST(document, operationName)?.operation === OperationTypeNode.SUBSCRIPTION;
}
