/**
 * Several workers on one port, beside as many gateways on ports of their own: what it costs that the system spreads
 * the connections, and that each may get more or fewer of them than its part.
 */
import { workerPids } from '../../test/support/child-processes.js';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import { whenAdded } from '../entries-added.js';
import type { ProducerTask } from '../load/producer.js';
import { opening } from '../opening.js';
import { paced } from '../paced.js';
import { startProgram } from '../programs.js';
import type { Scenario } from '../scenario.js';
import { roundOf, withCost } from '../side.js';
import { measureAll, type Push, type Pushed } from './push-bed.js';

const WORKERS = 2;
const BYTES = 100;
/** Of each producer: with so many the system's choice is nearly even. */
const CONNECTIONS = 128;
const SECONDS = 1.4;
const FIRST_ENTRIES = 20_000;
const SID = 'workers';
const KEY = `default:${SID}`;

/** Has a producer push to each of these ports. @returns seconds until `whenDone` */
async function produce(
  ports: readonly GatewayProcess[],
  messages: number,
  whenDone: () => Promise<void>,
): Promise<number> {
  const producers = ports.map(({ port }) => {
    const task: ProducerTask = {
      framing: 'raw',
      bytes: BYTES,
      entries: 1,
      port,
      path: `/data/${SID}/push?header=0&ack=0`,
      connections: CONNECTIONS,
      messages,
      window: 0,
    };
    return startProgram('load/producer', task);
  });
  try {
    await Promise.all(producers.map((producer) => producer.says('ready')));
    const begun = performance.now();
    await whenDone();
    return (performance.now() - begun) / 1000;
  } finally {
    for (const producer of producers) await producer.stop();
  }
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

        const others = [redis.process.pid!];
        /** Each producer pushes its part of the entries, to a port of its own or to the same. */
        const through =
          (ports: readonly GatewayProcess[], pid: readonly number[]): Push =>
          async (entries) => {
            const messages = Math.ceil(entries / WORKERS / CONNECTIONS);
            const total = messages * CONNECTIONS * WORKERS;
            const { result, ...cost } = await withCost(
              { pid, others },
              () => produce(ports, messages, () => whenAdded(redis.client, KEY, total)),
              () => total,
            );
            await redis.client.del(KEY);
            return { rate: total / result, ...cost };
          };

        const pidsOf = (...processes: readonly GatewayProcess[]) =>
          processes.map(({ process }) => process.pid!);
        const measures: (() => Promise<Pushed>)[] = [];
        for (const push of [
          through([several, several], [...pidsOf(several), ...(await workerPids(several))]),
          through(gateways, pidsOf(...gateways)),
        ]) {
          measures.push(await paced(push, SECONDS * scale, FIRST_ENTRIES));
        }
        return async () => {
          const [ours, ...rivals] = await measureAll(measures);
          return [roundOf(ours!, rivals, ({ rate }) => rate)];
        };
      }),
  },
];
