/** Holds the model against this machine: three sizes that it was not made from, predicted and measured. */
import { measureSize, type Size, type Used } from './bed.js';
import type { Costs } from './costs.js';
import { costsOf } from './costs.js';

const SECONDS = 10;
/** Between those that the costs were measured at, and beside them. */
const SIZES: readonly Size[] = [
  { cameras: 4, rate: 30, bytes: 100_000, followers: 8 },
  { cameras: 16, rate: 15, bytes: 50_000, followers: 3 },
  { cameras: 100, rate: 10, bytes: 1000, followers: 5 },
];
/** Besides: what the machine does otherwise, and the steps in which sizes cost. */
export const TOLERANCE = 0.3;

/** CPU time in percent of a core. */
export interface Comparison {
  readonly what: string;
  readonly predicted: number;
  readonly measured: number;
}

export const nameOf = ({ cameras, rate, bytes, followers }: Size) =>
  `${cameras} cameras × ${rate}/s × ${bytes} B, ${followers} followers each`;

export const isNear = ({ predicted, measured }: Comparison) =>
  Math.abs(predicted / measured - 1) <= TOLERANCE;

export function compare(costs: Costs, size: Size, used: Used): Comparison[] {
  const { cameras, rate, bytes, followers } = size;
  const entry = costsOf(costs, bytes);
  const entries = cameras * rate;
  const { rest } = costs;
  const percent = (microseconds: number, resting: number) => ((entries * microseconds + resting) / 1e6) * 100;
  const ofMain = entry.readMain + followers * entry.deliverMain;
  const predicted = {
    'pushing gateway, main thread': percent(entry.pushMain, rest.gateway),
    'following gateway, main thread': percent(ofMain, rest.gateway + cameras * followers * rest.follower),
    'following gateway, other threads': percent(entry.readOthers, 0),
    Redis: percent(entry.redisWrite + entry.redisRead, rest.redis),
  };
  const measured = {
    'pushing gateway, main thread': used.pushing.main,
    'following gateway, main thread': used.following.main,
    'following gateway, other threads': used.following.others,
    Redis: used.redis,
  };
  return Object.entries(predicted).map(([what, value]) => ({
    what,
    predicted: value,
    measured: (measured[what as keyof typeof measured] / used.seconds) * 100,
  }));
}

export async function check(costs: Costs, tell: (line: string) => void): Promise<boolean> {
  let isAllNear = true;
  for (const size of SIZES) {
    const used = await measureSize(size, SECONDS);
    tell(`${nameOf(size)}, while others took ${used.byOthers.toFixed(2)} cores`);
    for (const comparison of compare(costs, size, used)) {
      const { what, predicted, measured } = comparison;
      const verdict = isNear(comparison) ? '' : `  not within ${TOLERANCE * 100} %`;
      isAllNear &&= isNear(comparison);
      tell(`  ${what}: predicted ${predicted.toFixed(1)} %, measured ${measured.toFixed(1)} %${verdict}`);
    }
  }
  return isAllNear;
}
