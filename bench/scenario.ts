/**
 * What a scenario is: figures of ours beside those of its rivals (a ceiling, peers), measured in turns in
 * the same run.
 *
 *     open → round → round → round → close
 */

/** What ours is compared with. */
export interface Rival {
  readonly label: string;
  /**
   * A ceiling does the least that could be done; a peer is another program for the same purpose; a
   * reference is a number that ours is held against, and the chart leaves out.
   */
  readonly kind: 'ceiling' | 'peer' | 'reference';
  /** Ours divided by theirs: to be at least this, or at most where less is better. */
  readonly target?: number;
  /**
   * CPU time of all of our processes divided by that of all of theirs, a message: to be at most this. Where
   * load and servers share a few cores it says more than a rate does.
   */
  readonly cpuTarget?: number;
}

/** One thing that a scenario measures. */
export interface FigureSpec {
  /** Sizes are in the name. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly rivals: readonly Rival[];
  /** A target in the figure's own unit, rivals aside: at least this, or at most where less is better. */
  readonly limit?: number;
  /** CPU time of all of our processes, a message, in microseconds: to be at most this. */
  readonly cpuLimit?: number;
}

/** A figure as one round saw it. */
export interface Round {
  readonly ours: number;
  /** One for each rival, in the order of the specification. */
  readonly rivals: readonly number[];
  /** CPU time of the gateway's process a message or delivery, in microseconds. */
  readonly cpuMicroseconds?: number;
  /** The same of all processes of each side: of ours the gateway and Redis. */
  readonly sides?: SideTimes;
}

/** CPU time a message or delivery, in microseconds. */
export interface SideTimes {
  readonly ours: number;
  /** One for each rival. */
  readonly rivals: readonly number[];
}

/** What a scenario measures, and how much of it. */
export interface Opening {
  /** Share of the full amount of work. */
  readonly scale: number;
  /** The measured gateway's `main.js`; undefined: this build's. */
  readonly main?: string | undefined;
  /** Measure ours alone. A scenario may measure its rivals all the same. */
  readonly isAlone?: boolean;
}

export interface Scenario {
  readonly scope: string;
  readonly figures: readonly FigureSpec[];
  /** It comes out the same every time, so one round is enough. */
  readonly isSteady?: true;
  /** Starts what all rounds share. */
  open(opening: Opening): Promise<OpenScenario>;
}

export interface OpenScenario {
  /** Ours and the rivals, one after the other; a round for each figure, in their order. */
  round(): Promise<readonly Round[]>;
  close(): Promise<void>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
