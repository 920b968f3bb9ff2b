/** Runs the tests that depend on the server with one server first on the PATH. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** What depends on the server. */
export const ALL_TESTS = [
  'test/redis',
  'test/embedded',
  'test/append',
  'test/follow',
  'test/reads',
  'test/catalog',
  'test/threads',
  'test/workers',
  'test/faults',
  'test/doctor',
  'test/access/redis-acl.test.ts',
];
const VITEST = resolve('node_modules/vitest/vitest.mjs');

export interface Result {
  /** As the program says it, e.g. `8.0.2`. */
  readonly version: string;
  readonly passed: number;
  /** File and name of each test that failed. */
  readonly failed: readonly string[];
}

/** The part of vitest's JSON report that is used. */
interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/**
 * @param programs a folder whose `redis-server` is the server to test
 * @param tests files and folders
 */
export async function testServer(programs: string, tests: readonly string[]): Promise<Result> {
  const { stdout } = await promisify(execFile)(join(programs, 'redis-server'), ['--version']);
  const version = /v=([\d.]+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`no version in: ${stdout}`);
  const folder = await mkdtemp(join(tmpdir(), 'sg-servers-'));
  try {
    const file = join(folder, 'report.json');
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const args = [VITEST, 'run', ...reporters, ...tests];
    const path = `${programs}${delimiter}${process.env.PATH ?? ''}`;
    const run = spawn(process.execPath, args, {
      // One file at a time: the servers share the machine with what measures them.
      env: { ...process.env, PATH: path, VITEST_MAX_WORKERS: '1' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    await once(run, 'exit');
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    return { version, passed: report.numPassedTests, failed: failuresOf(report) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A file that cannot be loaded fails without a test. */
function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [name] : [];
    return failed.map(({ fullName }) => `${name}: ${fullName}`);
  });
}
