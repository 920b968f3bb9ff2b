/** What the tests of producers have in common: a gateway on a Redis, and streams of their own. */
import type { Redis } from 'ioredis';
import { type GatewayProcess, startGatewayProcess } from './gateway-process.js';
import { startRedis, type TestRedis } from './redis-server.js';
import { TestSocket } from './socket.js';

/** One entry's part of an ack. */
export type Ack = string | { readonly code: string; readonly error: string };

export interface PushFixture {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
  /** A stream id that no other test of the file uses. */
  freshSid(): string;
  /** A producer's connection to `/data/{sids}/push`. */
  push(sids: string, query?: string): Promise<TestSocket>;
  stop(): Promise<void>;
}

export async function startPushFixture(
  settings: Record<string, string> = {},
  redisSettings: readonly string[] = [],
): Promise<PushFixture> {
  const redis = await startRedis(...redisSettings);
  const gateway = await startGatewayProcess({ REDIS_URL: redis.url, ...settings });
  let streams = 0;
  return {
    redis,
    gateway,
    freshSid: () => `stream-${streams++}`,
    push: (sids, query = '') => TestSocket.open(`${gateway.ws}/data/${sids}/push?${query}`),
    stop: async () => {
      // A Redis that a test has stopped would keep the gateway from ending in time.
      redis.process.kill('SIGCONT');
      await gateway.stop();
      await redis.stop();
    },
  };
}

/** The entries of a stream and nothing but their payloads, read by a client of our own. */
export async function entriesIn(client: Redis, key: string): Promise<[id: string, payload: Buffer][]> {
  const rows = (await client.callBuffer('XRANGE', key, '-', '+')) as [Buffer, Buffer[]][];
  return rows.map(([id, fields]) => {
    if (fields.length !== 2 || fields[0]!.toString() !== 'd')
      throw new Error(`an entry has ${fields.length / 2} fields`);
    return [id.toString(), fields[1]!];
  });
}

/** The same as text, without the ids. */
export async function textsIn(client: Redis, key: string): Promise<string[]> {
  return (await entriesIn(client, key)).map(([, payload]) => payload.toString());
}

/** The codes of an ack; an id stays as it is. */
export const codesOf = (acks: readonly Ack[]) =>
  acks.map((ack) => (typeof ack === 'string' ? ack : ack.code));

/** The ids alone. */
export async function idsIn(client: Redis, key: string): Promise<string[]> {
  return (await entriesIn(client, key)).map(([id]) => id);
}
