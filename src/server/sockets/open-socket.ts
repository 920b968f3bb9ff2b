/** A WebSocket that was opened: kept among the gateway's live ones until its end. */
import type { WebSocket } from 'uWebSockets.js';
import type { Grant } from '../../access/grant.js';
import type { StreamSelection } from '../../protocol/parameters.js';
import type { GatewayContext } from '../context.js';
import type { ConnectionEndpoint } from '../counters.js';
import { OpenConnection } from '../open-connection.js';
import { ClientSocket, type SocketListener } from './client-socket.js';

/**
 * @param selection what the client asked for
 * @param onRoom called when a full socket has room again
 * @returns a socket whose `closed` must be called when the library says so
 */
export function openSocket(
  context: GatewayContext,
  ws: WebSocket<unknown>,
  endpoint: ConnectionEndpoint,
  selection: StreamSelection | undefined,
  onRoom: () => void,
): ClientSocket {
  const { sockets } = context;
  const connection = new OpenConnection(context, endpoint, selection);
  const listener: SocketListener = {
    onRoom,
    onEnd: (failure, isSlow) => connection.fail(failure, isSlow),
    onClosed: () => {
      sockets.delete(socket);
      connection.closed();
    },
  };
  const socket = new ClientSocket(ws, listener, connection.trace);
  sockets.add(socket);
  return socket;
}

/** Has a connection closed when its token expires or is revoked. @returns ends the watch, at the connection's end */
export function closeWithGrant(socket: ClientSocket, grant: Grant): () => void {
  // Not at once: whoever opens the socket is to be done with that before it may close.
  return grant.watch((failure) => setImmediate(() => socket.end(failure)));
}
