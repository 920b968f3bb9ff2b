/** What must not grow: memory, descriptors, connections to Redis. */
import { readdir } from 'node:fs/promises';
import type { Redis } from 'ioredis';
import type { GatewayProcess } from '../../test/support/gateway-process.js';

const MIB = 1024 * 1024;
/** Between the calm after the first part and the end; less is chance. */
const MOST_GROWTH_BYTES = 64 * MIB;
const MOST_GROWTH_RATIO = 1.15;
const MOST_FILES = 10;
const MOST_CLIENTS = 2;

export interface Vitals {
  readonly seconds: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly files: number;
  readonly redisClients: number;
}

export async function readVitals(gateway: GatewayProcess, redis: Redis, begun: number): Promise<Vitals> {
  const metrics = await (await fetch(`${gateway.http}/metrics`)).text();
  const [clients, files] = await Promise.all([
    redis.info('clients'),
    readdir(`/proc/${gateway.process.pid}/fd`),
  ]);
  return {
    seconds: Math.round((performance.now() - begun) / 1000),
    residentBytes: await gateway.residentBytes(),
    heapBytes: Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)?.[1]),
    files: files.length,
    redisClients: Number(/connected_clients:(\d+)/.exec(clients)?.[1]),
  };
}

export function vitalsLine({ seconds, residentBytes, heapBytes, files, redisClients }: Vitals): string {
  const mib = (bytes: number) => `${Math.round(bytes / MIB)} MiB`;
  return `${seconds} s: resident ${mib(residentBytes)}, heap ${mib(heapBytes)}, ${files} files, ${redisClients} Redis clients`;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** @returns what has grown between the second quarter and the last; empty where nothing has */
export function findGrowth(samples: readonly Vitals[]): string[] {
  const quarter = Math.floor(samples.length / 4);
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  if (quarter === 0) return ['the soak was too short to say anything of growth'];
  const faults: string[] = [];
  const compare = (
    name: string,
    pick: (vitals: Vitals) => number,
    isTooMuch: (from: number, to: number) => boolean,
  ) => {
    const [from, to] = [median(early.map(pick)), median(late.map(pick))];
    if (isTooMuch(from, to)) faults.push(`${name} grew from ${from} to ${to}`);
  };
  const isMoreMemory = (from: number, to: number) =>
    to - from > MOST_GROWTH_BYTES && to > from * MOST_GROWTH_RATIO;
  compare('resident memory', ({ residentBytes }) => residentBytes, isMoreMemory);
  compare('the heap', ({ heapBytes }) => heapBytes, isMoreMemory);
  compare(
    'open files',
    ({ files }) => files,
    (from, to) => to - from > MOST_FILES,
  );
  compare(
    'Redis clients',
    ({ redisClients }) => redisClients,
    (from, to) => to - from > MOST_CLIENTS,
  );
  return faults;
}
