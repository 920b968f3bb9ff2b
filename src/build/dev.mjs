/**
 * `npm run dev`: builds and starts the gateway; builds again what changed in src and workers, and starts it anew. Flags go
 * on to `streamgate serve`: `npm run dev -- --port 9000`.
 *
 * Where the build fails, the gateway that runs goes on.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { COMPILE, PAGES, run } from './steps.mjs';

const WATCHED = ['src', 'workers'];
/** What the pages in the browser are made of, besides `src/web` itself. */
const OF_PAGES = /^src\/(?:web|client|protocol|openapi)\//;
/** An editor that saves writes more than once; a checkout writes many files. */
const QUIET_MS = 200;
/** Keeps what the compiler knows, so that it compiles only what has changed. */
const INCREMENTAL = ['--incremental', '--tsBuildInfoFile', 'dist/dev.tsbuildinfo'];

/** @type {import('node:child_process').ChildProcess | undefined} */
let gateway;
/** Paths that changed since the last build. */
let changed = new Set();
let isBuilding = false;
/** @type {NodeJS.Timeout | undefined} */
let quiet;

const say = (text) => console.error(`dev: ${text}`);

async function start() {
  gateway = spawn(process.execPath, ['dist/src/main.js', 'serve', ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  const own = gateway;
  gateway.once('exit', () => {
    if (own !== gateway) return;
    gateway = undefined;
    say('the gateway has ended; it is started again with the next change');
  });
}

async function stop() {
  const old = gateway;
  gateway = undefined;
  if (old === undefined) return;
  const exit = once(old, 'exit');
  old.kill('SIGTERM');
  await exit;
}

async function rebuild() {
  if (isBuilding) return;
  isBuilding = true;
  while (changed.size > 0) {
    const paths = [...changed];
    changed = new Set();
    say(`${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ' and others' : ''} changed`);
    try {
      await run([...COMPILE, ...INCREMENTAL]);
      if (paths.some((path) => OF_PAGES.test(path))) for (const page of PAGES) await run(page);
    } catch (error) {
      say(error.message);
      continue;
    }
    await stop();
    await start();
  }
  isBuilding = false;
}

for (const folder of WATCHED) {
  watch(folder, { recursive: true }, (_event, name) => {
    if (name === null) return;
    changed.add(join(folder, name));
    clearTimeout(quiet);
    quiet = setTimeout(rebuild, QUIET_MS);
  });
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await stop();
    process.exit();
  });
}
await start();
