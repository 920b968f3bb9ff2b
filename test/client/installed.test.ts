/** The client's own package, packed and installed as users do, against a gateway as users run it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';

const run = promisify(execFile);
const MOST_BYTES = 1_000_000;
const MOST_DEPENDENCIES = 2;

const { gateway } = await startForFile();
let folder: string;

const dependencyFolders = (names: readonly string[]) => names.map((name) => resolve('node_modules', name));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-client-'));
  await run('npm', ['run', 'build:client']);
  const { dependencies } = JSON.parse(await readFile('dist/client-package/package.json', 'utf8'));
  // Its dependencies are packed from here too, so that nothing is asked of a registry.
  const packed = [resolve('dist/client-package'), ...dependencyFolders(Object.keys(dependencies))];
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, ...packed]);
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const archives = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  const quietly = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...quietly, ...archives.map((name) => `./${name}`)], { cwd: folder });
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('it is small, also with all it depends on', async () => {
  const files = await filesBelow(join(folder, 'node_modules'));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(MOST_BYTES);
});

test('it says what a package must say, and brings its licence', async () => {
  const installed = join(folder, 'node_modules/streamgate-client');
  const [own, gateways] = await Promise.all(
    [join(installed, 'package.json'), 'package.json'].map(async (path) =>
      JSON.parse(await readFile(path, 'utf8')),
    ),
  );
  expect(own).toMatchObject({
    license: gateways.license,
    version: gateways.version,
    engines: gateways.engines,
  });
  expect(own.keywords.length).toBeGreaterThan(2);
  const names = Object.keys(own.dependencies);
  expect(names.length).toBeLessThanOrEqual(MOST_DEPENDENCIES);
  for (const name of names) expect(own.dependencies[name]).toBe(gateways.dependencies[name]);
  const files = (await filesBelow(installed)).map((file) => file.slice(installed.length + 1));
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'client/node.d.ts']));
  // Without their sources they would lead nowhere.
  expect(files.filter((file) => file.endsWith('.map'))).toEqual([]);
});

describe('against a gateway', () => {
  test('the example of its README works in Node', async () => {
    const readme = await readFile(join(folder, 'node_modules/streamgate-client/README.md'), 'utf8');
    const [, example] = /```js\n([\s\S]*?)```/.exec(readme)!;
    // The example follows for ever: two entries are there.
    const program = example!
      .replace('http://localhost:8000', gateway.http)
      .replace("lastEntryId: '0'", "lastEntryId: '0', until: Date.now() + 1");
    await writeFile(join(folder, 'example.js'), program);
    const { stdout } = await run(process.execPath, ['example.js'], { cwd: folder });
    expect(stdout).toMatch(/temp \d+-\d+ \d+ 21\.5\ntemp \d+-\d+ \d+ 21\.6\n$/);
  });

  test('its types suit a strict program', async () => {
    const program = `
      import { type Entry, GatewayError, Streamgate } from 'streamgate-client';
      const gate = new Streamgate('${gateway.http}', { device: 'robot' });
      const entry: Entry | undefined = await gate.latest('temp');
      export const bytes: Uint8Array | undefined = entry?.data;
      // @ts-expect-error: a stream's id is text
      await gate.latest(1);
      export const isKnown = (error: unknown): boolean => error instanceof GatewayError && error.mayPass;
    `;
    await writeFile(join(folder, 'typed.ts'), program);
    for (const module of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      const options = ['--strict', '--noEmit', '--target', 'es2023', '--lib', 'es2024,dom', '--types', ''];
      const resolution = ['--module', module[0]!, '--moduleResolution', module[1]!];
      const compiler = resolve('node_modules/.bin/tsc');
      const compiled = run(compiler, [...options, ...resolution, 'typed.ts'], { cwd: folder });
      await expect(compiled).resolves.toMatchObject({ stdout: '' });
    }
  });

  test('a bundler takes it for browsers, with nothing of Node', async () => {
    await writeFile(join(folder, 'page.js'), "export { Streamgate, GatewayError } from 'streamgate-client';");
    const built = await build({
      configFile: false,
      root: folder,
      logLevel: 'silent',
      build: { write: false, minify: false, lib: { entry: 'page.js', formats: ['es'] } },
    });
    const [{ output }] = built as unknown as [{ output: { code?: string }[] }];
    const script = output.map(({ code }) => code ?? '').join('');
    expect(script).toContain('unknown_outcome');
    expect(script).not.toMatch(/perMessageDeflate|__vite-browser-external|node:/);
  });
});
