/** The compilers and bundlers that make `dist/`, one after the other. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

/** npm runs scripts in the project's folder. */
const ROOT = process.cwd();

/** The gateway alone: an error in a test must not keep it from starting. */
export const COMPILE = ['tsc', '-p', 'src/build/tsconfig.json'];
/** With the tests and benchmarks, some of which run compiled. */
export const COMPILE_ALL = ['tsc', '-p', 'tsconfig.json'];
export const PAGES = [
  ['vite', 'build', 'src/web/live'],
  ['vite', 'build', 'src/web/graphiql'],
  ['vite', 'build', 'src/web/docs'],
];

/**
 * Runs a program of the project's packages.
 * @param {readonly string[]} step
 * @throws {Error} where it fails
 */
export async function run([program, ...args]) {
  const path = `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, PATH: path } });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} failed`);
}
