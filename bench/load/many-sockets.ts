/** Thousands of WebSockets of one process. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { openReceivingSocket, type TakeBytes } from './received.js';

/** More would overrun a server's queue of connections to accept. */
const AT_ONCE = 100;
/** What a process has open besides. */
const OTHER_FILES = 200;

/** Settings of a gateway that takes them, all from one address. */
export const ROOM_FOR_MANY = { MAX_CONNECTIONS: '20000', MAX_CONNECTIONS_PER_ADDRESS: '0' };

/** @throws Error where a process may not have so many sockets; Node takes the hard limit by itself */
export function checkOpenFiles(sockets: number): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const limit = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  if (limit >= sockets + OTHER_FILES) return;
  const needed = sockets + OTHER_FILES;
  throw new Error(`${sockets} sockets need ${needed} open files and ${limit} are allowed: see ulimit -Hn`);
}

export interface SocketPlan {
  readonly path: string;
  /** Gets what follows the upgrade. */
  readonly take: TakeBytes;
}

/** Opens a socket for each number from `from` to `to` (excluded). */
export function openSockets(
  port: number,
  from: number,
  to: number,
  plan: (index: number) => SocketPlan,
): Promise<Socket[]> {
  return openEach(from, to, (index) => {
    const { path, take } = plan(index);
    return openReceivingSocket(port, path, take);
  });
}

/** The same for sockets of any kind. */
export async function openEach(
  from: number,
  to: number,
  open: (index: number) => Promise<Socket>,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  let next = from;
  const lane = async () => {
    while (next < to) {
      const index = next++;
      const socket = await open(index);
      socket.once('close', () => {
        throw new Error(`the server closed socket ${index}`);
      });
      sockets.push(socket);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return sockets;
}
