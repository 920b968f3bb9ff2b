/**
 * `npm run test:mutation -- PATH…`: changes one expression at a time in the named files and folders, runs the
 * unit tests that reach the file, and lists the changes that no test notices.
 *
 * - `--servers` also runs the tests that start a Redis and reach the file within their own process.
 * - `--near` runs only the tests in the folder that mirrors the file's: soon done, but more seems to survive.
 * - `--lines 40-90` takes only mutants on these lines.
 * - `--wait-while FILE` pauses between mutants while that file exists.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeMutant, type Mutant, MutantFinder } from './mutants.js';
import type { Answer, Order } from './session.js';

/** A mutant that takes so many times as long as the unchanged file, and this long, does not end. */
const MOST_TIMES = 5;
const LEAST_LIMIT_MS = 20_000;
const START_LIMIT_MS = 120_000;
const MOST_NAMES = 3;

const { values: options, positionals: paths } = parseArgs({
  allowPositionals: true,
  options: {
    servers: { type: 'boolean', default: false },
    near: { type: 'boolean', default: false },
    lines: { type: 'string', default: '1-1000000' },
    'wait-while': { type: 'string' },
  },
});

function sourcesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(path, name))
    .sort();
}

/** The process that runs the tests of one file. */
class Session {
  readonly #child: ChildProcess;

  private constructor(file: string) {
    const config = options.servers ? 'test/mutation/servers.config.ts' : 'vitest.unit.config.ts';
    this.#child = fork(
      join(import.meta.dirname, 'session.js'),
      [file, config, options.near ? 'near' : 'all'],
      {
        // A process group of its own, so that its workers end with it.
        detached: true,
        // Mutants that never end run out of memory, and say so at length.
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      },
    );
  }

  static async start(file: string): Promise<{ session: Session; tests: readonly string[] }> {
    const session = new Session(file);
    const answer = await session.#answer(START_LIMIT_MS);
    if (answer === undefined || !('ready' in answer))
      throw new Error(`no tests could be started: try npx vitest related ${file}`);
    return { session, tests: answer.tests };
  }

  /** @returns what failed; 'no end' after `limitMs` */
  async run(order: Order, limitMs: number): Promise<string | undefined> {
    this.#child.send(order as Mutant);
    const answer = await this.#answer(limitMs);
    return answer === undefined ? 'no end' : 'failed' in answer ? answer.failed : undefined;
  }

  stop(): void {
    try {
      process.kill(-this.#child.pid!, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }

  async #answer(limitMs: number): Promise<Answer | undefined> {
    const done = new AbortController();
    const { signal } = done;
    // Not AbortSignal.timeout: Node 20 loses one that is joined to another by AbortSignal.any.
    const limit = setTimeout(() => done.abort(), limitMs);
    const ended = once(this.#child, 'exit', { signal }).then(() => undefined);
    const answered = once(this.#child, 'message', { signal }).then(([answer]) => answer as Answer);
    try {
      return await Promise.race([answered, ended]);
    } catch {
      return undefined;
    } finally {
      clearTimeout(limit);
      done.abort();
    }
  }
}

let running: Session | undefined;
process.on('exit', () => running?.stop());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

async function testFile(file: string): Promise<{ all: number; survived: number }> {
  const text = readFileSync(file, 'utf8');
  const [first, last] = options.lines.split('-').map(Number) as [number, number];
  const mutants = new MutantFinder(text).find().filter(({ start }) => {
    const line = text.slice(0, start).split('\n').length;
    return line >= first && line <= last;
  });
  if (mutants.length === 0) return { all: 0, survived: 0 };
  let { session, tests } = await Session.start(file);
  running = session;
  if (tests.length === 0) {
    console.log(`${file}: no test reaches it (${mutants.length} mutants)`);
    session.stop();
    return { all: mutants.length, survived: mutants.length };
  }
  const begun = performance.now();
  const failing = await session.run(null, START_LIMIT_MS);
  if (failing !== undefined) throw new Error(`the tests of ${file} fail without a change: ${failing}`);
  const runMs = performance.now() - begun;
  // Or each change would seem to make no difference.
  const broken = { start: 0, end: 0, replacement: "throw new Error('changed');\n" };
  if ((await session.run(broken, START_LIMIT_MS)) === undefined)
    throw new Error(`the tests of ${file} do not notice that it cannot be loaded`);
  const limitMs = Math.max(LEAST_LIMIT_MS, MOST_TIMES * Math.ceil(runMs));
  let survived = 0;
  for (const mutant of mutants) {
    while (options['wait-while'] !== undefined && existsSync(options['wait-while'])) await sleep(2000);
    const failed = await session.run(mutant, limitMs);
    if (failed === undefined) {
      survived++;
      console.log(`${file}:${describeMutant(text, mutant)}`);
    }
    if (failed !== 'no end') continue;
    session.stop();
    ({ session } = await Session.start(file));
    running = session;
  }
  session.stop();
  const names = tests.map((path) => relative(process.cwd(), path));
  const run = names.length <= MOST_NAMES ? names.join(', ') : `${names.length} files of tests`;
  console.log(`${file}: ${survived} of ${mutants.length} mutants survive ${run}`);
  return { all: mutants.length, survived };
}

if (paths.length === 0) throw new Error('name files or folders, such as src/protocol/names.ts');
let all = 0;
let survived = 0;
for (const file of paths.flatMap(sourcesAt)) {
  const result = await testFile(file);
  all += result.all;
  survived += result.survived;
}
console.log(`${all - survived} of ${all} mutants are noticed`);
process.exit();
