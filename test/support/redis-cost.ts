/** What something costs Redis: calls of each command, and the bytes that it sends. */
import type { Redis } from 'ioredis';

export interface RedisCost {
  readonly calls: Readonly<Record<string, number>>;
  /** Bytes sent to all clients. */
  readonly bytes: number;
}

async function sentBytes(client: Redis): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(await client.info('stats'))![1]);
}

/** Runs `act` and tells what Redis did meanwhile, apart from what was asked for that. */
export async function costOf(client: Redis, act: () => Promise<unknown>): Promise<RedisCost> {
  await client.config('RESETSTAT');
  const before = await sentBytes(client);
  await act();
  const bytes = (await sentBytes(client)) - before;
  const stats = await client.info('commandstats');
  const calls = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .map(([, name, count]) => [name!, Number(count)] as const)
    .filter(([name]) => !/^(info|config|ping|client)/.test(name));
  return { bytes, calls: Object.fromEntries(calls) };
}
