/**
 * Latency from push to pull in an open loop, against XADD → XREAD BLOCK on two raw sockets: the same
 * process with the same schedule, at one rate after the other. A message counts from when it is due.
 *
 * The sending thread spins before each message; the receiving one sleeps, so that a wake-up is a part of what
 * is timed, as it is for any client.
 */
import { type GatewayProcess, startGatewayProcess } from '../../test/support/gateway-process.js';
import { startRedis } from '../../test/support/redis-server.js';
import type { Link } from '../load/latency-link.js';
import type { Latencies, ProbeRun } from '../load/latency-probe.js';
import { opening, type Started } from '../opening.js';
import { cpuSeconds, type Program, startProgram } from '../programs.js';
import type { FigureSpec, Round, Scenario } from '../scenario.js';

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

function figureSpec(rate: number, { key, target }: (typeof PERCENTILES)[number]): FigureSpec {
  return {
    name: `latency push → pull, ${rate}/s, ${key}`,
    unit: 'µs',
    better: 'less',
    rivals: [{ label: 'XADD → XREAD BLOCK', kind: 'ceiling', target }],
  };
}

const MICROSECONDS = 1000;

interface LatencyBed {
  readonly gateway: GatewayProcess;
  readonly ours: Program;
  readonly raw: Program;
}

async function openBed(started: Started, main: string | undefined): Promise<LatencyBed> {
  const redis = started.add(await startRedis());
  const gateway = started.add(
    await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: String(MAX_LENGTH) }, [], main),
  );
  const probe = (link: Link) => started.add(startProgram('load/latency-probe', link));
  const ours = probe({ via: 'gateway', port: gateway.port, stream: 'latency', bytes: BYTES });
  const raw = probe({
    via: 'redis',
    socketPath: redis.path,
    key: 'raw:latency',
    bytes: BYTES,
    maxLength: MAX_LENGTH,
  });
  await ours.says('ready');
  await raw.says('ready');
  return { gateway, ours, raw };
}

async function timeOf(probe: Program, run: ProbeRun): Promise<Latencies> {
  probe.tell(JSON.stringify(run));
  return JSON.parse(await probe.says('done')) as Latencies;
}

/** @returns a round for each percentile */
async function measure({ gateway, ours, raw }: LatencyBed, run: ProbeRun): Promise<Round[]> {
  const pid = gateway.process.pid!;
  const before = await cpuSeconds(pid);
  const through = await timeOf(ours, run);
  const cpu = (await cpuSeconds(pid)) - before;
  const direct = await timeOf(raw, run);
  return PERCENTILES.map(({ key }) => ({
    ours: through[key] * MICROSECONDS,
    rivals: [direct[key] * MICROSECONDS],
    cpuMicroseconds: (cpu * 1e6) / through.messages,
  }));
}

export const LATENCY_SCENARIOS: readonly Scenario[] = [
  {
    scope: 'latency',
    figures: RATES.flatMap((rate) => PERCENTILES.map((percentile) => figureSpec(rate, percentile))),
    open: ({ scale, main }) =>
      opening(async (started) => {
        const bed = await openBed(started, main);
        await measure(bed, WARM_UP);
        return async () => {
          const rounds: Round[] = [];
          for (const rate of RATES) rounds.push(...(await measure(bed, { rate, ms: MEASURED_MS * scale })));
          return rounds;
        };
      }),
  },
];
