/** GraphQL: what a query costs beside the Redis commands that it stands for. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { WebSocket } from 'ws';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis, type TestRedis } from '../../test/support/redis-server.js';
import { cpuSeconds } from '../programs.js';
import type { Scenario } from '../scenario.js';

const STREAMS = 500;
/** Turns of ours and the ceiling that one round has. */
const TURNS = 20;

interface Measured {
  readonly redis: TestRedis;
  readonly gateway: GatewayProcess;
}

async function withGateway<T>(run: (measured: Measured) => Promise<T>): Promise<T> {
  const redis = await startRedis();
  const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
  try {
    return await run({ redis, gateway });
  } finally {
    await gateway.stop();
    await redis.stop();
  }
}

async function ask(gateway: GatewayProcess, query: string): Promise<string> {
  const answer = await fetch(`${gateway.http}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const text = await answer.text();
  if (text.includes('"errors"')) throw new Error(text);
  return text;
}

/** Runs both in turns, so that what else the machine does falls on both. @returns times a second of each */
async function compare(
  gateway: GatewayProcess,
  turns: number,
  ours: () => Promise<unknown>,
  ceiling: () => Promise<unknown>,
) {
  await ours();
  await ceiling();
  const seconds = { ours: 0, ceiling: 0 };
  const cpuBefore = await cpuSeconds(gateway.process.pid!);
  for (let turn = 0; turn < turns; turn++) {
    let start = performance.now();
    await ours();
    seconds.ours += (performance.now() - start) / 1000;
    start = performance.now();
    await ceiling();
    seconds.ceiling += (performance.now() - start) / 1000;
  }
  const cpu = (await cpuSeconds(gateway.process.pid!)) - cpuBefore;
  return {
    ours: turns / seconds.ours,
    ceiling: turns / seconds.ceiling,
    cpuMicroseconds: (cpu * 1e6) / turns,
  };
}

function listingScenario(bytes: number, size: string, target: number): Scenario {
  return {
    name: `ids and counts of ${STREAMS} streams, ${size} entries`,
    scope: 'graphql',
    unit: 'listings/s',
    ceiling: `a pipeline of ${STREAMS} XINFO STREAM, raw`,
    target,
    run: (scale) =>
      withGateway(async ({ redis, gateway }) => {
        const payload = randomBytes(bytes);
        for (let index = 0; index < STREAMS; index++) {
          await redis.client.xadd(`default:s${index}`, '*', 'd', payload);
        }
        const peer = new Redis({ path: redis.path });
        try {
          return await compare(
            gateway,
            Math.max(3, Math.round(TURNS * scale)),
            () => ask(gateway, '{ streams { id length } }'),
            () => {
              const pipeline = peer.pipeline();
              for (let index = 0; index < STREAMS; index++)
                pipeline.callBuffer('XINFO', 'STREAM', `default:s${index}`);
              return pipeline.exec();
            },
          );
        } finally {
          peer.disconnect();
        }
      }),
  };
}

const newestScenario: Scenario = {
  name: "one stream's newest JSON entry, 1 kB",
  scope: 'graphql',
  unit: 'queries/s',
  ceiling: 'XREVRANGE COUNT 1 by ioredis',
  target: 0.1,
  run: (scale) =>
    withGateway(async ({ redis, gateway }) => {
      await redis.client.xadd('default:one', '*', 'd', JSON.stringify({ text: 'x'.repeat(1000) }));
      const peer = new Redis({ path: redis.path });
      try {
        return await compare(
          gateway,
          Math.round(2000 * scale),
          () => ask(gateway, '{ stream(id: "one") { lastEntryJson } }'),
          () => peer.xrevrangeBuffer('default:one', '+', '-', 'COUNT', 1),
        );
      } finally {
        peer.disconnect();
      }
    }),
};

const REPLAYED = 20_000;

/** Milliseconds until a socket has received so many messages. */
async function receive(
  url: string,
  protocol: string | undefined,
  messages: number,
  begin: readonly string[],
) {
  const ws = new WebSocket(url, protocol === undefined ? [] : [protocol], { perMessageDeflate: false });
  try {
    await once(ws, 'open');
    const start = performance.now();
    let received = 0;
    const done = new Promise<void>((resolve, reject) => {
      ws.on('message', () => {
        received++;
        if (received === messages) resolve();
      });
      ws.on('close', (code) => reject(new Error(`closed with ${code} after ${received} messages`)));
    });
    for (const text of begin) ws.send(text);
    await done;
    return performance.now() - start;
  } finally {
    ws.removeAllListeners('close');
    ws.terminate();
  }
}

const subscriptionScenario: Scenario = {
  name: 'a subscription replays a stream, 100 B',
  scope: 'graphql',
  unit: 'deliveries/s',
  ceiling: 'WebSocket pull of the same stream, header=0',
  target: 0.05,
  run: (scale) =>
    withGateway(async ({ redis, gateway }) => {
      const entries = Math.round(REPLAYED * scale);
      const pipeline = redis.client.pipeline();
      for (let index = 0; index < entries; index++) pipeline.xadd('default:s', '*', 'd', 'x'.repeat(100));
      await pipeline.exec();
      const cpuBefore = await cpuSeconds(gateway.process.pid!);
      const query = 'subscription { data(streamIds: ["s"], lastEntryId: "0") { streamId time string } }';
      const ours = await receive(`${gateway.ws}/graphql`, 'graphql-transport-ws', entries + 1, [
        JSON.stringify({ type: 'connection_init' }),
        JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }),
      ]);
      const cpu = (await cpuSeconds(gateway.process.pid!)) - cpuBefore;
      const path = '/data/s/pull?header=0&last_entry_id=0';
      const ceiling = await receive(`${gateway.ws}${path}`, undefined, entries, []);
      return {
        ours: (entries * 1000) / ours,
        ceiling: (entries * 1000) / ceiling,
        cpuMicroseconds: (cpu * 1e6) / entries,
      };
    }),
};

export const GRAPHQL_SCENARIOS: readonly Scenario[] = [
  listingScenario(1000, '1 kB', 0.4),
  listingScenario(1_000_000, '1 MB', 20),
  newestScenario,
  subscriptionScenario,
];
