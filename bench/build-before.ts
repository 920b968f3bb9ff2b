/**
 * Scenarios that compare this build with another, such as the build before a change: the same figures, each
 * round of one beside a round of the other, and which goes first alternates.
 */
import { resolve } from 'node:path';
import type { FigureSpec, OpenScenario, Round, Scenario } from './scenario.js';

/** A change may cost this much: less cannot be distinguished from noise on a shared machine. */
const TOLERANCE = 0.03;
/** These report no CPU time for one message. */
const WITHOUT_CPU = new Set(['streams', 'memory', 'idle']);

/**
 * @param folder the other build's checkout, built: its `dist/src/main.js` is started as the gateway
 * @returns a scenario for each that can be compared: ours against the other's, rates and CPU time
 */
export function comparedWith(folder: string, scenarios: readonly Scenario[]): Scenario[] {
  const main = resolve(folder, 'dist/src/main.js');
  return scenarios.map((scenario) => compared(scenario, main));
}

function compared(scenario: Scenario, main: string): Scenario {
  const hasCpu = !WITHOUT_CPU.has(scenario.scope);
  return {
    scope: scenario.scope,
    figures: scenario.figures.flatMap((figure) =>
      hasCpu ? [specOf(figure), cpuSpecOf(figure)] : [specOf(figure)],
    ),
    open: async (opening) => {
      const ours = await scenario.open({ ...opening, isAlone: true });
      const theirs = await scenario
        .open({ ...opening, isAlone: true, main })
        .catch(async (error: unknown) => {
          await ours.close();
          throw error;
        });
      let isOursFirst = false;
      return {
        round: async () => {
          isOursFirst = !isOursFirst;
          const [mine, others] = await roundOfBoth(ours, theirs, isOursFirst);
          return mine.flatMap((round, index) => pairs(round, others[index]!, hasCpu));
        },
        close: async () => {
          await ours.close();
          await theirs.close();
        },
      };
    },
  };
}

async function roundOfBoth(ours: OpenScenario, theirs: OpenScenario, isOursFirst: boolean) {
  if (isOursFirst) {
    const mine = await ours.round();
    return [mine, await theirs.round()] as const;
  }
  const others = await theirs.round();
  return [await ours.round(), others] as const;
}

function pairs(mine: Round, other: Round, hasCpu: boolean): Round[] {
  const rate = { ours: mine.ours, rivals: [other.ours] };
  return hasCpu
    ? [rate, { ours: mine.cpuMicroseconds ?? Number.NaN, rivals: [other.cpuMicroseconds ?? Number.NaN] }]
    : [rate];
}

const specOf = ({ name, unit, better }: FigureSpec): FigureSpec => ({
  name,
  unit,
  better,
  rivals: [
    {
      label: 'the other build',
      kind: 'reference',
      target: better === 'more' ? 1 - TOLERANCE : 1 + TOLERANCE,
    },
  ],
});

const cpuSpecOf = ({ name }: FigureSpec): FigureSpec =>
  specOf({ name: `${name}: CPU of the gateway`, unit: 'µs', better: 'less', rivals: [] });
