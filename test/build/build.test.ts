/** `npm start` builds what has changed: the build script, in a small project with compilers that only copy. */
import { execFile } from 'node:child_process';
import { appendFile, chmod, cp, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';

/** Copies the sources, and fails as tsc does: with its output written. */
const TSC = '#!/bin/sh\necho built >> builds\ncp -r src workers dist/\n! grep -q broken src/main.js\n';
const VITE = '#!/bin/sh\nmkdir -p dist/web && cp -r "$2" dist/web/\n';

class Project {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async write(path: string, text: string): Promise<void> {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  /** @returns whether the build succeeded */
  async build(...args: string[]): Promise<boolean> {
    const script = join(this.folder, 'src/build/build.mjs');
    const run = promisify(execFile)(process.execPath, [script, ...args], { cwd: this.folder });
    return run.then(
      () => true,
      () => false,
    );
  }

  /** How often it was compiled so far. */
  async builds(): Promise<number> {
    return (await readFile(join(this.folder, 'builds'), 'utf8')).trim().split('\n').length;
  }
}

async function makeProject(): Promise<Project> {
  const project = new Project(await mkdtemp(join(tmpdir(), 'sg-build-')));
  onTestFinished(() => rm(project.folder, { recursive: true, force: true }));
  await cp(resolve('src/build'), join(project.folder, 'src/build'), { recursive: true });
  for (const page of ['live', 'graphiql', 'docs']) await project.write(`src/web/${page}/index.html`, page);
  await project.write('src/main.js', 'main');
  await project.write('workers/pool.js', 'pool');
  await project.write('package.json', '{"type":"module"}');
  await project.write('node_modules/.package-lock.json', '{"packages":{}}');
  await mkdir(join(project.folder, 'dist'));
  for (const [name, script] of [
    ['tsc', TSC],
    ['vite', VITE],
  ] as const) {
    await project.write(`node_modules/.bin/${name}`, script);
    await chmod(join(project.folder, 'node_modules/.bin', name), 0o755);
  }
  return project;
}

test('a start after a build, whichever command made it, builds nothing', async () => {
  const project = await makeProject();
  expect(await project.build()).toBe(true);
  expect(await project.build('--if-changed')).toBe(true);
  expect(await project.builds()).toBe(1);
});

test('new times alone, as after a git checkout, build nothing', async () => {
  const project = await makeProject();
  await project.build();
  await utimes(join(project.folder, 'src/main.js'), new Date(), new Date(Date.now() + 60_000));
  await project.build('--if-changed');
  expect(await project.builds()).toBe(1);
});

const lastWeek = new Date(Date.now() - 7 * 86_400_000);

test.for<[what: string, change: (project: Project) => Promise<void>]>([
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
