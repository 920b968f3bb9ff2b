/** `/data/{sid}/push`: a WebSocket that producers send entries through. */
import type { WebSocketBehavior } from 'uWebSockets.js';
import type { Grant } from '../../../access/grant.js';
import { Failure } from '../../../protocol/errors.js';
import {
  type PushParameters,
  parsePushParameters,
  Query,
  type StreamSelection,
} from '../../../protocol/parameters.js';
import { authenticate } from '../../admission/authorize.js';
import type { Client } from '../../admission/client-shares.js';
import type { Receiver } from '../../admission/received-messages.js';
import type { GatewayContext } from '../../context.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import type { ClientSocket } from '../../sockets/client-socket.js';
import { closeWithGrant, openSocket } from '../../sockets/open-socket.js';
import { socketLimits } from '../../sockets/socket-limits.js';
import { upgradeSocket } from '../../sockets/socket-upgrade.js';
import { type ProducerTransport, PushClient } from './push-client.js';
import { readSelection } from './selected-keys.js';

/** Acks that a producer does not read may fill this much, and one more; then it is closed. */
const MAX_UNREAD_ACK_BYTES = 1024 * 1024;

interface PushSocket {
  readonly grant: Grant;
  readonly selection: StreamSelection;
  readonly parameters: PushParameters;
  readonly client: Client;
  socket?: ClientSocket;
  unwatchGrant?: () => void;
  producer?: PushClient;
  receiver?: Receiver;
}

/** What is checked before a push is opened, and known then. */
export const preparePush =
  (context: GatewayContext) =>
  async (exchange: HttpExchange, encodedSid: string): Promise<PushSocket> => {
    const grant = await authenticate(context, exchange);
    const query = new Query(exchange.query);
    const selection = readSelection(grant.rights, encodedSid, query);
    const parameters = parsePushParameters(query, selection);
    PushClient.checkStreams(context, grant.rights, selection);
    return { grant, selection, parameters, client: exchange.client };
  };

function sendAck(socket: ClientSocket, text: string): void {
  if (socket.waitingBytes > MAX_UNREAD_ACK_BYTES) {
    socket.endSlow(new Failure('acks_unread', 'the acks of earlier messages are not read'));
  } else socket.sendText(text);
}

export function pushBehavior(context: GatewayContext): WebSocketBehavior<PushSocket> {
  const limits = socketLimits(context.config.MAX_PAYLOAD_BYTES);
  return {
    ...limits,
    upgrade: (res, req, socketContext) =>
      upgradeSocket<PushSocket>(context, res, req, socketContext, preparePush(context)),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = openSocket(context, ws, 'push', data.selection, () => {});
      data.socket = socket;
      data.receiver = context.receivedMessages.open(socket, limits.maxPayloadLength);
      data.unwatchGrant = closeWithGrant(socket, data.grant);
      const { grant, selection, parameters, client } = data;
      const transport: ProducerTransport = {
        end: (failure) => socket.end(failure),
        send: (texts) => {
          if (texts.length === 1) sendAck(socket, texts[0]!);
          else socket.cork(() => texts.forEach((text) => sendAck(socket, text)));
        },
      };
      const share = context.appendShares.open(client);
      data.producer = new PushClient(
        context,
        grant.rights,
        selection,
        parameters,
        transport,
        share,
        socket.trace,
      );
    },
    message: (ws, message, isBinary) => {
      const { grant, producer, receiver, socket } = ws.getUserData();
      receiver?.completed(message.byteLength);
      // A token that has ended closes its connections, but only a moment later.
      const { failure } = grant;
      if (failure !== undefined) socket?.end(failure);
      else producer?.take(new Uint8Array(message), isBinary);
    },
    close: (ws) => {
      const { producer, receiver, socket, unwatchGrant } = ws.getUserData();
      if (socket === undefined) return;
      unwatchGrant?.();
      producer?.close();
      receiver?.close();
      socket.closed();
    },
  };
}
