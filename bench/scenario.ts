/** What a scenario is: ours beside its ceiling, measured in the same run. */

/** One round's figures, in the scenario's unit. */
export interface Round {
  readonly ours: number;
  readonly ceiling: number;
  /** CPU time of the gateway for each message or delivery, in microseconds. */
  readonly cpuMicroseconds: number;
}

export interface Scenario {
  /** Sizes are in the name. */
  readonly name: string;
  readonly scope: string;
  readonly unit: string;
  readonly ceiling: string;
  /** The least ratio of ours to the ceiling. */
  readonly target: number;
  /** One round, ours and the ceiling one after the other. @param scale share of the full amount of work */
  run(scale: number): Promise<Round>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
