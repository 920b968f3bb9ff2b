/** `/data/{sid}/push`: a WebSocket that producers send entries through. */
import type { WebSocketBehavior } from 'uWebSockets.js';
import { Failure } from '../errors.js';
import {
  type PushParameters,
  parsePushParameters,
  parseSelection,
  Query,
  type StreamSelection,
} from '../wire/parameters.js';
import { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import { Producer } from './producer.js';
import { socketLimits } from './socket-limits.js';
import { upgradeSocket } from './socket-upgrade.js';

/** Acks that a producer does not read may fill this much; then it is closed. */
const MAX_UNREAD_ACK_BYTES = 1024 * 1024;

interface PushSocket {
  readonly selection: StreamSelection;
  readonly parameters: PushParameters;
  socket?: ClientSocket;
  producer?: Producer;
}

export function pushBehavior(context: GatewayContext): WebSocketBehavior<PushSocket> {
  return {
    ...socketLimits(context.config.MAX_PAYLOAD_BYTES),
    upgrade: (res, req, socketContext) =>
      upgradeSocket<PushSocket>(context, res, req, socketContext, (exchange) => {
        const query = new Query(exchange.query);
        const selection = parseSelection(req.getParameter(0), query);
        const parameters = parsePushParameters(query, selection);
        Producer.checkStreams(context, selection);
        return { selection, parameters };
      }),
    open: (ws) => {
      const data = ws.getUserData();
      const socket = new ClientSocket(ws, () => {});
      data.socket = socket;
      data.producer = new Producer(context, data.selection, data.parameters, {
        end: (failure) => {
          context.logger.info(
            { code: failure.code, reason: failure.message, ...data.selection },
            'a producer is closed',
          );
          socket.end(failure);
        },
        send: (text) => {
          socket.sendText(text);
          if (socket.waitingBytes > MAX_UNREAD_ACK_BYTES) {
            socket.end(new Failure('acks_unread', 'the acks of earlier messages are not read'));
          }
        },
      });
      context.sockets.add(socket);
      context.counters.pushConnections++;
    },
    message: (ws, message, isBinary) => ws.getUserData().producer?.take(new Uint8Array(message), isBinary),
    close: (ws) => {
      const { producer, socket } = ws.getUserData();
      if (socket === undefined) return;
      producer?.close();
      socket.closed();
      context.sockets.delete(socket);
      context.counters.pushConnections--;
    },
  };
}
