/** Numbers through a broker: published on one raw WebSocket, sent to another. */
import { type BrokerLink, openBrokerFollower, openBrokerPublisher } from './broker.js';

export interface BrokerProbeLink {
  readonly via: 'broker';
  readonly broker: BrokerLink;
  /** Of a payload, which begins with the number. */
  readonly bytes: number;
}

export async function openBrokerSender({ broker, bytes }: BrokerProbeLink) {
  const publish = await openBrokerPublisher(broker, bytes);
  const template = Buffer.alloc(bytes, 'x');
  return (number: number) => {
    const payload = Buffer.from(template);
    payload.writeUInt32BE(number);
    publish(payload);
  };
}

export async function openBrokerReceiver({ broker }: BrokerProbeLink, receive: (number: number) => void) {
  await openBrokerFollower(broker, 0, (bytes, at) => {
    receive(((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0);
  });
}
