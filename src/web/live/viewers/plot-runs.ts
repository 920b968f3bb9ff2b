/** Where a curve is interrupted: an outage is no line, and what is too narrow to be a line is points. */

/** Values from one index to another, both included, that nothing interrupts. */
export interface PlotRun {
  readonly first: number;
  readonly last: number;
}

/** A pause so many times as long as most others is an outage, if it takes some seconds. */
const OUTAGE = 5;
const SHORTEST_OUTAGE = 2;
/** Most of the pauses: this part of them is no longer than the usual one. */
const MOST = 0.9;

/**
 * The runs of a series between two indices. Readings that lack its value interrupt nothing.
 * @param times in seconds, ascending
 */
export function findRuns(
  times: readonly number[],
  values: readonly (number | null | undefined)[],
  from: number,
  to: number,
): PlotRun[] {
  const found: number[] = [];
  for (let at = Math.max(from, 0); at <= to; at++) if (values[at] != null) found.push(at);
  if (found.length === 0) return [];
  const pauses = found.slice(1).map((at, index) => times[at]! - times[found[index]!]!);
  const usual = [...pauses].sort((a, b) => a - b)[Math.floor((pauses.length - 1) * MOST)] ?? 0;
  const outage = Math.max(OUTAGE * usual, SHORTEST_OUTAGE);
  const runs: PlotRun[] = [];
  let first = found[0]!;
  pauses.forEach((pause, index) => {
    if (pause <= outage) return;
    runs.push({ first, last: found[index]! });
    first = found[index + 1]!;
  });
  runs.push({ first, last: found.at(-1)! });
  return runs;
}

/** The indices of a run that stand for all of it where it is too narrow for a line: its ends, lowest and highest. */
export function marksOf({ first, last }: PlotRun, values: readonly (number | null | undefined)[]): number[] {
  let [low, high] = [first, first];
  for (let at = first; at <= last; at++) {
    const value = values[at];
    if (value == null) continue;
    if (value < values[low]!) low = at;
    if (value > values[high]!) high = at;
  }
  return [...new Set([first, low, high, last])].sort((a, b) => a - b);
}
