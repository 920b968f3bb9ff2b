/**
 * Several workers on one port, beside as many gateways on ports of their own: what it costs that the system spreads
 * the connections, and that each may get more or fewer of them than its part.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { workerPids } from '../../test/support/child-processes.js';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import { entriesAdded } from '../entries-added.js';
import type { ProducerTask } from '../load/producer.js';
import { opening } from '../opening.js';
import { paced } from '../paced.js';
import { startProgram } from '../programs.js';
import type { Scenario } from '../scenario.js';
import { roundOf, type SideCost, withCost } from '../side.js';

const WORKERS = 2;
const BYTES = 100;
/** Of each producer: with so many the system's choice is nearly even. */
const CONNECTIONS = 128;
const SECONDS = 1.4;
const FIRST_ENTRIES = 20_000;
const SID = 'workers';
const POLL_MS = 4;

interface Pushed extends SideCost {
  readonly rate: number;
}

export const WORKERS_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'workers',
    figures: [
      {
        name: `push 100 B, header=0, ${WORKERS} workers`,
        unit: 'entries/s',
        better: 'more',
        rivals: [{ label: 'two gateways on two ports', kind: 'reference', target: 0.95, cpuTarget: 1.05 }],
      },
    ],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const redis = started.add(await startRedis());
        const settings = { REDIS_URL: redis.url, MAX_CLIENT_SHARE: '100' };
        const single = { ...settings, READER_THREADS: '1', POOL_THREADS: '1' };
        const start = async (of: Record<string, string>) =>
          started.add(await startGatewayProcess(of, [], main));
        const several = await start({ ...settings, WORKERS: String(WORKERS) });
        const gateways = [await start(single), await start(single)];

        /** Each producer pushes half of the entries. */
        const pushThrough =
          (ports: readonly GatewayProcess[], pids: readonly number[]) =>
          async (entries: number): Promise<Pushed> => {
            const messages = Math.ceil(entries / WORKERS / CONNECTIONS);
            const total = messages * CONNECTIONS * WORKERS;
            const push = async () => {
              const producers = ports.map(({ port }) => {
                const path = `/data/${SID}/push?header=0&ack=0`;
                const shape = { framing: 'raw', bytes: BYTES, entries: 1 } as const;
                const task: ProducerTask = {
                  ...shape,
                  port,
                  path,
                  connections: CONNECTIONS,
                  messages,
                  window: 0,
                };
                return startProgram('load/producer', task);
              });
              try {
                await Promise.all(producers.map((producer) => producer.says('ready')));
                const begun = performance.now();
                while ((await entriesAdded(redis.client, `default:${SID}`)) < total) await delay(POLL_MS);
                return total / ((performance.now() - begun) / 1000);
              } finally {
                for (const producer of producers) await producer.stop();
              }
            };
            const others = [redis.process.pid!];
            const { result, ...cost } = await withCost({ pid: pids, others }, push, () => total);
            await redis.client.del(`default:${SID}`);
            return { rate: result, ...cost };
          };

        const seconds = SECONDS * scale;
        const ours = await paced(
          pushThrough([several, several], [several.process.pid!, ...(await workerPids(several))]),
          seconds,
          FIRST_ENTRIES,
        );
        const theirs = await paced(
          pushThrough(
            gateways,
            gateways.map(({ process }) => process.pid!),
          ),
          seconds,
          FIRST_ENTRIES,
        );
        return async () => {
          const costed = [];
          for (const { rate, ...cost } of [await ours(), await theirs()])
            costed.push({ result: rate, ...cost });
          return [roundOf(costed[0]!, [costed[1]!], (rate) => rate)];
        };
      }),
  },
];
