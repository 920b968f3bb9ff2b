/** A server that speaks RESP and answers as a test likes: late, wrongly, in pieces or never. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';
import { type RedisTarget, unixTarget } from '../../src/redis/target.js';

/** One connection of a client, counted from 0. */
export interface FakeClient {
  readonly index: number;
  readonly socket: Socket;
}

/** What is sent for a command; undefined: nothing. */
export type Answer = (
  command: readonly string[],
  client: FakeClient,
) => string | Uint8Array | undefined | Promise<string | undefined>;

export interface FakeRedis {
  readonly target: RedisTarget;
  /** Every command that came, as text, in order. */
  readonly commands: readonly (readonly string[])[];
  close(): Promise<void>;
}

/** Answers OK to everything but PING. */
export const politely: Answer = ([name]) => (name === 'PING' ? '+PONG\r\n' : '+OK\r\n');

export async function startFakeRedis(answer: Answer): Promise<FakeRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'sg-fake-'));
  const commands: string[][] = [];
  const sockets = new Set<Socket>();
  let clients = 0;
  const server = createServer((socket) => {
    const client = { index: clients++, socket };
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    // A command has the form of a reply: an array of bulk strings.
    const received = new ReplyBuffer();
    const cursor = new ReplyCursor();
    socket.on('data', async (chunk) => {
      received.append(chunk);
      const arrived: string[][] = [];
      while (received.next(cursor)) {
        arrived.push(Array.from({ length: cursor.array() }, () => cursor.text()));
      }
      for (const command of arrived) {
        commands.push(command);
        const reply = await answer(command, client);
        if (reply !== undefined && socket.writable) socket.write(reply);
      }
    });
  });
  const path = join(folder, 's');
  server.listen(path);
  await once(server, 'listening');
  return {
    target: unixTarget(path),
    commands,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One that ends with the test. */
export async function fakeRedisForTest(answer: Answer): Promise<FakeRedis> {
  const fake = await startFakeRedis(answer);
  onTestFinished(() => fake.close());
  return fake;
}
