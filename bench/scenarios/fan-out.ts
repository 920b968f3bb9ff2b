/** Fan-out: deliveries a second of one stream to many followers, against bare uWebSockets.js. */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { FanOutTask } from '../ceilings/fan-out-server.js';
import type { FollowerTask } from '../load/follower.js';
import type { ProducerTask } from '../load/producer.js';
import { cpuSeconds, startProgram } from '../programs.js';
import type { Scenario } from '../scenario.js';

interface FanOutCase {
  readonly name: string;
  readonly followers: number;
  readonly bytes: number;
  readonly messages: number;
  readonly target: number;
}

const CASES: readonly FanOutCase[] = [
  { name: 'fan-out to 50, 100 B, header=0', followers: 50, bytes: 100, messages: 200_000, target: 0.4 },
  { name: 'fan-out to 50, 200 kB, header=0', followers: 50, bytes: 200_000, messages: 600, target: 0.4 },
];

/** Bytes of a server's frame around its payload. */
const frameBytes = (bytes: number) => bytes + (bytes < 126 ? 2 : bytes < 0x10000 ? 4 : 10);

async function measureCeiling({ followers, bytes }: FanOutCase, messages: number): Promise<number> {
  const rates: number[] = [];
  for (const mode of ['send', 'publish'] as const) {
    const server = startProgram('ceilings/fan-out-server', {
      followers,
      messages,
      bytes,
      mode,
    } satisfies FanOutTask);
    try {
      const port = Number(await server.says('port'));
      const bytesEach = frameBytes(bytes) * messages;
      const task: FollowerTask = { port, path: '/', followers, bytesEach };
      const consumer = startProgram('load/follower', task);
      try {
        rates.push((followers * messages * 1000) / Number(await consumer.says('done')));
      } finally {
        await consumer.stop();
      }
    } finally {
      await server.stop();
    }
  }
  return Math.max(...rates);
}

async function measureGateway({ followers, bytes }: FanOutCase, messages: number) {
  const redis = await startRedis();
  // Without loss: nothing is trimmed before it was delivered.
  const gateway = await startGatewayProcess({
    REDIS_URL: redis.url,
    REDIS_STREAM_MAXLEN: String(messages),
  });
  const consumer = startProgram('load/follower', {
    port: gateway.port,
    path: '/data/bench/pull?header=0',
    followers,
    bytesEach: frameBytes(bytes) * messages,
  } satisfies FollowerTask);
  try {
    await consumer.says('ready');
    const cpuBefore = await cpuSeconds(gateway.process.pid!);
    const producer = startProgram('load/producer', {
      port: gateway.port,
      path: '/data/bench/push?header=0',
      messages,
      bytes,
      header: false,
      connections: 1,
      rate: 0,
    } satisfies ProducerTask);
    try {
      const rate = (followers * messages * 1000) / Number(await consumer.says('done'));
      const cpu = (await cpuSeconds(gateway.process.pid!)) - cpuBefore;
      return { rate, cpuMicroseconds: (cpu * 1e6) / (followers * messages) };
    } finally {
      await producer.stop();
    }
  } finally {
    await consumer.stop();
    await gateway.stop();
    await redis.stop();
  }
}

function fanOutScenario(fanOut: FanOutCase): Scenario {
  return {
    name: fanOut.name,
    scope: 'fan-out',
    unit: 'deliveries/s',
    ceiling: 'bare uWebSockets.js, the better of send and publish',
    target: fanOut.target,
    run: async (scale) => {
      const messages = Math.round(fanOut.messages * scale);
      const ceiling = await measureCeiling(fanOut, messages);
      const { rate, cpuMicroseconds } = await measureGateway(fanOut, messages);
      return { ours: rate, ceiling, cpuMicroseconds };
    },
  };
}

export const FAN_OUT_SCENARIOS = CASES.map(fanOutScenario);
