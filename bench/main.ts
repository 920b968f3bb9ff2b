/** `npm run bench`: ours beside ceilings and peers, in turns, several rounds; a table of medians. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { comparedWith } from './build-before.js';
import { performanceChart } from './chart.js';
import { describeMachine, machineLine } from './machine.js';
import { endChildrenOnExit } from './programs.js';

import type { Report } from './results.js';
import { runScenarios, select } from './runner.js';
import { SCENARIOS } from './scenarios.js';
import {
  PERFORMANCE_CHART,
  PERFORMANCE_JSON,
  performanceSection,
  replaceSection,
  summarySection,
} from './speed-docs.js';
import { textTable } from './table.js';

const QUICK_SCALE = 0.2;
const ROUNDS = 3;
/** Where three do not agree. */
const MOST_ROUNDS = 6;

interface Options {
  readonly scope: string;
  readonly quick?: true;
  readonly json?: string;
  readonly chart?: string;
  readonly docs?: true;
  readonly from?: string;
  readonly against?: string;
  readonly rounds?: string;
}

/** @throws Error where it is no whole number of rounds */
function roundsFrom(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new Error(`--rounds is '${text}', but must be a whole number from 1 on`);
}

async function measure({ scope, quick, against, rounds: asked }: Options): Promise<Report> {
  const all = select(SCENARIOS, scope);
  const scenarios = against === undefined ? all : comparedWith(against, all);
  if (scenarios.length === 0) throw new Error(`no scope and no figure has '${scope}' in its name`);
  const machine = await describeMachine();
  console.log(machineLine(machine));
  const rounds = asked === undefined ? (quick ? 1 : ROUNDS) : roundsFrom(asked);
  const mostRounds = asked !== undefined || quick ? rounds : MOST_ROUNDS;
  const start = performance.now();
  const measured = await runScenarios(scenarios, {
    scale: quick ? QUICK_SCALE : 1,
    rounds,
    mostRounds,
    tell: (line) => console.error(line),
  });
  const seconds = Math.round((performance.now() - start) / 1000);
  return { ...machine, scope, mode: quick ? 'quick' : 'full', rounds, mostRounds, seconds, ...measured };
}

const readReport = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Report;

function writeReport(file: string, report: Report): void {
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
}

function renewSection(file: string, section: string): void {
  writeFileSync(file, replaceSection(readFileSync(file, 'utf8'), section));
}

/** The measured state that is kept with the source: the results, the chart, and the sections of the documents. */
function publish(report: Report): void {
  const { mode, scope, failed } = report;
  if (options.against !== undefined) throw new Error('the documents show no comparison of builds');
  if (mode === 'quick' || scope !== '' || failed.length > 0) {
    throw new Error('the documents show whole runs only: all scopes, not quick, and nothing failed');
  }
  writeReport(PERFORMANCE_JSON, report);
  writeFileSync(PERFORMANCE_CHART, performanceChart(report.results));
  renewSection('docs/speed.md', performanceSection(report));
  renewSection('README.md', summarySection(report));
}

const program = new Command('bench')
  .option('--scope <text>', 'only scenarios whose scope, or name of a figure, has this text', '')
  .option('--quick', 'a fifth of the work, one round')
  .option('--json <file>', 'write the results there')
  .option('--chart <file>', 'write the chart there, as SVG')
  .option('--docs', 'renew docs/speed.md, the summary in the README, the chart and the JSON')
  .option('--against <folder>', 'compare with the build in that checkout instead of the rivals')
  .option('--rounds <number>', 'exactly so many rounds of each scenario')
  .option('--from <file>', 'measure nothing, take the results from this JSON')
  .parse();
const options = program.opts<Options>();

endChildrenOnExit();
try {
  const report = options.from ? readReport(options.from) : await measure(options);
  console.log(`\n${textTable(report.results, report.failed)}\n\n${report.seconds} s`);
  if (options.json) writeReport(options.json, report);
  if (options.chart) writeFileSync(options.chart, performanceChart(report.results));
  if (options.docs) publish(report);
  if (report.failed.length > 0) process.exitCode = 1;
} catch (error) {
  program.error((error as Error).message);
}
