/** Rounds made into results: medians, spreads, ratios, and whether the targets were reached. */
import type { Machine } from './machine.js';
import { type FigureSpec, median, type Rival, type Round } from './scenario.js';

export type Verdict = 'reached' | 'missed' | 'no target';

/** The rounds' middle value, their least and their greatest. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

export interface RivalResult extends Rival {
  /** In the figure's unit. */
  readonly value: Spread;
  /** Ours divided by theirs: of each round by itself, since what else the machine did fell on both. */
  readonly ratio: Spread;
  /** CPU time of all of their processes, a message, in microseconds. */
  readonly cpuMicroseconds?: number;
  /** That of ours divided by it. */
  readonly cpuRatio?: Spread;
  /** Over the target and that for CPU time. */
  readonly verdict: Verdict;
}

export interface FigureResult {
  readonly scope: string;
  readonly name: string;
  readonly unit: string;
  readonly better: FigureSpec['better'];
  readonly ours: Spread;
  readonly limit?: number;
  /** Of the gateway's process. */
  readonly cpuMicroseconds?: number;
  /** Of all of our processes. */
  readonly sideMicroseconds?: Spread;
  readonly cpuLimit?: number;
  readonly rivals: readonly RivalResult[];
  /** Over the limits and all rivals. */
  readonly verdict: Verdict;
}

/** A figure that could not be measured. */
export interface FailedFigure {
  readonly scope: string;
  readonly name: string;
  readonly error: string;
}

export interface Report extends Machine {
  /** Only figures or scopes with this text were measured; empty: all. */
  readonly scope: string;
  readonly mode: 'full' | 'quick';
  readonly rounds: number;
  /** Of figures on whose targets those did not agree. */
  readonly mostRounds: number;
  readonly seconds: number;
  readonly results: readonly FigureResult[];
  readonly failed: readonly FailedFigure[];
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), greatest: Math.max(...values) };
}

/** Whether a value is at least the target, or at most where less is better. */
export function judge(value: number, target: number | undefined, better: FigureSpec['better']): Verdict {
  if (target === undefined) return 'no target';
  return (better === 'more' ? value >= target : value <= target) ? 'reached' : 'missed';
}

/** Whether all rounds would give the same verdicts. */
export function isDecided({ ours, limit, sideMicroseconds, cpuLimit, rivals }: FigureResult): boolean {
  const isWithin = (target: number | undefined, spread: Spread | undefined) =>
    target !== undefined && spread !== undefined && spread.least < target && target < spread.greatest;
  return (
    !isWithin(limit, ours) &&
    !isWithin(cpuLimit, sideMicroseconds) &&
    !rivals.some(
      ({ target, ratio, cpuTarget, cpuRatio }) => isWithin(target, ratio) || isWithin(cpuTarget, cpuRatio),
    )
  );
}

/** One miss is a miss; without any target there is nothing to reach. */
export function overall(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('missed')) return 'missed';
  return verdicts.includes('reached') ? 'reached' : 'no target';
}

function judgeRival(
  rival: Rival,
  index: number,
  { better }: FigureSpec,
  rounds: readonly Round[],
): RivalResult {
  const ratio = spreadOf(rounds.map(({ ours, rivals }) => ours / rivals[index]!));
  const sides = rounds.flatMap(({ sides }) => sides ?? []);
  const cpuRatio =
    sides.length > 0 ? spreadOf(sides.map(({ ours, rivals }) => ours / rivals[index]!)) : undefined;
  return {
    ...rival,
    value: spreadOf(rounds.map(({ rivals }) => rivals[index]!)),
    ratio,
    ...(cpuRatio && { cpuMicroseconds: median(sides.map(({ rivals }) => rivals[index]!)), cpuRatio }),
    verdict: overall([
      judge(ratio.median, rival.target, better),
      judge(cpuRatio?.median ?? Number.NaN, rival.cpuTarget, 'less'),
    ]),
  };
}

/** @throws Error where a round lacks a value, or holds one that cannot be compared */
function checkRound({ name, rivals }: FigureSpec, round: Round): void {
  const isMeasured = (value: number) => Number.isFinite(value) && value > 0;
  const check = (what: string, ours: number, theirs: readonly number[]) => {
    if (Number.isFinite(ours) && theirs.length === rivals.length && theirs.every(isMeasured)) return;
    throw new Error(`a round of '${name}' measured ${[ours, ...theirs].join(', ')}${what}`);
  };
  check('', round.ours, round.rivals);
  if (round.sides) check(' µs of CPU', round.sides.ours, round.sides.rivals);
}

export function summarise(scope: string, figure: FigureSpec, rounds: readonly Round[]): FigureResult {
  for (const round of rounds) checkRound(figure, round);
  const { name, unit, better, limit, cpuLimit } = figure;
  const ours = spreadOf(rounds.map((round) => round.ours));
  const cpu = rounds.flatMap(({ cpuMicroseconds }) => cpuMicroseconds ?? []);
  const sides = rounds.flatMap((round) => round.sides?.ours ?? []);
  const side = sides.length > 0 ? spreadOf(sides) : undefined;
  const rivals = figure.rivals.map((rival, index) => judgeRival(rival, index, figure, rounds));
  return {
    scope,
    name,
    unit,
    better,
    ours,
    ...(limit !== undefined && { limit }),
    ...(cpu.length > 0 && { cpuMicroseconds: median(cpu) }),
    ...(side && { sideMicroseconds: side }),
    ...(cpuLimit !== undefined && { cpuLimit }),
    rivals,
    verdict: overall([
      judge(ours.median, limit, better),
      judge(side?.median ?? Number.NaN, cpuLimit, 'less'),
      ...rivals.map(({ verdict }) => verdict),
    ]),
  };
}
