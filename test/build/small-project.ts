/** A small project that is built by the project's own scripts, with compilers that only copy. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** Copies the sources, and fails as tsc does: with its output written. */
export const TSC = '#!/bin/sh\necho "$@" >> builds\ncp -r src workers dist/\n! grep -q broken src/main.js\n';
const VITE = '#!/bin/sh\nmkdir -p dist/web && cp -r "$2" dist/web/\n';

export class SmallProject {
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

  /** The arguments of the compiler, each time that it was run so far. */
  async compilations(): Promise<string[]> {
    return (await readFile(join(this.folder, 'builds'), 'utf8')).trim().split('\n');
  }

  /** How often it was compiled so far. */
  async builds(): Promise<number> {
    return (await this.compilations()).length;
  }
}

export async function makeProject(): Promise<SmallProject> {
  const project = new SmallProject(await mkdtemp(join(tmpdir(), 'sg-build-')));
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
