/**
 * The programs that are compared with ours, as Debian has them: from the PATH, else from a cache that the
 * benchmark's set-up fills, so that nothing is installed.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { findExecutable } from '../../src/system/executables.js';
import { PACKAGES_FILE, type Packaged, provideProgram } from '../../test/servers/debian.js';

export type PeerName = 'nats-server' | 'mosquitto' | 'webdis';

const SUITE = 'trixie';

/** Of the present Debian: newer than what many machines have, and the same on all. */
const PACKAGES: Readonly<Record<PeerName, Packaged>> = {
  'nats-server': { suite: SUITE, packages: ['nats-server'], program: 'usr/sbin/nats-server' },
  mosquitto: { suite: SUITE, packages: ['mosquitto'], program: 'usr/sbin/mosquitto' },
  webdis: { suite: SUITE, packages: ['webdis'], program: 'usr/bin/webdis' },
};

/** How a program is asked for its version. Webdis has no such option, and would start. */
const VERSIONS: Partial<Readonly<Record<PeerName, { argument: string; pattern: RegExp }>>> = {
  'nats-server': { argument: '--version', pattern: /v(\d\S*)/ },
  mosquitto: { argument: '-h', pattern: /version (\S+)/ },
};
const PATIENCE_MS = 5000;

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'streamgate', 'peers');
const folderOf = (name: PeerName) => join(CACHE, `${name}-${SUITE}`);

export const PEER_NAMES = Object.keys(PACKAGES) as PeerName[];

/** @returns undefined where it is neither on the PATH nor in the cache */
export function findPeer(name: PeerName): Promise<string | undefined> {
  return findExecutable([name], [process.env.PATH ?? '', join(folderOf(name), 'bin')].join(delimiter));
}

/** Downloads it unless it is there. @throws Error where that fails, as on a system that is not Debian */
export async function providePeer(name: PeerName): Promise<void> {
  if ((await findPeer(name)) === undefined) await provideProgram(PACKAGES[name], name, folderOf(name));
}

/** @returns undefined where it is not there; `unknown` where neither it nor its package says */
export async function peerVersion(name: PeerName): Promise<string | undefined> {
  const program = await findPeer(name);
  if (program === undefined) return undefined;
  const asked = VERSIONS[name];
  if (asked === undefined) return packageVersion(name);
  // Where it ends with an error it has printed its version all the same.
  const { stdout = '' } = await promisify(execFile)(program, [asked.argument], {
    timeout: PATIENCE_MS,
  }).catch((error: { stdout?: string }) => error);
  return asked.pattern.exec(stdout)?.[1] ?? 'unknown';
}

async function packageVersion(name: PeerName): Promise<string> {
  const files = await readFile(join(folderOf(name), 'root', PACKAGES_FILE), 'utf8').catch(() => '');
  return new RegExp(`^${name}_([^_]+)_`, 'm').exec(files)?.[1] ?? 'unknown';
}
