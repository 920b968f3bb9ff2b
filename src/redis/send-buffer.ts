/**
 * Has the kernel hold more of what is written to a Unix socket.
 *
 * It holds about 200 kB of its own accord, so each large entry is written in pieces, and Redis waits between them. Node.js
 * can set `SO_SNDBUF`, but only of datagram sockets. So a datagram handle is opened on the descriptor of the socket. Such a
 * handle closes the descriptor when it is closed itself, and nothing can take the descriptor from it. If both closed it,
 * the second could close a file that another thread has just opened under the same number. So the datagram handle lives as
 * long as the socket, and is closed only after `/dev/null` was opened under that number; where something else has the
 * number already, it is never closed.
 *
 * TCP has no need of it: the kernel enlarges that buffer by itself, and no longer does once a size is set.
 */
import { createSocket } from 'node:dgram';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { handleOf } from './socket-handle.js';

/** The kernel gives the lowest free number: so many are taken at most until it gives the one that was closed. */
const MAX_OPENED = 64;

/** What Node's datagram sockets are made of. */
interface DatagramHandle {
  /** @returns 0, or the number of an error, such as that the event loop watches the descriptor already */
  open(descriptor: number): number;
  /** @returns the size; undefined where it failed, as `context` says */
  bufferSize(size: number, isReceive: boolean, context: object): number | undefined;
}

/**
 * Has the kernel hold `bytes`, or as much as it allows (`net.core.wmem_max`); Linux counts twice as many, for its own use.
 * To be called when the socket has connected and before anything is written. Where it cannot be done nothing happens.
 */
export function enlargeSendBuffer(socket: Socket, bytes: number): void {
  const stream = handleOf(socket);
  const descriptor = stream?.fd ?? -1;
  // The handles of a thread that ends are closed one after the other, while other threads open files.
  if (!stream || descriptor < 0 || process.platform !== 'linux' || !isMainThread) return;
  const datagrams = createSocket('udp4');
  const handle = datagramHandleOf(datagrams);
  if (handle?.open?.(descriptor) !== 0) {
    datagrams.close();
    return;
  }
  const { close } = stream;
  stream.close = (whenClosed) => {
    close.call(stream, whenClosed);
    if (takeNumber(descriptor)) datagrams.close();
  };
  handle.bufferSize(bytes, false, {});
}

function datagramHandleOf(socket: object): DatagramHandle | undefined {
  const state = Object.getOwnPropertySymbols(socket).find(
    ({ description }) => description === 'state symbol',
  );
  return state && (socket as Record<symbol, { handle?: DatagramHandle }>)[state]?.handle;
}

/** Opens `/dev/null` under the number of a descriptor that was just closed. @returns whether the number was free */
function takeNumber(descriptor: number): boolean {
  const others: number[] = [];
  let isTaken = false;
  try {
    while (!isTaken && others.length < MAX_OPENED) {
      const opened = openSync('/dev/null', 'r');
      isTaken = opened === descriptor;
      if (!isTaken) others.push(opened);
      if (opened > descriptor) break;
    }
  } catch {
    // There are no descriptors left.
  }
  for (const other of others) closeSync(other);
  return isTaken;
}
