/** What the doctor says of one thing: whether it will hurt, what it means, and how to mend it. */

/** `problem`: something does not work, or data will be lost; `warning`: it will hurt one day. */
export type Level = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** What was looked at, for programs and for those who read many of these. */
  readonly check: string;
  readonly level: Level;
  /** One sentence. */
  readonly message: string;
}

/** What a check has found; undefined where there is nothing to look at. */
export type Verdict = readonly [level: Level, message: string] | undefined;

/** Checks under their names, each with the facts that it judges. */
export type Checks<F> = Readonly<Record<string, (facts: F) => Verdict>>;

export const ok = (message: string): Verdict => ['ok', message];
export const warning = (message: string): Verdict => ['warning', message];
export const problem = (message: string): Verdict => ['problem', message];

export function runChecks<F>(checks: Checks<F>, facts: F): Finding[] {
  return Object.entries(checks).flatMap(([check, judge]) => {
    const verdict = judge(facts);
    return verdict === undefined ? [] : [{ check, level: verdict[0], message: verdict[1] }];
  });
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** For people: `1.5 GiB`, `12 MiB`, `300 bytes`. */
export function sizeText(bytes: number): string {
  if (bytes >= GIB) return `${(bytes / GIB).toFixed(1)} GiB`;
  return bytes >= MIB ? `${Math.round(bytes / MIB)} MiB` : `${bytes} bytes`;
}
