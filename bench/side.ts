/** What one side of a comparison costs: CPU time of all the processes that it takes. */
import { cpuSeconds } from './programs.js';
import type { Round } from './scenario.js';

export interface Side {
  /** Its server, or the processes of its server. */
  readonly pid: number | readonly number[];
  /** Of what the server cannot do without, such as Redis. */
  readonly others: readonly number[];
}

/** In microseconds, a message or delivery. */
export interface SideCost {
  /** Of the server's process, or processes. */
  readonly cpuMicroseconds: number;
  /** Of all processes. */
  readonly sideMicroseconds: number;
}

/** @returns what `work` did, and what it cost until it was done */
export async function withCost<T>(
  { pid, others }: Side,
  work: () => Promise<T>,
  countOf: (result: T) => number,
): Promise<Costed<T>> {
  const serverPids = [pid].flat();
  const serverBefore = await cpuSeconds(...serverPids);
  const othersBefore = await cpuSeconds(...others);
  const result = await work();
  const server = (await cpuSeconds(...serverPids)) - serverBefore;
  const rest = (await cpuSeconds(...others)) - othersBefore;
  const each = 1e6 / countOf(result);
  return { result, cpuMicroseconds: server * each, sideMicroseconds: (server + rest) * each };
}

/** A figure that was measured, and what it cost. */
export interface Costed<T = number> extends SideCost {
  readonly result: T;
}

/** @param figureFrom the figure of what was measured */
export function roundOf<T>(
  ours: Costed<T>,
  rivals: readonly Costed<T>[],
  figureFrom: (result: T) => number,
): Round {
  return {
    ours: figureFrom(ours.result),
    rivals: rivals.map(({ result }) => figureFrom(result)),
    cpuMicroseconds: ours.cpuMicroseconds,
    sides: {
      ours: ours.sideMicroseconds,
      rivals: rivals.map(({ sideMicroseconds }) => sideMicroseconds),
    },
  };
}
