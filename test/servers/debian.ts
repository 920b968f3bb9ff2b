/**
 * Downloads a program's Debian packages and makes the program runnable here, without installing anything.
 *
 * apt works in folders of its own, on an empty list of installed packages: so it downloads every library
 * down to libc, and the program runs by the loader and libraries of its own release. The mirror is the
 * one that this machine's apt uses.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Suite } from './servers.js';

const run = promisify(execFile);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const LOADER = /^ld-linux.*\.so\.\d+$/;
/** In the folder that the packages were unpacked in: the names of their files. */
export const PACKAGES_FILE = 'packages';
/** Packages of experimental need the rest of sid. */
const SUITES: Record<Suite, readonly Suite[]> = {
  bookworm: ['bookworm'],
  trixie: ['trixie'],
  sid: ['sid'],
  experimental: ['sid', 'experimental'],
};

/** A program of some Debian packages. */
export interface Packaged {
  readonly suite: Suite;
  /** The first holds the program. */
  readonly packages: readonly string[];
  /** The program's path in its package. */
  readonly program: string;
}

/**
 * Downloads a program into `folder`, unless it is there already.
 * @param name what the program is called in the folder that is returned
 * @returns a folder to put first on the PATH
 * @throws Error where this is not Debian, or apt fails, with what apt printed
 */
export async function provideProgram(packaged: Packaged, name: string, folder: string): Promise<string> {
  const programs = join(folder, 'bin');
  if (await exists(join(programs, name))) return programs;
  await rm(folder, { recursive: true, force: true });
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  await download(packaged, join(folder, 'apt'), root);
  await writeWrapper(join(root, packaged.program), root, join(programs, name));
  return programs;
}

async function download({ suite, packages }: Packaged, folder: string, root: string): Promise<void> {
  const archives = join(folder, 'cache', 'archives');
  await mkdir(join(archives, 'partial'), { recursive: true });
  await mkdir(join(folder, 'state', 'lists', 'partial'), { recursive: true });
  await writeFile(join(folder, 'state', 'status'), '');
  await writeFile(join(folder, 'sources.list'), await sourceLines(suite));
  const configuration = join(folder, 'apt.conf');
  await writeFile(configuration, await aptConfiguration(folder));
  const apt = (...args: string[]) =>
    run('apt-get', args, {
      env: { ...process.env, APT_CONFIG: configuration, LC_ALL: 'C' },
      maxBuffer: 2 ** 24,
    });
  await apt('update');
  const names = packages.map((name) => `${name}/${suite}`);
  await apt('install', '--yes', '--download-only', '--no-install-recommends', ...names);
  const debs = (await readdir(archives)).filter((file) => file.endsWith('.deb'));
  for (const file of debs) await run('dpkg-deb', ['-x', join(archives, file), root]);
  // With their versions, which not every program says itself.
  await writeFile(join(root, PACKAGES_FILE), `${debs.join('\n')}\n`);
  await rm(folder, { recursive: true });
  await rm(join(root, 'usr', 'share'), { recursive: true, force: true });
}

/** One line per suite, on the mirror of this machine's Debian. */
async function sourceLines(suite: Suite): Promise<string> {
  const format = '$(REPO_URI) $(CODENAME)';
  const targets = ['indextargets', '--format', format, 'Created-By: Packages', 'Component: main'];
  const { stdout } = await run('apt-get', targets);
  const mirrors = stdout.split('\n').map((line) => line.split(' '));
  // Updates and security lie on mirrors of their own, with suites of other names.
  const mirror = mirrors.find(([uri, codename]) => uri?.includes('debian') && !codename?.includes('-'))?.[0];
  if (mirror === undefined) {
    throw new Error("apt's sources name no Debian mirror: run this on Debian, after apt-get update");
  }
  const options = (await exists(KEYRING)) ? `[signed-by=${KEYRING}] ` : '';
  return SUITES[suite].map((name) => `deb ${options}${mirror} ${name} main\n`).join('');
}

/** Of the machine's settings only those that say how to get packages, such as a proxy; its hooks are left out. */
async function aptConfiguration(folder: string): Promise<string> {
  const { stdout } = await run('apt-config', ['dump']);
  const acquire = stdout.split('\n').filter((line) => line.startsWith('Acquire::'));
  return [
    ...acquire,
    `Dir::State "${folder}/state";`,
    `Dir::State::status "${folder}/state/status";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    ...['sourceparts', 'parts', 'main', 'preferences', 'preferencesparts'].map(
      (name) => `Dir::Etc::${name} "/dev/null";`,
    ),
    'APT::Sandbox::User "root";',
    'Debug::NoLocking "true";',
    '',
  ].join('\n');
}

/** Writes `wrapper`, which runs `program` by the loader and the libraries of `root`. */
async function writeWrapper(program: string, root: string, wrapper: string): Promise<void> {
  // Older releases have libc in /lib, which newer ones have no more.
  const files = await readdir(root, { recursive: true });
  const loader = files.find((file) => LOADER.test(basename(file)));
  const libc = files.find((file) => basename(file) === 'libc.so.6');
  if (loader === undefined || libc === undefined) throw new Error(`no libc is in ${root}`);
  const triplet = basename(dirname(libc));
  const libraries = ['usr/lib', 'lib'].map((path) => join(root, path, triplet)).join(':');
  await mkdir(dirname(wrapper), { recursive: true });
  const lines = [
    '#!/bin/sh',
    `exec '${join(root, loader)}' --library-path '${libraries}' '${program}' "$@"`,
    '',
  ];
  await writeFile(`${wrapper}.new`, lines.join('\n'));
  await chmod(`${wrapper}.new`, 0o755);
  await rename(`${wrapper}.new`, wrapper);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
