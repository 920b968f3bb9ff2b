/**
 * The crossovers: from which size on the main thread is spared time by handing work to the pool, beside the
 * size from which the code does so. The greatest size tried stands for never, the least for always.
 */
import { startRedis } from '../../test/support/redis-server.js';
import type { CrossoversTask } from '../crossovers/program.js';
import { WORKS, type Work } from '../crossovers/works.js';
import { opening } from '../opening.js';
import { startProgram } from '../programs.js';
import type { FigureSpec, Scenario } from '../scenario.js';

const MEASURED_MS = 25;
const LEAST_MS = 10;

function figureOf({ name, unit, sizes, threshold }: Work): FigureSpec {
  return {
    name: `${name}: in the pool from (${sizes[0]} to ${sizes.at(-1)} tried)`,
    unit,
    better: 'less',
    rivals: threshold === undefined ? [] : [{ label: 'the threshold in the code', kind: 'reference' }],
  };
}

const CROSSOVERS_SCENARIO: Scenario = {
  scope: 'crossovers',
  figures: WORKS.map(figureOf),
  open: ({ scale }) =>
    opening(async (started) => {
      const redis = started.add(await startRedis());
      const task: CrossoversTask = { socketPath: redis.path, ms: Math.max(LEAST_MS, MEASURED_MS * scale) };
      const program = started.add(startProgram('crossovers/program', task));
      return async () => {
        program.tell('measure');
        const crossovers = JSON.parse(await program.says('crossovers')) as number[];
        return WORKS.map(({ threshold }, index) => ({
          ours: crossovers[index]!,
          rivals: threshold === undefined ? [] : [threshold],
        }));
      };
    }),
};

export const CROSSOVER_SCENARIOS: readonly Scenario[] = [CROSSOVERS_SCENARIO];
