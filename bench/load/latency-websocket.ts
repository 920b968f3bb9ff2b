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
  await openReceivingSocket(link.port, `/data/${link.stream}/pull?header=0`, (buffer, from, to) => {
    pending = Buffer.concat([pending, buffer.subarray(from, to)]);
    let at = 0;
    for (; at + frameBytes <= pending.length; at += frameBytes) {
      receive(pending.readUInt32BE(at + SERVER_HEAD_BYTES));
    }
    pending = pending.subarray(at);
  });
}
