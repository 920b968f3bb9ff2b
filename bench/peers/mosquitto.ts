/**
 * Mosquitto, over WebSocket: a broker of MQTT. It stores nothing: what is published goes to those who are
 * there. With QoS 1 each message is acknowledged, to its publisher and by every subscriber.
 */
import { type Broker, startBroker } from './broker-process.js';
import { findPeer } from './programs.js';

export const mosquittoProgram = await findPeer('mosquitto');

export function startMosquitto(program: string): Promise<Broker> {
  return startBroker(program, (port) => [
    `listener ${port} 127.0.0.1`,
    'protocol websockets',
    'allow_anonymous true',
    'persistence false',
    // Small messages go out at once, as ours do.
    'set_tcp_nodelay true',
    // By default 20 messages are under way to each subscriber, and at most 1000 wait: the rest is dropped.
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'log_type error',
  ]);
}
