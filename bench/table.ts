/** The results as a table for a terminal: a line for each figure and each further rival of it. */
import { formatNumber, formatSpread, formatTarget } from './numbers.js';
import { type FailedFigure, type FigureResult, judge, type RivalResult } from './results.js';

const HEAD = [
  'figure',
  'ours',
  'spread',
  'unit',
  'CPU µs',
  'of all',
  'against',
  'theirs',
  'ratio',
  'spread',
  'target',
  'CPU µs',
  'ratio',
  'target',
  'verdict',
];
/** Columns of text; all others are figures. */
const LEFT = new Set(['figure', 'unit', 'against', 'verdict']);

const formatMaybe = (value: number | undefined) => (value === undefined ? '' : formatNumber(value));

function rivalCells(rival: RivalResult, { better }: FigureResult): string[] {
  return [
    rival.label,
    formatNumber(rival.value.median),
    formatNumber(rival.ratio.median),
    formatSpread(rival.ratio),
    formatTarget(rival.target, better),
    formatMaybe(rival.cpuMicroseconds),
    formatMaybe(rival.cpuRatio?.median),
    formatTarget(rival.cpuTarget, 'less'),
    rival.target === undefined && rival.cpuTarget === undefined ? '' : rival.verdict,
  ];
}

function figureLines(result: FigureResult): string[][] {
  const { name, ours, unit, cpuMicroseconds, sideMicroseconds, limit, cpuLimit, better, rivals } = result;
  const own = [
    name,
    formatNumber(ours.median),
    formatSpread(ours),
    unit,
    formatMaybe(cpuMicroseconds),
    formatMaybe(sideMicroseconds?.median),
  ];
  const against = rivals.map((rival) => rivalCells(rival, result));
  if (limit !== undefined) {
    const verdict = judge(ours.median, limit, better);
    against.unshift(['a limit', '', '', '', formatTarget(limit, better), '', '', '', verdict]);
  }
  if (cpuLimit !== undefined) {
    const verdict = judge(sideMicroseconds?.median ?? Number.NaN, cpuLimit, 'less');
    against.unshift(['a limit', '', '', '', '', '', '', formatTarget(cpuLimit, 'less'), verdict]);
  }
  if (against.length === 0) against.push(['', '', '', '', '', '', '', '', 'no target']);
  return against.map((cells, index) => [...(index === 0 ? own : own.map(() => '')), ...cells]);
}

/** @returns lines, a blank one between scopes */
export function textTable(results: readonly FigureResult[], failed: readonly FailedFigure[]): string {
  const lines = results.map(figureLines);
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...lines.flat().map((cells) => cells[column]!.length)),
  );
  const align = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        LEFT.has(HEAD[column]!) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  const text = [align(HEAD)];
  results.forEach((result, index) => {
    if (result.scope !== results[index - 1]?.scope) text.push('', result.scope);
    text.push(...lines[index]!.map(align));
  });
  if (failed.length > 0) text.push('', ...failed.map(({ name, error }) => `${name}: failed: ${error}`));
  return text.join('\n');
}
