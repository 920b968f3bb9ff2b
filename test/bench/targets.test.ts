/** A figure without a target does not show whether it is good. */
import { expect, test } from 'vitest';
import { SCENARIOS } from '../../bench/scenarios.js';

const figures = SCENARIOS.flatMap(({ figures }) => figures);

test.for(figures.map((figure) => [figure.name, figure] as const))('%s has a target', ([, figure]) => {
  const ofRivals = figure.rivals.flatMap(({ target, cpuTarget }) => [target, cpuTarget]);
  const targets = [figure.limit, figure.cpuLimit, ...ofRivals];
  expect(targets.some((target) => target !== undefined && target > 0)).toBe(true);
});

test('no two figures have the same name', () => {
  const names = figures.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
