/** Runs scenarios: rounds of ours and the rivals in turns, each figure told as it is done. */
import { setTimeout as delay } from 'node:timers/promises';
import { formatNumber } from './numbers.js';
import { type FailedFigure, type FigureResult, isDecided, summarise } from './results.js';
import type { Round, Scenario } from './scenario.js';

/** For the start of a scenario, and for each round. */
const PATIENCE_MS = 120_000;

export interface Work {
  /** Share of the full amount of work. */
  readonly scale: number;
  readonly rounds: number;
  /** So many rounds at most, where rounds do not agree on whether a target is reached. */
  readonly mostRounds: number;
  /** A line of progress. */
  tell(line: string): void;
}

/**
 * The scenarios of the scope of that name; else those that have the text in their scope or in the name of
 * one of their figures.
 */
export function select(scenarios: readonly Scenario[], text: string): readonly Scenario[] {
  const named = scenarios.filter(({ scope }) => scope === text);
  if (named.length > 0) return named;
  return scenarios.filter(({ scope, figures }) =>
    [scope, ...figures.map(({ name }) => name)].some((name) => name.includes(text)),
  );
}

/** Where something waits for what does not come, the other scenarios are still measured. */
async function withinPatience<T>(work: Promise<T>): Promise<T> {
  const given = new AbortController();
  const overdue = delay(PATIENCE_MS, undefined, { signal: given.signal }).then(() => {
    throw new Error(`it took more than ${PATIENCE_MS / 1000} s`);
  });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    given.abort();
    // The one that lost the race may end badly too.
    work.catch(() => {});
    overdue.catch(() => {});
  }
}

async function measure(scenario: Scenario, { scale, rounds, mostRounds }: Work): Promise<FigureResult[]> {
  const opening = scenario.open({ scale });
  const open = await withinPatience(opening).catch((error: unknown) => {
    // What opens too late after all is closed.
    opening.then(
      (late) => late.close(),
      () => {},
    );
    throw error;
  });
  const measured: (readonly Round[])[] = [];
  const results = () =>
    scenario.figures.map((figure, index) =>
      summarise(
        scenario.scope,
        figure,
        measured.map((figures) => figures[index]!),
      ),
    );
  try {
    const [least, most] = scenario.isSteady ? [1, 1] : [rounds, mostRounds];
    while (measured.length < least || (measured.length < most && !results().every(isDecided))) {
      measured.push(await withinPatience(open.round()));
    }
  } finally {
    await open.close();
  }
  return results();
}

/** What is told of a figure: ours and the ratios. */
function progress({ name, ours, unit, rivals }: FigureResult, seconds: number): string {
  const ratios = rivals.map(({ label, ratio }) => `${formatNumber(ratio.median)} × ${label}`);
  return `${name}: ${[`${formatNumber(ours.median)} ${unit}`, ...ratios].join(', ')} (${seconds.toFixed(1)} s)`;
}

/** A scenario that throws fails by itself; the others go on. */
export async function runScenarios(scenarios: readonly Scenario[], work: Work) {
  const results: FigureResult[] = [];
  const failed: FailedFigure[] = [];
  for (const scenario of scenarios) {
    const start = performance.now();
    try {
      const figures = await measure(scenario, work);
      const seconds = (performance.now() - start) / 1000;
      for (const figure of figures) work.tell(progress(figure, seconds));
      results.push(...figures);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      for (const { name } of scenario.figures) {
        work.tell(`${name}: failed: ${message}`);
        failed.push({ scope: scenario.scope, name, error: message });
      }
    }
  }
  return { results, failed };
}
