/**
 * Builds into `dist/`. `node src/build/build.mjs` compiles everything, with the tests and benchmarks, and bundles the
 * pages. `--if-changed`, for `npm start`, builds only what the gateway needs, and does nothing while neither the
 * sources nor what was built from them have changed.
 *
 * Plain JavaScript, since it runs before anything is compiled.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { areSame, hashFiles } from './manifest.mjs';
import { COMPILE, COMPILE_ALL, PAGES, run } from './steps.mjs';

/** npm runs scripts in the project's folder. */
const ROOT = process.cwd();
const MANIFEST = join(ROOT, 'dist', 'build.json');
/** What the gateway and its pages are built from. */
const SOURCES = [
  'src',
  'workers',
  'docs',
  // The pages at /docs show its pictures.
  'bench/results',
  'tsconfig.json',
  'package.json',
  // npm writes it: it changes with the version of any installed package.
  'node_modules/.package-lock.json',
];
const OUTPUTS = ['dist/src', 'dist/workers', 'dist/web'];

function readManifest() {
  try {
    return JSON.parse(readFileSync(MANIFEST, 'utf8'));
  } catch {
    // There is none, or a build was interrupted while it was written.
    return {};
  }
}

/** @param {readonly string[]} compile */
async function build(compile) {
  // Read first: a source that is edited while the build runs must not count as built.
  const sources = hashFiles(ROOT, SOURCES);
  rmSync(MANIFEST, { force: true });
  for (const step of [compile, ...PAGES]) await run(step);
  chmodSync(join(ROOT, 'dist', 'src', 'main.js'), 0o755);
  writeFileSync(MANIFEST, JSON.stringify({ sources, outputs: hashFiles(ROOT, OUTPUTS) }));
}

function isUpToDate() {
  const { sources, outputs } = readManifest();
  return areSame(sources, hashFiles(ROOT, SOURCES)) && areSame(outputs, hashFiles(ROOT, OUTPUTS));
}

const isIfChanged = process.argv.includes('--if-changed');
if (!(isIfChanged && isUpToDate())) {
  // Users of `npm start` asked for a gateway, not for a build, and compilers print nothing.
  if (isIfChanged) console.error('build: building the gateway, which may take half a minute');
  try {
    await build(isIfChanged ? COMPILE : COMPILE_ALL);
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
