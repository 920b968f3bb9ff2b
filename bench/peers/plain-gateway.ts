/**
 * The peer: a gateway from WebSockets to Redis Streams as one would write it in an afternoon, with `ws` and
 * `ioredis`.
 *
 *     node plain-gateway.js '{"redisPath", "maxLength"}'
 *
 * Prints its port. Knows `/data/{sid}/push` with `ack`, and `/data/{sid}/pull` with `last_entry_id`; every
 * frame is an entry, as with `header=0`.
 */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';

export interface PlainGatewayTask {
  /** Of Redis' Unix socket. */
  readonly redisPath: string;
  readonly maxLength: number;
}

const BLOCK_MS = 5000;
const COUNT = 100;

const task = JSON.parse(process.argv[2]!) as PlainGatewayTask;
const redis = new Redis({ path: task.redisPath });

function push(socket: WebSocket, key: string, isAcked: boolean): void {
  socket.on('message', async (data: Buffer) => {
    try {
      const id = await redis.xadd(key, 'MAXLEN', '~', task.maxLength, '*', 'd', data);
      if (isAcked) socket.send(JSON.stringify([id]));
    } catch (error) {
      socket.close(1011, (error as Error).message);
    }
  });
}

const send = (socket: WebSocket, data: Buffer) =>
  new Promise<void>((resolve, reject) => {
    socket.send(data, (error) => (error ? reject(error) : resolve()));
  });

/** A blocking read needs a connection of its own. */
async function pull(socket: WebSocket, key: string, after: string): Promise<void> {
  const reader = redis.duplicate();
  socket.on('close', () => reader.disconnect());
  try {
    for (let last = after; socket.readyState === socket.OPEN; ) {
      const streams = await reader.xreadBuffer('COUNT', COUNT, 'BLOCK', BLOCK_MS, 'STREAMS', key, last);
      const entries = streams?.[0]?.[1] ?? [];
      const sent = entries.map(([id, fields]) => {
        last = id.toString();
        return send(socket, fields[1]!);
      });
      // So that what waits for a slow follower is bounded.
      await Promise.all(sent);
    }
  } catch {
    socket.close(1011);
  }
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, , sid, action] = url.pathname.split('/');
  const key = `default:${sid}`;
  if (action === 'push') push(socket, key, url.searchParams.get('ack') === '1');
  else if (action === 'pull') void pull(socket, key, url.searchParams.get('last_entry_id') ?? '$');
  else socket.close(1008, 'push or pull');
});
server.on('listening', () => console.log(`port ${(server.address() as AddressInfo).port}`));
