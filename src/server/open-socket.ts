/** A WebSocket that was opened: named in the log, counted, and kept among the gateway's live ones until its end. */
import type { WebSocket } from 'uWebSockets.js';
import type { Grant } from '../access/grant.js';
import type { StreamSelection } from '../wire/parameters.js';
import { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import type { ConnectionEndpoint } from './counters.js';

/** Names a connection in the log: short, and its own for as long as the process lives. */
let lastNumber = 0;

/**
 * @param selection what the client asked for: the log names it, and nothing of what the connection carries
 * @param onRoom called when a full socket has room again
 * @returns a socket whose `closed` must be called when the library says so
 */
export function openSocket(
  { counters, logger, sockets }: GatewayContext,
  ws: WebSocket<unknown>,
  endpoint: ConnectionEndpoint,
  selection: StreamSelection | undefined,
  onRoom: () => void,
): ClientSocket {
  const about = {
    connection: `c${(++lastNumber).toString(36)}`,
    endpoint,
    ...(selection === undefined ? {} : { device: selection.device, streams: selection.sids }),
  };
  const socket = new ClientSocket(ws, {
    onRoom,
    onEnd: ({ code, message }, isSlow) => {
      counters.failures[code]++;
      if (isSlow) counters.slowCloses[endpoint]++;
      logger.info({ ...about, code, reason: message }, 'a connection is closed');
    },
    onClosed: () => {
      sockets.delete(socket);
      counters.closed(endpoint);
      logger.debug(about, 'a connection has ended');
    },
  });
  sockets.add(socket);
  counters.opened(endpoint);
  logger.debug(about, 'a connection is open');
  return socket;
}

/** Has a connection closed when its token expires or is revoked. @returns ends the watch, at the connection's end */
export function closeWithGrant(socket: ClientSocket, grant: Grant): () => void {
  // Not at once: whoever opens the socket is to be done with that before it may close.
  return grant.watch((failure) => setImmediate(() => socket.end(failure)));
}
