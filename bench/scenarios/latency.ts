/**
 * Latency from push to pull in an open loop, against XADD → XREAD BLOCK on two raw sockets and brokers: the
 * same process with the same schedule, at one rate after the other. A message counts from when it is due.
 *
 * The sending thread spins before each message; the receiving one sleeps, so that a wake-up is a part of what
 * is timed, as it is for any client.
 */
import { startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { BrokerLink } from '../load/broker.js';
import { openJetStream } from '../load/jetstream.js';
import type { Link } from '../load/latency-link.js';
import type { Latencies, ProbeRun } from '../load/latency-probe.js';
import { opening, type Started } from '../opening.js';
import { mosquittoProgram, startMosquitto } from '../peers/mosquitto.js';
import { natsProgram, startNats } from '../peers/nats.js';
import { type Program, startProgram } from '../programs.js';
import type { FigureSpec, Opening, Rival, Round, Scenario } from '../scenario.js';
import { type Costed, roundOf, type Side, withCost } from '../side.js';

const BYTES = 100;
/** More than any run sends: what comes late is still there. */
const MAX_LENGTH = 100_000;
const RATES = [300, 1000] as const;
/** Long enough for a 99th percentile. */
const MEASURED_MS = 2000;
/** All code that messages run through is compiled by then: at these rates alone it would never be. */
const WARM_UP: ProbeRun = { rate: 10_000, ms: 1500 };
const PERCENTILES = [
  { key: 'p50', target: 2.5 },
  { key: 'p99', target: 3 },
] as const;
const STREAM = 'BENCH';
const SUBJECT = 'bench.latency';

interface Peer {
  readonly label: string;
  readonly isHere: boolean;
  open(started: Started): Promise<{ readonly pid: number; readonly broker: BrokerLink }>;
}

/** What is sent to a consumer is stored, as what our followers are sent; mosquitto stores nothing. */
const nats: Peer = {
  label: 'NATS JetStream in memory, a consumer',
  isHere: natsProgram !== undefined,
  open: async (started) => {
    const { pid, port } = started.add(await startNats(natsProgram!));
    const control = started.add(await openJetStream(port));
    await control.create(STREAM, SUBJECT, 'memory', MAX_LENGTH);
    return { pid, broker: { to: 'nats', port, subject: SUBJECT, stream: STREAM } };
  },
};

const mosquitto = (qos: 0 | 1): Peer => ({
  label: `mosquitto, QoS ${qos}`,
  isHere: mosquittoProgram !== undefined,
  open: async (started) => {
    const { pid, port } = started.add(await startMosquitto(mosquittoProgram!));
    return { pid, broker: { to: 'mqtt', port, topic: SUBJECT, qos } };
  },
});

const PEERS = [nats, mosquitto(0), mosquitto(1)].filter(({ isHere }) => isHere);

function figureSpec(rate: number, { key, target }: (typeof PERCENTILES)[number]): FigureSpec {
  const peers = PEERS.map(({ label }): Rival => ({ label, kind: 'peer' }));
  return {
    name: `latency push → pull, ${rate}/s, ${key}`,
    unit: 'µs',
    better: 'less',
    rivals: [{ label: 'XADD → XREAD BLOCK', kind: 'ceiling', target }, ...peers],
  };
}

const MICROSECONDS = 1000;

/** A way for numbers, and the processes that it runs through. */
export interface Way {
  readonly side: Side;
  readonly probe: Program;
}

/** @returns ours, then Redis alone, then the peers */
async function openWays(started: Started, { main, isAlone }: Opening): Promise<Way[]> {
  const redis = started.add(await startRedis());
  const store = redis.process.pid!;
  const gateway = started.add(
    await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(MAX_LENGTH) }, [], main),
  );
  const ways: Way[] = [];
  const add = async (side: Side, link: Link) => {
    const probe = started.add(startProgram('load/latency-probe', link));
    await probe.says('ready');
    ways.push({ side, probe });
  };
  const { port } = gateway;
  await add(
    { pid: gateway.process.pid!, others: [store] },
    { via: 'gateway', port, stream: 'latency', bytes: BYTES },
  );
  await add(
    { pid: store, others: [] },
    { via: 'redis', socketPath: redis.path, key: 'raw:latency', bytes: BYTES, maxLength: MAX_LENGTH },
  );
  for (const peer of isAlone ? [] : PEERS) {
    const { pid, broker } = await peer.open(started);
    await add({ pid, others: [] }, { via: 'broker', broker, bytes: BYTES });
  }
  return ways;
}

async function timeOf(probe: Program, run: ProbeRun): Promise<Latencies> {
  probe.tell(JSON.stringify(run));
  return JSON.parse(await probe.says('done')) as Latencies;
}

/** Has all code that messages run through compiled. */
export async function warmUp(ways: readonly Way[]): Promise<void> {
  await measureLatency(ways, WARM_UP);
}

/** @returns a round for each percentile */
export async function measureLatency(ways: readonly Way[], run: ProbeRun): Promise<Round[]> {
  const measured: Costed<Latencies>[] = [];
  for (const { side, probe } of ways) {
    measured.push(
      await withCost(
        side,
        () => timeOf(probe, run),
        ({ messages }) => messages,
      ),
    );
  }
  const [ours, ...rivals] = measured;
  return PERCENTILES.map(({ key }) => roundOf(ours!, rivals, (times) => times[key] * MICROSECONDS));
}

export const LATENCY_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'latency',
    figures: RATES.flatMap((rate) => PERCENTILES.map((percentile) => figureSpec(rate, percentile))),
    open: (open) =>
      opening(async (started) => {
        const ways = await openWays(started, open);
        await warmUp(ways);
        return async () => {
          const rounds: Round[] = [];
          for (const rate of RATES)
            rounds.push(...(await measureLatency(ways, { rate, ms: MEASURED_MS * open.scale })));
          return rounds;
        };
      }),
  },
];
