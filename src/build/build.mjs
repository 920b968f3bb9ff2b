/**
 * Builds the gateway and its pages into `dist/`: `node src/build/build.mjs [--if-changed]`. With `--if-changed` it
 * does nothing while neither the sources nor what was built from them have changed.
 *
 * Plain JavaScript, since it runs before anything is compiled.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { areSame, hashFiles } from './manifest.mjs';
import { COMPILE, PAGES, run } from './steps.mjs';

/** npm runs scripts in the project's folder. */
const ROOT = process.cwd();
const MANIFEST = join(ROOT, 'dist', 'build.json');
/** npm writes the last one: it changes with the version of any installed package. */
const SOURCES = [
  'src',
  'workers',
  'bench',
  'docs',
  'tsconfig.json',
  'package.json',
  'node_modules/.package-lock.json',
];
const OUTPUTS = ['dist/src', 'dist/workers', 'dist/bench', 'dist/web'];
function readManifest() {
  try {
    return JSON.parse(readFileSync(MANIFEST, 'utf8'));
  } catch {
    // There is none, or a build was interrupted while it was written.
    return {};
  }
}

async function build() {
  // Read first: a source that is edited while the build runs must not count as built.
  const sources = hashFiles(ROOT, SOURCES);
  rmSync(MANIFEST, { force: true });
  for (const step of [COMPILE, ...PAGES]) await run(step);
  chmodSync(join(ROOT, 'dist', 'src', 'main.js'), 0o755);
  writeFileSync(MANIFEST, JSON.stringify({ sources, outputs: hashFiles(ROOT, OUTPUTS) }));
}

function isUpToDate() {
  const { sources, outputs } = readManifest();
  return areSame(sources, hashFiles(ROOT, SOURCES)) && areSame(outputs, hashFiles(ROOT, OUTPUTS));
}

if (!(process.argv.includes('--if-changed') && isUpToDate())) {
  try {
    await build();
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
