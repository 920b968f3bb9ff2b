/**
 * Raw sockets whose bytes come in one buffer that is used again and again: nothing is allocated for what
 * is only counted.
 */
import { connect, type Socket } from 'node:net';
import { upgradeRequest } from './frames.js';

/** Takes the bytes `from` to `to` (excluded) of a buffer that is only valid during the call. */
export type TakeBytes = (buffer: Uint8Array, from: number, to: number) => void;

/** As much as a read takes at once; sockets of a thread share it. */
const READ_BUFFER = Buffer.alloc(512 * 1024);
const END_OF_HEAD = '\r\n\r\n';

/** Opens a Redis connection by its Unix socket's path. */
export function openReceivingRedis(path: string, take: TakeBytes): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, onread: onRead(take) }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Opens a WebSocket by hand; `take` gets what follows the upgrade, frames as they are on the wire. */
export function openReceivingSocket(
  port: number,
  path: string,
  take: TakeBytes,
  protocol?: string,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let head = '';
    let isOpen = false;
    const takeHead: TakeBytes = (buffer, from, to) => {
      if (isOpen) {
        take(buffer, from, to);
        return;
      }
      const before = head.length;
      head += Buffer.from(buffer.buffer, buffer.byteOffset + from, to - from).toString('latin1');
      const end = head.indexOf(END_OF_HEAD);
      if (end < 0) return;
      if (!head.startsWith('HTTP/1.1 101')) {
        reject(new Error(`the upgrade was refused: ${head.slice(0, 300)}`));
        return;
      }
      isOpen = true;
      // Frames that came with the answer.
      const rest = from + end + END_OF_HEAD.length - before;
      if (rest < to) take(buffer, rest, to);
      resolve(socket);
    };
    const socket = connect({ port, host: '127.0.0.1', onread: onRead(takeHead) });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.write(upgradeRequest(port, path, protocol));
  });
}

const onRead = (take: TakeBytes) => ({
  buffer: READ_BUFFER,
  callback: (length: number, buffer: Uint8Array) => {
    take(buffer, 0, length);
    return true;
  },
});
