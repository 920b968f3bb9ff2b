/** `npm run bench`: every scenario beside its ceiling, in turns, several rounds; a table of medians. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { Command } from 'commander';
import { median, type Round, type Scenario } from './scenario.js';
import { FAN_OUT_SCENARIOS } from './scenarios/fan-out.js';
import { GRAPHQL_SCENARIOS } from './scenarios/graphql.js';
import { PUSH_SCENARIOS } from './scenarios/push.js';

const SCENARIOS: readonly Scenario[] = [...PUSH_SCENARIOS, ...FAN_OUT_SCENARIOS, ...GRAPHQL_SCENARIOS];
const QUICK_SCALE = 0.2;
const ROUNDS = 3;

interface Result {
  readonly name: string;
  readonly unit: string;
  readonly ceilingName: string;
  readonly ours: number;
  readonly ceiling: number;
  /** Median of the rounds' ratios, and the least and greatest of them. */
  readonly ratio: number;
  readonly spread: readonly [number, number];
  readonly target: number;
  readonly cpuMicroseconds: number;
}

function summarise(scenario: Scenario, rounds: readonly Round[]): Result {
  const ratios = rounds.map(({ ours, ceiling }) => ours / ceiling);
  return {
    name: scenario.name,
    unit: scenario.unit,
    ceilingName: scenario.ceiling,
    ours: median(rounds.map(({ ours }) => ours)),
    ceiling: median(rounds.map(({ ceiling }) => ceiling)),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    target: scenario.target,
    cpuMicroseconds: median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)),
  };
}

function firstLine(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8' }).split('\n')[0]!;
  } catch {
    return 'unknown';
  }
}

function describeRun() {
  return {
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}`,
    node: process.version,
    redis: /v=(\S+)/.exec(firstLine('redis-server', '--version'))?.[1] ?? 'unknown',
    commit: firstLine('git', 'rev-parse', '--short', 'HEAD'),
  };
}

function print(results: readonly Result[]): void {
  console.table(
    Object.fromEntries(
      results.map((result) => [
        result.name,
        {
          ours: Math.round(result.ours),
          ceiling: Math.round(result.ceiling),
          unit: result.unit,
          ratio: Number(result.ratio.toFixed(2)),
          spread: result.spread.map((ratio) => ratio.toFixed(2)).join('–'),
          'at least': result.target,
          'CPU µs': Number(result.cpuMicroseconds.toFixed(2)),
        },
      ]),
    ),
  );
}

const program = new Command('bench')
  .option('--scope <text>', 'only scenarios whose scope or name has this text', '')
  .option('--json <file>', 'write the results there')
  .option('--quick', 'a fifth of the work, one round')
  .parse();
const options = program.opts<{ scope: string; json?: string; quick?: boolean }>();
const scale = options.quick ? QUICK_SCALE : 1;
const rounds = options.quick ? 1 : ROUNDS;
const run = describeRun();
console.log(`${run.machine}; Node ${run.node}; Redis ${run.redis}; commit ${run.commit}`);

const results: Result[] = [];
for (const scenario of SCENARIOS) {
  if (!`${scenario.scope} ${scenario.name}`.includes(options.scope)) continue;
  const measured: Round[] = [];
  for (let round = 0; round < rounds; round++) measured.push(await scenario.run(scale));
  results.push(summarise(scenario, measured));
}
print(results);
if (options.json) writeFileSync(options.json, `${JSON.stringify({ ...run, results }, null, 2)}\n`);
