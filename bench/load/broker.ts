/** The brokers that ours is compared with, as a load uses them: one that publishes, and many that follow. */
import type { Socket } from 'node:net';
import { consumerRequest } from './jetstream.js';
import { mqttPublishHeads, openMqtt, type Qos } from './mqtt.js';
import { natsFrameAround, openNats } from './nats.js';
import type { TakeMessage } from './payload-starts.js';

export type BrokerLink =
  | {
      readonly to: 'nats';
      readonly port: number;
      readonly subject: string;
      /** The stream that followers have a consumer of; without it they are sent what is published, stored or not. */
      readonly stream?: string;
    }
  | { readonly to: 'mqtt'; readonly port: number; readonly topic: string; readonly qos: Qos };

/** @returns publishes a payload of `bytes`; it is not copied, and not acknowledged to the caller */
export async function openBrokerPublisher(
  link: BrokerLink,
  bytes: number,
): Promise<(payload: Buffer) => void> {
  if (link.to === 'nats') {
    const { socket } = await openNats(link.port, () => {});
    const [before, after] = natsFrameAround(link.subject, bytes);
    return (payload) => write(socket, [before, payload, after]);
  }
  const heads = mqttPublishHeads(link.topic, link.qos, bytes);
  const socket = await openMqtt(link.port, `publisher${process.pid}`, () => {});
  return (payload) => write(socket, [heads(), payload]);
}

/** Small ones are one write, of large ones the payload is not copied. */
function write(socket: Socket, parts: readonly Buffer[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}

/** Follows from now on. */
export async function openBrokerFollower(
  link: BrokerLink,
  index: number,
  take: TakeMessage,
): Promise<Socket> {
  if (link.to === 'mqtt') return openMqtt(link.port, `follower${process.pid}-${index}`, take, link);
  if (link.stream === undefined) {
    const { socket, settle } = await openNats(link.port, take);
    await settle(`SUB ${link.subject} 1`);
    return socket;
  }
  return openConsumer(link.port, link.stream, index, take);
}

async function openConsumer(port: number, stream: string, index: number, take: TakeMessage): Promise<Socket> {
  const inbox = `_ours.${process.pid}.${index}`;
  const reply = `${inbox}.made`;
  let made: TakeMessage | undefined;
  const { socket, settle } = await openNats(port, (bytes, at, length) => {
    if (made === undefined) return take(bytes, at, length);
    // The answer comes before the first message, since nothing is published yet.
    made(bytes, at, length);
    made = undefined;
  });
  await settle(`SUB ${inbox} 1`);
  await settle(`SUB ${reply} 2`);
  await new Promise<void>((resolve, reject) => {
    made = (bytes, at, length) => {
      const answer = Buffer.from(bytes.subarray(at, at + length)).toString();
      if (answer.includes('"error"')) reject(new Error(`JetStream refused a consumer: ${answer}`));
      else resolve();
    };
    socket.write(consumerRequest(stream, inbox, reply));
  });
  return socket;
}
