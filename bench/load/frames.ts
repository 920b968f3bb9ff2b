/** WebSocket frames as bytes, made once: the load must not be the limit of what it measures. */
import { connect, type Socket } from 'node:net';

const FIN_BINARY = 0x82;
const FIN_TEXT = 0x81;
const MASKED = 0x80;

/** A client's frame. The masking key is zero, which leaves the payload as it is. */
export function clientFrame(payload: Uint8Array, isText = false): Buffer {
  const { length } = payload;
  const size = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const frame = Buffer.alloc(2 + size + 4 + length);
  frame[0] = isText ? FIN_TEXT : FIN_BINARY;
  frame[1] = MASKED | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) frame.writeUInt16BE(length, 2);
  if (size === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + size + 4);
  return frame;
}

/** What opens a WebSocket, with the key of RFC 6455's example: nobody checks the answer to it. */
export const upgradeRequest = (port: number, path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** Opens a WebSocket by hand: what follows the upgrade is raw frames. */
export function openRawSocket(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.write(upgradeRequest(port, path));
  return new Promise((resolve, reject) => {
    let head = '';
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.pause();
      if (!head.startsWith('HTTP/1.1 101')) {
        reject(new Error(`the upgrade was refused: ${head.slice(0, 300)}`));
        return;
      }
      // Frames that came with the answer.
      if (head.length > end + 4) socket.unshift(Buffer.from(head.slice(end + 4), 'latin1'));
      resolve(socket);
    };
    socket.on('data', onData);
    socket.once('error', reject);
  });
}
