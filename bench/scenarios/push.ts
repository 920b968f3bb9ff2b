/** Pushing: messages a second from WebSockets into a stream, against pipelined XADD by redis-benchmark. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import { benchmarkXadd } from '../ceilings/redis-benchmark.js';
import type { ProducerTask } from '../load/producer.js';
import { cpuSeconds, startProgram } from '../programs.js';
import type { Scenario } from '../scenario.js';

const POLL_MS = 5;

interface PushCase {
  readonly name: string;
  readonly bytes: number;
  readonly header: boolean;
  readonly connections: number;
  readonly messages: number;
  readonly target: number;
}

const CASES: readonly PushCase[] = [
  {
    name: 'push 100 B, header=0',
    bytes: 100,
    header: false,
    connections: 8,
    messages: 1_000_000,
    target: 0.6,
  },
  { name: 'push 100 B, header=1', bytes: 100, header: true, connections: 8, messages: 600_000, target: 0.3 },
];

async function entriesAdded(redis: Redis, key: string): Promise<number> {
  const info = (await redis.xinfo('STREAM', key).catch(() => [])) as unknown[];
  return Number(info[info.indexOf('entries-added') + 1] ?? 0);
}

function pushScenario({ name, bytes, header, connections, messages, target }: PushCase): Scenario {
  return {
    name,
    scope: 'push',
    unit: 'messages/s',
    ceiling: 'redis-benchmark XADD -P 64',
    target,
    run: async (scale) => {
      const redis = await startRedis();
      const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
      const total = Math.round((messages * scale) / connections) * connections;
      try {
        const ceiling = await benchmarkXadd({
          socketPath: redis.path,
          messages: total,
          bytes,
          pipeline: 64,
          clients: connections,
        });
        const task: ProducerTask = {
          port: gateway.port,
          path: `/data/bench/push${header ? '' : '?header=0'}`,
          messages: total / connections,
          bytes,
          header,
          connections,
          rate: 0,
        };
        const cpuBefore = await cpuSeconds(gateway.process.pid!);
        const producer = startProgram('load/producer', task);
        try {
          let start = 0;
          let first = 0;
          // From the first entry stored to the last.
          for (let added = 0; added < total; ) {
            added = await entriesAdded(redis.client, 'default:bench');
            if (start === 0 && added > 0) {
              start = performance.now();
              first = added;
            }
            await delay(POLL_MS);
          }
          const seconds = (performance.now() - start) / 1000;
          const cpu = (await cpuSeconds(gateway.process.pid!)) - cpuBefore;
          return { ours: (total - first) / seconds, ceiling, cpuMicroseconds: (cpu * 1e6) / total };
        } finally {
          await producer.stop();
        }
      } finally {
        await gateway.stop();
        await redis.stop();
      }
    },
  };
}

export const PUSH_SCENARIOS = CASES.map(pushScenario);
