/**
 * How many gateways and shards a load takes, run in the project's folder.
 *
 *     node dist/bench/scale/main.js                          the loads of docs/scale.md
 *     node dist/bench/scale/main.js --cameras 50 --rate 25 --bytes 60000 --followers 2000
 *     node dist/bench/scale/main.js --measure                measures the costs here, into bench/results/scale.json
 *     node dist/bench/scale/main.js --check                  three sizes, predicted and measured here
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { endChildrenOnExit } from '../programs.js';
import { USUAL_CAPACITY } from './capacity.js';
import { check } from './check.js';
import { COSTS_FILE, readCosts } from './costs.js';
import { measureCosts } from './measure.js';
import { type Capacity, predict, type Workload } from './model.js';
import { describe } from './report.js';
import { WORKLOADS } from './workloads.js';

/** Others at work make CPU time say less. */
const MOST_LOAD = 3;
const GIGA = 1e9;

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

interface Options {
  readonly measure?: true;
  readonly check?: true;
  readonly cameras?: number;
  readonly rate: number;
  readonly bytes: number;
  readonly followers?: number;
  readonly followRate?: number;
  readonly kept: number;
  readonly byStream?: true;
  readonly busy?: number;
  readonly network?: number;
}

const program = new Command('scale')
  .option('--measure', `measure the costs on this machine and write them into ${COSTS_FILE}`)
  .option('--check', 'measure three sizes on this machine beside what is predicted for them')
  .option('--cameras <number>', 'streams, each with a producer', positive)
  .option('--rate <number>', 'entries a second of each', positive, 30)
  .option('--bytes <number>', 'of an entry', positive, 100_000)
  .option('--followers <number>', 'in all; none, if not given', positive)
  .option(
    '--follow-rate <number>',
    'entries a second that each is sent, by max_fps; all, if not given',
    positive,
  )
  .option('--kept <number>', 'entries that Redis keeps of each stream', positive, 100)
  .option('--by-stream', 'the balancer sends all clients of a stream to the same gateway')
  .option('--busy <share>', 'share of a core that a main thread or a Redis may use: 0.5', positive)
  .option('--network <gigabits>', 'a second that a machine may carry each way: 7', positive)
  .parse();
const options = program.opts<Options>();

function capacityOf({ busy, network }: Options): Capacity {
  return {
    ...USUAL_CAPACITY,
    ...(busy !== undefined && { busy }),
    ...(network !== undefined && { network: network * GIGA }),
  };
}

function workloadsOf(given: Options): readonly Workload[] {
  const { cameras, rate, bytes, followers = 0, followRate, kept, byStream } = given;
  if (cameras === undefined) return WORKLOADS;
  const workload = {
    cameras,
    rate,
    bytes,
    followers,
    kept,
    routing: byStream ? 'by stream' : 'any',
  } as const;
  return [followRate === undefined ? workload : { ...workload, followRate }];
}

function checkLoad(): void {
  const [load] = loadavg();
  if (load! > MOST_LOAD)
    throw new Error(`the load average is ${load}: measure when it is below ${MOST_LOAD}`);
}

endChildrenOnExit();
const tell = (line: string) => console.log(line);
if (options.measure) {
  checkLoad();
  const costs = await measureCosts((line) => console.error(line));
  writeFileSync(COSTS_FILE, `${JSON.stringify(costs, null, 2)}\n`);
} else if (options.check) {
  checkLoad();
  if (!(await check(readCosts(), tell))) process.exitCode = 1;
} else {
  const costs = readCosts();
  for (const workload of workloadsOf(options))
    tell(describe(workload, predict(costs, workload, capacityOf(options))));
}
