/** Looks after WebSockets that do not drain: wakes those that were forgotten, closes those that cost too much. */
import { Failure } from '../../protocol/errors.js';
import type { ClientSocket } from './client-socket.js';

type SweptSocket = Pick<ClientSocket, 'resumeIfStuck' | 'unreadBytes' | 'lookForStall' | 'endSlow'>;

interface StalledSocket {
  readonly socket: SweptSocket;
  readonly bytes: number;
  /** Sweeps since it was seen to read. */
  readonly sweeps: number;
}

/**
 * To be called now and then. Only clients that have read nothing since the last call are closed.
 * @param mostBytes may wait in all the sockets together
 */
export function sweepSockets(sockets: Iterable<SweptSocket>, mostBytes: number): void {
  const stalled: StalledSocket[] = [];
  let unread = 0;
  for (const socket of sockets) {
    socket.resumeIfStuck();
    const bytes = socket.unreadBytes;
    const sweeps = socket.lookForStall();
    unread += bytes;
    if (sweeps > 0) stalled.push({ socket, bytes, sweeps });
  }
  if (unread <= mostBytes) return;
  // Those first that have read nothing for longest: who reads now and then, or stumbled just now, may go on.
  // Of these the most costly, so that as few as can be are closed.
  stalled.sort((a, b) => b.sweeps - a.sweeps || b.bytes - a.bytes);
  for (const { socket, bytes } of stalled) {
    if (unread <= mostBytes) return;
    unread -= bytes;
    const waits = `${bytes} bytes wait for this client to read them`;
    socket.endSlow(new Failure('overloaded', `${waits}; all clients together are over MAX_UNREAD_BYTES`));
  }
}
