/** `npm start` builds what has changed: the build script, in a small project with compilers that only copy. */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, rm, utimes } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { makeProject, type SmallProject, TSC } from './small-project.js';

test('a start after a build, whichever command made it, builds nothing', async () => {
  const project = await makeProject();
  expect(await project.build()).toBe(true);
  expect(await project.build('--if-changed')).toBe(true);
  expect(await project.builds()).toBe(1);
});

test('npm start builds once, as long as nothing changes', async () => {
  const project = await makeProject();
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8'));
  await project.write('package.json', JSON.stringify({ type: 'module', scripts }));
  // Its commands do nothing.
  await project.write('src/main.js', '');
  for (let start = 0; start < 2; start++) {
    await promisify(execFile)('npm', ['start'], { cwd: project.folder });
  }
  expect(await project.builds()).toBe(1);
});

test('a start says that it builds, and says nothing where it does not', async () => {
  const { folder } = await makeProject();
  const start = async () => {
    const script = join(folder, 'src/build/build.mjs');
    return (await promisify(execFile)(process.execPath, [script, '--if-changed'], { cwd: folder })).stderr;
  };
  expect(await start()).toMatch(/^build: building the gateway.*\n$/);
  expect(await start()).toBe('');
});

test('a start compiles the gateway alone, a build the tests and benchmarks too', async () => {
  const project = await makeProject();
  await project.build('--if-changed');
  await project.build();
  const compilations = await project.compilations();
  expect(compilations).toEqual(['-p src/build/tsconfig.json', '-p tsconfig.json']);
  const [gateway, all] = await Promise.all(
    compilations.map(async (args) => {
      const list = [...args.split(' '), '--listFilesOnly'];
      const { stdout } = await promisify(execFile)('node_modules/.bin/tsc', list, { maxBuffer: 1 << 24 });
      return stdout.split('\n').filter((file) => !file.includes('/node_modules/'));
    }),
  );
  const isTested = (file: string) => /^(?:test|bench)\/|^vitest\./.test(relative('.', file));
  // Of the pages, which Vite bundles, tests import single files.
  const isNeeded = (file: string) => /^(?:src|workers)\/(?!web\/)/.test(relative('.', file));
  expect(all!.filter(isTested).length).toBeGreaterThan(100);
  expect(gateway!.filter(isTested)).toEqual([]);
  expect(gateway!.filter(isNeeded).length).toBeGreaterThan(100);
  expect(gateway!.filter(isNeeded).sort()).toEqual(all!.filter(isNeeded).sort());
});

test('new times alone, as after a git checkout, build nothing', async () => {
  const project = await makeProject();
  await project.build();
  await utimes(join(project.folder, 'src/main.js'), new Date(), new Date(Date.now() + 60_000));
  await project.build('--if-changed');
  expect(await project.builds()).toBe(1);
});

const lastWeek = new Date(Date.now() - 7 * 86_400_000);

test.for<[what: string, change: (project: SmallProject) => Promise<void>]>([
  ['a source that has changed', (project) => project.write('src/main.js', 'next')],
  [
    'a source that has changed and kept its size and time',
    async (project) => {
      await project.write('src/main.js', 'niam');
      await utimes(join(project.folder, 'src/main.js'), lastWeek, lastWeek);
    },
  ],
  ['a new source', (project) => project.write('workers/reader.js', 'reader')],
  ['a removed source', (project) => rm(join(project.folder, 'workers/pool.js'))],
  ['a page that has changed', (project) => project.write('src/web/docs/index.html', 'changed')],
  ['other versions of packages', (project) => project.write('node_modules/.package-lock.json', '{}')],
  ['an output that was removed', (project) => rm(join(project.folder, 'dist/src/main.js'))],
  ['an output that was changed', (project) => appendFile(join(project.folder, 'dist/src/main.js'), '!')],
  ['an output folder that was removed', (project) => rm(join(project.folder, 'dist'), { recursive: true })],
])('%s is built', async ([, change]) => {
  const project = await makeProject();
  await project.build();
  await change(project);
  await mkdir(join(project.folder, 'dist'), { recursive: true });
  expect(await project.build('--if-changed')).toBe(true);
  expect(await project.builds()).toBe(2);
  await project.build('--if-changed');
  expect(await project.builds()).toBe(2);
});

test('a build that failed is made again, also with the sources of the last good one', async () => {
  const project = await makeProject();
  await project.build();
  await project.write('src/main.js', 'broken');
  expect(await project.build('--if-changed')).toBe(false);
  expect(await project.build('--if-changed')).toBe(false);
  await project.write('src/main.js', 'main');
  expect(await project.build('--if-changed')).toBe(true);
  expect(await project.builds()).toBe(4);
  expect(await readFile(join(project.folder, 'dist/src/main.js'), 'utf8')).toBe('main');
});

test('a source that is edited while it is built is built again', async () => {
  const project = await makeProject();
  await project.write('node_modules/.bin/tsc', `${TSC}echo edited >> workers/pool.js\n`);
  expect(await project.build()).toBe(true);
  await project.write('node_modules/.bin/tsc', TSC);
  await project.build('--if-changed');
  expect(await project.builds()).toBe(2);
});
