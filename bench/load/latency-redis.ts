/**
 * Numbers through Redis alone: XADD on one raw socket, XREAD BLOCK on another. The ids are the numbers, and
 * of fixed width, so that nearly nothing of a reply must be parsed:
 *
 *     *1 *2 $key *n       | *2 $id *2 $d $payload | …     entries of one length
 *     `- head, then n -´
 */
import { bulk } from '../../src/redis/resp.js';
import { ENTRY_HEAD, entryReplyBytes, ID_BYTES, indexOfId, XaddRun } from './fixed-entries.js';
import { openReceivingRedis } from './received.js';

export interface RedisLink {
  readonly via: 'redis';
  readonly socketPath: string;
  readonly key: string;
  /** Of a payload. */
  readonly bytes: number;
  /** The stream is trimmed to about so many entries. */
  readonly maxLength: number;
}

const COUNT = 1000;

export async function openRedisSender({ socketPath, key, bytes, maxLength }: RedisLink) {
  const socket = await openReceivingRedis(socketPath, () => {});
  const command = new XaddRun({ key, entries: 1, bytes, maxLength });
  return (number: number) => {
    socket.write(Buffer.from(command.number(number)));
  };
}

export async function openRedisReceiver(link: RedisLink, receive: (number: number) => void) {
  const { key, bytes } = link;
  const headBytes = Buffer.byteLength(`*1\r\n*2\r\n${bulk(key)}*`);
  const entryBytes = entryReplyBytes(bytes);
  const words = ['XREAD', 'COUNT', String(COUNT), 'BLOCK', '0', 'STREAMS', key];
  const head = `*${words.length + 1}\r\n${words.map(bulk).join('')}`;
  let pending = Buffer.alloc(0);
  const socket = await openReceivingRedis(link.socketPath, (buffer, from, to) => {
    pending = Buffer.concat([pending, buffer.subarray(from, to)]);
    const end = pending.indexOf('\r\n', headBytes);
    if (end < 0) return;
    const entries = Number(pending.toString('latin1', headBytes, end));
    const first = end + '\r\n'.length + ENTRY_HEAD.length;
    if (pending.length < end + '\r\n'.length + entries * entryBytes) return;
    const last = first + (entries - 1) * entryBytes;
    socket.write(head + bulk(pending.toString('latin1', last, last + ID_BYTES)));
    for (let at = first; at <= last; at += entryBytes) receive(indexOfId(pending, at));
    pending = Buffer.alloc(0);
  });
  socket.write(head + bulk('0-0'));
}
