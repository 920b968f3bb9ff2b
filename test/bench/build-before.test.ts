/** That two builds are compared figure by figure, in turns. */
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { comparedWith } from '../../bench/build-before.js';
import type { Opening, Scenario } from '../../bench/scenario.js';

/** Its rounds say which gateway was measured, in the order in which that happened. */
function recorded(scope: string): { scenario: Scenario; openings: Opening[]; order: string[] } {
  const openings: Opening[] = [];
  const order: string[] = [];
  const scenario: Scenario = {
    scope,
    figures: [{ name: 'a rate', unit: 'entries/s', better: 'more', rivals: [], limit: 5 }],
    open: async (opening) => {
      openings.push(opening);
      const isOurs = opening.main === undefined;
      return {
        round: async () => {
          order.push(isOurs ? 'ours' : 'theirs');
          return [{ ours: isOurs ? 90 : 100, rivals: [1], cpuMicroseconds: isOurs ? 2 : 1 }];
        },
        close: async () => {
          order.push('closed');
        },
      };
    },
  };
  return { scenario, openings, order };
}

test('both builds are measured in turns, and neither always first', async () => {
  const { scenario, openings, order } = recorded('push');
  const [compared] = comparedWith('other', [scenario]);
  const open = await compared!.open({ scale: 0.5 });
  const rounds = [await open.round(), await open.round()];
  await open.close();
  expect(openings).toEqual([
    { scale: 0.5, isAlone: true },
    { scale: 0.5, isAlone: true, main: resolve('other/dist/src/main.js') },
  ]);
  expect(order).toEqual(['ours', 'theirs', 'theirs', 'ours', 'closed', 'closed']);
  const round = [
    { ours: 90, rivals: [100] },
    { ours: 2, rivals: [1] },
  ];
  expect(rounds).toEqual([round, round]);
});

test('a rate may fall by three per cent, and CPU time grow by as much', () => {
  const [compared] = comparedWith('other', [recorded('push').scenario]);
  expect(compared!.figures).toEqual([
    {
      name: 'a rate',
      unit: 'entries/s',
      better: 'more',
      rivals: [{ label: 'the other build', kind: 'reference', target: 0.97 }],
    },
    {
      name: 'a rate: CPU of the gateway',
      unit: 'µs',
      better: 'less',
      rivals: [{ label: 'the other build', kind: 'reference', target: 1.03 }],
    },
  ]);
});

test('what reports no CPU time is compared without', () => {
  expect(comparedWith('other', [recorded('memory').scenario])[0]!.figures).toHaveLength(1);
});
