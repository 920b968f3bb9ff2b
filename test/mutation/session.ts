/**
 * Runs the tests that reach one source file, again and again, each time with another text of that file. A process of
 * its own, since a mutant may never return: main.ts kills it then.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createVitest } from 'vitest/node';
import { apply, type Mutant } from './mutants.js';

/** To the session: a mutant, or null for the file as it is. */
export type Order = Mutant | null;

/** From the session: once it is ready, then for each order. */
export type Answer =
  | { readonly ready: true; readonly tests: readonly string[] }
  /** The first test that failed; undefined where all passed. */
  | { readonly failed: string | undefined };

const [file, config, reach] = process.argv.slice(2) as [string, string, 'near' | 'all'];
const path = resolve(file);
const text = readFileSync(path, 'utf8');
let current = text;

const vitest = await createVitest(
  'test',
  {
    config,
    related: [path],
    watch: false,
    reporters: [{}],
    maxWorkers: 1,
    bail: 1,
    isolate: false,
    // A thread starts faster than a process, but some of what servers are sent needs the main thread.
    pool: config.endsWith('servers.config.ts') ? 'forks' : 'threads',
    teardownTimeout: 2000,
  },
  {
    plugins: [
      {
        name: 'mutant',
        enforce: 'pre',
        transform: (_code, id) => (id === path ? { code: current, map: null } : undefined),
      },
    ],
  },
);
const own = resolve(file.startsWith('src/') ? file.replace('src', 'test') : join('test', file)).replace(
  /\.ts$/,
  '',
);
const isOwn = (moduleId: string) => moduleId.startsWith(`${own}.`) || moduleId.startsWith(`${own}-`);
/** The file's own tests first, then its neighbours': most mutants fail there. */
const nearness = (moduleId: string) => (isOwn(moduleId) ? 0 : moduleId.startsWith(dirname(own)) ? 1 : 2);
const specifications = (await vitest.getRelevantTestSpecifications())
  .filter(({ moduleId }) => reach === 'all' || nearness(moduleId) < 2)
  .sort((a, b) => nearness(a.moduleId) - nearness(b.moduleId));

/** @returns the first test that failed */
async function runTests(): Promise<string | undefined> {
  vitest.invalidateFile(path);
  vitest.state.clearErrors();
  for (const near of [0, 1, 2]) {
    const some = specifications.filter(({ moduleId }) => nearness(moduleId) === near);
    if (some.length === 0) continue;
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(some);
    for (const testModule of testModules) {
      if (testModule.ok()) continue;
      const failed = [...testModule.children.allTests('failed')][0];
      return failed?.fullName ?? testModule.relativeModuleId;
    }
    if (unhandledErrors.length > 0) return String((unhandledErrors[0] as Error).message);
  }
  return undefined;
}

const answer = (content: Answer) => process.send!(content);

process.on('message', async (mutant: Order) => {
  current = mutant === null ? text : apply(text, mutant);
  answer({ failed: await runTests() });
});
process.on('disconnect', () => process.exit());
answer({ ready: true, tests: specifications.map(({ moduleId }) => moduleId) });
