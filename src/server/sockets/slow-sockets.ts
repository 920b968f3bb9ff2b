/** Looks after WebSockets that do not drain: wakes those that were forgotten, closes those that cost too much. */
import { Failure } from '../../errors.js';
import type { GatewayContext } from '../context.js';
import type { ClientSocket } from './client-socket.js';

/** To be called now and then. */
export function sweepSockets({ sockets, config }: Pick<GatewayContext, 'sockets' | 'config'>): void {
  const stuck: ClientSocket[] = [];
  let bytes = 0;
  for (const socket of sockets) {
    socket.resumeIfStuck();
    const { unreadBytes } = socket;
    if (unreadBytes === 0) continue;
    bytes += unreadBytes;
    if (socket.hasStalled) stuck.push(socket);
  }
  if (bytes <= config.MAX_UNREAD_BYTES) return;
  // The most costly first, so that as few as can be are closed.
  stuck.sort((a, b) => b.unreadBytes - a.unreadBytes);
  for (const socket of stuck) {
    if (bytes <= config.MAX_UNREAD_BYTES) return;
    bytes -= socket.unreadBytes;
    const waits = `${socket.unreadBytes} bytes wait to be read`;
    socket.endSlow(new Failure('overloaded', `${waits}, and too much for all: MAX_UNREAD_BYTES`));
  }
}
