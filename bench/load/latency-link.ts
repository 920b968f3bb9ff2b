/** What is timed: numbers that go in at one end and come out at the other, in order, each once. */
import { type BrokerProbeLink, openBrokerReceiver, openBrokerSender } from './latency-broker.js';
import { openRedisReceiver, openRedisSender, type RedisLink } from './latency-redis.js';
import { openWebSocketReceiver, openWebSocketSender, type WebSocketLink } from './latency-websocket.js';

export type Link = WebSocketLink | RedisLink | BrokerProbeLink;

/** @returns what sends the next number, which counts from 0 */
export function openSender(link: Link): Promise<(number: number) => void> {
  if (link.via === 'broker') return openBrokerSender(link);
  return link.via === 'gateway' ? openWebSocketSender(link) : openRedisSender(link);
}

/** `receive` is called with each number as it comes. */
export function openReceiver(link: Link, receive: (number: number) => void): Promise<void> {
  if (link.via === 'broker') return openBrokerReceiver(link, receive);
  return link.via === 'gateway' ? openWebSocketReceiver(link, receive) : openRedisReceiver(link, receive);
}
