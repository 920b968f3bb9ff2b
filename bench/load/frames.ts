/** WebSocket frames as bytes, made once: the load must not be the limit of what it measures. */
const FIN_BINARY = 0x82;
const FIN_TEXT = 0x81;
const MASKED = 0x80;

/** What is before a client's payload. The masking key is zero, which leaves the payload as it is. */
export function clientFrameHead(length: number, isText = false): Buffer {
  const size = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const head = Buffer.alloc(2 + size + 4);
  head[0] = isText ? FIN_TEXT : FIN_BINARY;
  head[1] = MASKED | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** A client's frame. */
export function clientFrame(payload: Uint8Array, isText = false): Buffer {
  return Buffer.concat([clientFrameHead(payload.length, isText), payload]);
}

/** What opens a WebSocket, with the key of RFC 6455's example: nobody checks the answer to it. */
export const upgradeRequest = (port: number, path: string, protocol?: string) =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  (protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`) +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
