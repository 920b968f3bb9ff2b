/** The redis-server program: where it is, and how it comes to be there. */
import { StartError } from '../config/start-error.js';
import { findExecutable, findExecutables } from '../system/executables.js';
import { installPackages, PackageError, type PackageNames } from '../system/packages.js';

const NAMES = ['redis-server', 'valkey-server', 'redict-server'] as const;

/** Tried in order: the systems that dropped Redis for Valkey, or never had the other, differ by release. */
const PACKAGES: readonly PackageNames[] = [
  { apt: ['redis-server'], dnf: ['redis'], apk: ['redis'], pacman: ['valkey'], brew: ['redis'] },
  { dnf: ['valkey'], apk: ['valkey'], pacman: ['redis'] },
];

/** There is no server program; the message is one line that says how to get one. */
export class RedisBinaryError extends StartError {
  constructor(advice: string) {
    super(`None of ${NAMES.join(', ')} is on the PATH. Set REDIS_URL to a Redis of your own, or ${advice}`);
  }
}

/** The path of the first server program, or undefined where the PATH has none. */
export function findRedisServer(): Promise<string | undefined> {
  return findExecutable(NAMES);
}

/** The paths of all server programs on the PATH, the preferred first. */
export function findRedisServers(): Promise<string[]> {
  return findExecutables(NAMES);
}

/**
 * The path of a server program, which is installed first if there is none and that is
 * possible without asking; `log` gets a line about it first, then the package manager's output.
 * @throws RedisBinaryError
 */
export async function ensureRedisServer(log: (line: string) => void): Promise<string> {
  const there = await findRedisServer();
  if (there) return there;
  log('No Redis server is on the PATH, and REDIS_URL names none, so one is installed.');
  let advice: string | undefined;
  for (const packages of PACKAGES) {
    try {
      await installPackages(packages, log);
    } catch (cause) {
      if (!(cause instanceof PackageError)) throw cause;
      advice ??= cause.message;
    }
    const found = await findRedisServer();
    if (found) return found;
  }
  throw new RedisBinaryError(
    advice ?? 'install one by hand, since the package that was installed holds none',
  );
}
