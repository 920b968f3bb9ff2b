/**
 * As much of an MQTT 3.1.1 client as a load needs, over WebSocket.
 *
 *     | type, flags | length, 7 bits a byte | topic, 2 bytes of length before | id where QoS is 1 | payload |
 *
 * Protocol: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
 */
import type { Socket } from 'node:net';
import { framePayloads } from './frame-payloads.js';
import { clientFrame, clientFrameHead } from './frames.js';
import { PayloadStart, type TakeMessage } from './payload-starts.js';
import { openReceivingSocket, type TakeBytes } from './received.js';

export type Qos = 0 | 1;

const TYPE = { connect: 1, connack: 2, publish: 3, puback: 4, subscribe: 8, suback: 9 } as const;
const CLEAN_SESSION = 2;
const REFUSED = 0x80;
const ID_BYTES = 2;
const MOST_IDS = 0xffff;

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function lengthBytes(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 128 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

const packet = (type: number, flags: number, body: Buffer) =>
  clientFrame(Buffer.concat([Buffer.from([(type << 4) | flags]), lengthBytes(body.length), body]));

/** What is written before each payload of so many bytes, with the packet's id where QoS is 1. */
export function mqttPublishHeads(topic: string, qos: Qos, bytes: number): () => Buffer {
  const idBytes = qos === 0 ? 0 : ID_BYTES;
  const name = text(topic);
  const length = lengthBytes(name.length + idBytes + bytes);
  const start = Buffer.concat([Buffer.from([(TYPE.publish << 4) | (qos << 1)]), length, name]);
  const head = Buffer.concat([clientFrameHead(start.length + idBytes + bytes), start, Buffer.alloc(idBytes)]);
  let id = 0;
  return () => {
    const next = Buffer.from(head);
    if (qos === 1) next.writeUInt16BE((id++ % MOST_IDS) + 1, head.length - ID_BYTES);
    return next;
  };
}

/** Connects, and subscribes to a topic where one is given; `take` gets the payloads published there. */
export async function openMqtt(
  port: number,
  client: string,
  take: TakeMessage,
  subscribed?: { readonly topic: string; readonly qos: Qos },
): Promise<Socket> {
  let answered = () => {};
  const topicBytes = subscribed === undefined ? 0 : text(subscribed.topic).length;
  const takePacket = (first: number, bytes: Uint8Array, at: number, length: number) => {
    const type = first >> 4;
    if (type === TYPE.publish) {
      const hasId = (first & 6) !== 0;
      const head = topicBytes + (hasId ? ID_BYTES : 0);
      if (hasId)
        socket.write(packet(TYPE.puback, 0, Buffer.from(bytes.subarray(at + topicBytes, at + head))));
      take(bytes, at + head, length - head);
    } else if (type === TYPE.connack || type === TYPE.suback) {
      const code = bytes[at + length - 1]!;
      if (type === TYPE.connack ? code !== 0 : code >= REFUSED) throw new Error(`MQTT refused with ${code}`);
      answered();
    }
  };
  const payloads = framePayloads(mqttPackets(takePacket), (bytes) => socket.write(bytes));
  const socket: Socket = await openReceivingSocket(port, '/mqtt', payloads, 'mqtt');
  const ask = (bytes: Buffer) =>
    new Promise<void>((resolve) => {
      answered = resolve;
      socket.write(bytes);
    });
  const keepAliveSeconds = Buffer.from([0, 0]);
  const level = Buffer.from([4, CLEAN_SESSION]);
  await ask(packet(TYPE.connect, 0, Buffer.concat([text('MQTT'), level, keepAliveSeconds, text(client)])));
  if (subscribed !== undefined) {
    const { topic, qos } = subscribed;
    const id = Buffer.from([0, 1]);
    await ask(packet(TYPE.subscribe, 2, Buffer.concat([id, text(topic), Buffer.from([qos])])));
  }
  return socket;
}

function mqttPackets(take: (first: number, ...message: Parameters<TakeMessage>) => void): TakeBytes {
  let first = 0;
  let isInLength = false;
  let length = 0;
  let factor = 1;
  const body = new PayloadStart((...message) => take(first, ...message));
  return (bytes, from, to) => {
    for (let at = from; at < to; ) {
      if (body.isUnderway) {
        at = body.feed(bytes, at, to);
      } else if (isInLength) {
        const byte = bytes[at++]!;
        length += (byte & 127) * factor;
        factor *= 128;
        if (byte < 128) {
          isInLength = false;
          body.begin(length);
        }
      } else {
        first = bytes[at++]!;
        isInLength = true;
        length = 0;
        factor = 1;
      }
    }
  };
}
