/** Numbers through the gateway: pushed on one raw WebSocket, pulled on another. */
import { clientFrame } from './frames.js';
import { openReceivingSocket } from './received.js';

export interface WebSocketLink {
  readonly via: 'gateway';
  readonly port: number;
  readonly stream: string;
  /** Of a payload, which begins with the number; less than 126, where heads of frames become longer. */
  readonly bytes: number;
}

const CLIENT_HEAD_BYTES = 6;
const SERVER_HEAD_BYTES = 2;
/** The gateway's, to those that send nothing for a while: without payload. */
const PING = 0x89;
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

export async function openWebSocketSender({ port, stream, bytes }: WebSocketLink) {
  const socket = await openReceivingSocket(port, `/data/${stream}/push?header=0`, () => {});
  const template = clientFrame(Buffer.alloc(bytes, 'x'));
  return (number: number) => {
    const frame = Buffer.from(template);
    frame.writeUInt32BE(number, CLIENT_HEAD_BYTES);
    socket.write(frame);
  };
}

export async function openWebSocketReceiver(link: WebSocketLink, receive: (number: number) => void) {
  const frameBytes = SERVER_HEAD_BYTES + link.bytes;
  let pending = Buffer.alloc(0);
  const socket = await openReceivingSocket(
    link.port,
    `/data/${link.stream}/pull?header=0`,
    (buffer, from, to) => {
      pending = Buffer.concat([pending, buffer.subarray(from, to)]);
      let at = 0;
      while (at + SERVER_HEAD_BYTES <= pending.length) {
        if (pending[at] === PING) {
          socket.write(PONG);
          at += SERVER_HEAD_BYTES;
        } else {
          if (at + frameBytes > pending.length) break;
          receive(pending.readUInt32BE(at + SERVER_HEAD_BYTES));
          at += frameBytes;
        }
      }
      pending = pending.subarray(at);
    },
  );
}
