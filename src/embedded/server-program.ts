/** A server program on this machine: Redis, Valkey or Redict, by what it prints, not by its name. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServerName } from '../redis/server-identity.js';

export interface ServerRelease {
  readonly name: ServerName;
  readonly version: string;
}

export interface ServerProgram {
  readonly path: string;
  /** Undefined for a program that does not say so. */
  readonly release: ServerRelease | undefined;
}

const ANSWER_MS = 5000;
/** `Redis server v=8.0.2 sha=…`. Distributions install Valkey under the name of redis-server, too. */
const RELEASE = /^(Redis|Valkey|Redict) server v=(\d+(?:\.\d+)*)/;

export async function inspectProgram(path: string): Promise<ServerProgram> {
  // From 7.2 on Redis refuses to start under a locale that the system does not have.
  const env = { ...process.env, LC_ALL: 'C' };
  const printed = await promisify(execFile)(path, ['--version'], { timeout: ANSWER_MS, env }).then(
    ({ stdout }) => stdout,
    () => '',
  );
  const [, name, version] = RELEASE.exec(printed) ?? [];
  return { path, release: version === undefined ? undefined : { name: name as ServerName, version } };
}

/** For people: `Redis 8.0.2`. */
export const releaseText = ({ name, version }: ServerRelease): string => `${name} ${version}`;
