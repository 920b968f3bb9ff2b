/**
 * One gateway into a cluster of three masters, beside the same gateway into one Redis: what it costs that entries go to
 * several servers, and that these are read one stream at a time.
 *
 * A message has an entry for each of many streams, so that each master gets about a third.
 */
import { slotOf } from '../../src/redis/cluster/slot.js';
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startCluster } from '../../test/support/redis-cluster.js';
import { startRedis } from '../../test/support/redis-server.js';
import { whenAdded } from '../entries-added.js';
import type { ProducerTask } from '../load/producer.js';
import { opening, type Started } from '../opening.js';
import { paced } from '../paced.js';
import { startProgram } from '../programs.js';
import type { FigureSpec, Scenario } from '../scenario.js';
import { roundOf, type Side, withCost } from '../side.js';
import { measureLatency, type Way, warmUp } from './latency.js';
import { measureAll, type Push, type Pushed } from './push-bed.js';

const STREAMS = 64;
const BYTES = 100;
const CONNECTIONS = 8;
const SECONDS = 1.4;
const FIRST_ENTRIES = 20_000;
const MAX_LENGTH = '100000';
const RATE = 300;
const MEASURED_MS = 2000;

/** A gateway and what it stores to. */
interface Bed {
  readonly gateway: GatewayProcess;
  readonly side: Side;
  /** Resolves when all streams have been given so many entries more. */
  whenStored(entries: number): Promise<void>;
}

async function openSingle(started: Started, main?: string): Promise<Bed> {
  const redis = started.add(await startRedis('--save', '', '--appendonly', 'no'));
  const gateway = started.add(await startGatewayProcess(settingsFor(redis.url), [], main));
  let before = 0;
  return {
    gateway,
    side: { pid: gateway.process.pid!, others: [redis.process.pid!] },
    whenStored: async (entries) => {
      before += entries;
      for (let index = 0; index < STREAMS; index++)
        await whenAdded(redis.client, `default:s${index}`, before);
    },
  };
}

async function openCluster(started: Started, main?: string): Promise<Bed> {
  const cluster = started.add(await startCluster());
  const gateway = started.add(await startGatewayProcess(settingsFor(cluster.url), [], main));
  const owners = await Promise.all(
    Array.from({ length: STREAMS }, (_, index) => cluster.ownerOfSlot(slotOf(`default:s${index}`))),
  );
  let before = 0;
  return {
    gateway,
    side: { pid: gateway.process.pid!, others: cluster.masters.map(({ process }) => process.pid!) },
    whenStored: async (entries) => {
      before += entries;
      for (const [index, { client }] of owners.entries()) {
        await whenAdded(client, `default:s${index}`, before);
      }
    },
  };
}

const settingsFor = (url: string) => ({
  REDIS_URL: url,
  REDIS_STREAM_MAXLEN: MAX_LENGTH,
  MAX_CLIENT_SHARE: '100',
});

function pushThrough({ gateway, side, whenStored }: Bed): Push {
  return async (entries) => {
    const messages = Math.ceil(entries / STREAMS / CONNECTIONS);
    const total = messages * CONNECTIONS * STREAMS;
    const task: ProducerTask = {
      framing: 'msgpack',
      bytes: BYTES,
      entries: STREAMS,
      isSpread: true,
      port: gateway.port,
      path: '/data/*/push?header=msgpack&ack=0',
      connections: CONNECTIONS,
      messages,
      window: 0,
    };
    const producer = startProgram('load/producer', task);
    try {
      await producer.says('ready');
      const { result, ...cost } = await withCost(
        side,
        async () => {
          const begun = performance.now();
          await whenStored(messages * CONNECTIONS);
          return (performance.now() - begun) / 1000;
        },
        () => total,
      );
      return { rate: total / result, ...cost };
    } finally {
      await producer.stop();
    }
  };
}

/** @param target at these rates about 0.2 ms more */
const latency = (key: string, target: number): FigureSpec => ({
  name: `latency push → pull over three masters, ${RATE}/s, ${key}`,
  unit: 'µs',
  better: 'less',
  rivals: [{ label: 'one Redis', kind: 'reference', target }],
});

export const CLUSTER_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'cluster',
    figures: [
      {
        name: `push ${STREAMS} × ${BYTES} B over ${STREAMS} streams, three masters`,
        unit: 'entries/s',
        better: 'more',
        rivals: [{ label: 'one Redis', kind: 'reference', target: 0.9, cpuTarget: 1.15 }],
      },
    ],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const beds = [await openCluster(started, main), await openSingle(started, main)];
        const measures: (() => Promise<Pushed>)[] = [];
        for (const bed of beds) measures.push(await paced(pushThrough(bed), SECONDS * scale, FIRST_ENTRIES));
        return async () => {
          const [ours, ...rivals] = await measureAll(measures);
          return [roundOf(ours!, rivals, ({ rate }) => rate)];
        };
      }),
  },
  {
    scope: 'cluster',
    figures: [latency('p50', 1.8), latency('p99', 2.5)],
    open: ({ scale, main }) =>
      opening(async (started) => {
        const ways: Way[] = [];
        for (const { gateway, side } of [await openCluster(started, main), await openSingle(started, main)]) {
          const link = { via: 'gateway', port: gateway.port, stream: 'latency', bytes: BYTES } as const;
          const probe = started.add(startProgram('load/latency-probe', link));
          await probe.says('ready');
          ways.push({ side, probe });
        }
        await warmUp(ways);
        return () => measureLatency(ways, { rate: RATE, ms: MEASURED_MS * scale });
      }),
  },
];
