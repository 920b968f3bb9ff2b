/** What is said where uWebSockets.js cannot be loaded, and whether it is true of the binaries in the package. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  explainFailure,
  loadSocketLibrary,
  type Runtime,
  SUPPORTED,
} from '../../src/system/socket-library.js';
import { MAIN } from '../support/gateway-process.js';

const RUNTIME: Runtime = { node: '24.11.0', abi: '137', platform: 'linux', arch: 'x64', glibc: '2.41' };
const WHAT_WORKS =
  'use Node.js 22, 24 or 25 (on Linux with glibc 2.38 or later), or Node.js 20 (on Linux with glibc 2.27 or ' +
  'later); musl (Alpine) is not supported.';
/** As Node and the library throw it. */
const CAUSE = new Error(
  'This version of uWS.js supports only …\n\nError: uws_linux_x64_137.node: invalid ELF header\n    at x.js:1:2',
);

test('where it loads nothing is said', async () => {
  expect(await loadSocketLibrary()).toBeUndefined();
});

test.each<[what: string, changes: Partial<Runtime>, isThere: boolean, said: string]>([
  [
    'a Node.js without a binary',
    { node: '26.10.0', abi: '147' },
    false,
    `uWebSockets.js has no binary for Node.js 26.10.0 on linux x64: ${WHAT_WORKS}`,
  ],
  [
    'an architecture without a binary',
    { arch: 'arm' },
    false,
    `uWebSockets.js has no binary for Node.js 24.11.0 on linux arm: ${WHAT_WORKS}`,
  ],
  [
    'an old glibc',
    { glibc: '2.36' },
    true,
    `The binary of uWebSockets.js for Node.js 24.11.0 on linux x64 does not work with glibc 2.36: ${WHAT_WORKS}`,
  ],
  [
    'an old glibc whose minor version has one digit',
    { glibc: '2.9' },
    true,
    `The binary of uWebSockets.js for Node.js 24.11.0 on linux x64 does not work with glibc 2.9: ${WHAT_WORKS}`,
  ],
  [
    'musl',
    { glibc: undefined },
    true,
    `uWebSockets.js does not work on this system, which has no glibc: ${WHAT_WORKS}`,
  ],
  [
    'a removed binary',
    {},
    false,
    'The binary of uWebSockets.js for Node.js 24.11.0 on linux x64 is missing: install the packages again with npm ci.',
  ],
  [
    'a broken binary',
    {},
    true,
    'The binary of uWebSockets.js for Node.js 24.11.0 on linux x64 cannot be loaded ' +
      `(uws_linux_x64_137.node: invalid ELF header): ${WHAT_WORKS}`,
  ],
])('%s is explained in one sentence', (_, changes, isThere, said) => {
  expect(explainFailure({ ...RUNTIME, ...changes }, CAUSE, isThere)).toBe(said);
});

describe('the table of supported releases', () => {
  const folder = dirname(fileURLToPath(import.meta.resolve('uWebSockets.js')));
  /** `process.versions.modules` of each release: https://github.com/nodejs/node/blob/main/doc/abi_version_registry.json */
  const ABI: Readonly<Record<number, number>> = { 20: 115, 22: 127, 24: 137, 25: 141 };
  const rows = SUPPORTED.flatMap(({ majors, glibc }) => majors.map((major) => ({ major, glibc })));

  test.each(rows)('agrees with the binaries for Node.js $major', ({ major, glibc }) => {
    // Besides the system's library a binary may name versions of libstdc++ and others, with other prefixes.
    const binaries = readdirSync(folder).filter((name) => name.endsWith(`_${ABI[major]}.node`));
    const forLinux = binaries.filter((name) => /^uws_linux_(x64|arm64)_/.test(name));
    expect(forLinux.length).toBeGreaterThan(0);
    for (const name of forLinux) {
      const text = readFileSync(join(folder, name), 'latin1');
      const minors = [...text.matchAll(/(?<=\0)GLIBC_2\.(\d+)(?=\0)/g)].map(([, minor]) => Number(minor));
      expect(`2.${Math.max(...minors)}`, name).toBe(glibc);
    }
  });

  test('is what package.json and the documents say', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    const allowed = engines.node.split(' || ').map((range) => Number.parseInt(range.slice(1), 10));
    expect(allowed.sort()).toEqual(rows.map(({ major }) => major).sort());
    const newer = 'Node.js 22, 24 or 25, on Linux with glibc 2.38 or later';
    expect(readFileSync('README.md', 'utf8')).toContain(newer);
    const page = readFileSync('docs/get-started.md', 'utf8').replaceAll('\n', ' ');
    expect(page).toContain(newer);
    expect(page).toContain('Node.js 20.19 or later 20.x, glibc 2.27 or later');
  });
});

describe('on a system where it does not load', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sg-library-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Runs a command in a process that takes itself for another Node.js, or whose loader fails. */
  async function run(command: string, preload: string): Promise<{ code: number; out: string; err: string }> {
    const file = join(folder, `${command}.cjs`);
    await writeFile(file, preload);
    const { REDIS_URL: _, ...env } = process.env;
    return new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['--require', file, MAIN, command],
        { env: { ...env, PORT: '0', STREAMGATE_DATA_DIR: join(folder, 'data') } },
        (_error, out, err) => resolve({ code: child.exitCode!, out, err }),
      );
    });
  }

  const OTHER_NODE =
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '26.10.0', modules: '147' } });";
  /** As on Debian 12, whatever this system has. */
  const OLD_GLIBC = `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '24.11.0', modules: '137' } });
    process.report.getReport = () => ({ header: { glibcVersionRuntime: '2.36' } });
    process.dlopen = () => { throw new Error("libc.so.6: version \`GLIBC_2.38' not found (required by x.node)"); };`;

  test.each([
    [
      'another Node.js',
      OTHER_NODE,
      /^uWebSockets\.js has no binary for Node\.js 26\.10\.0 on .+supported\.$/,
    ],
    [
      'an old glibc',
      OLD_GLIBC,
      /^The binary of .+ for Node\.js 24\.11\.0 on .+ with glibc 2\.36: .+supported\.$/,
    ],
  ])('start and doctor say so in one sentence: %s', async (_, preload, sentence) => {
    const started = await run('serve', preload);
    expect(started).toMatchObject({ code: 1, out: '' });
    expect(started.err).toMatch(/^streamgate: .+\n$/);
    expect(started.err.slice('streamgate: '.length).trim()).toMatch(sentence);

    const examined = await run('doctor', preload);
    const verdict = /^problem +node +(.+)$/m.exec(examined.out)?.[1];
    expect([examined.code, examined.err]).toEqual([1, '']);
    expect(verdict).toMatch(sentence);
  });
});
