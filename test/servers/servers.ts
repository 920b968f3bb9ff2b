/** The Redis servers that `npm run test:servers` tests, each as a Debian package of a release. */

export interface Server {
  /** Program and release, e.g. `Redis 8.0`. */
  readonly name: string;
  /** Debian packages: the first holds the program. */
  readonly packages: readonly string[];
  /** The program's path in its package. */
  readonly program: string;
  readonly suite: Suite;
  /** Where it behaves differently in the tests or for users, in words. */
  readonly differences: string;
}

export type Suite = 'bookworm' | 'trixie' | 'sid' | 'experimental';

const NONE = 'none';
const VALKEY_INFO = 'INFO gives `valkey_version` and `server_mode`; `redis_version` stays at 7.2.4';
const VALKEY_DATA = 'writes data that only Valkey 9 and later reads';
const REDICT_INFO = 'INFO gives `redict_version` and `redict_mode`; `redis_version` stays at 7.2.4';
const REDICT_FIXES = 'no release has the fix for CVE-2025-67733, but Debian does';

const REDIS = { packages: ['redis-server', 'redis-tools'], program: 'usr/bin/redis-server' };
const VALKEY = { packages: ['valkey-server', 'valkey-tools'], program: 'usr/bin/valkey-server' };
const REDICT = { packages: ['redict-server', 'redict-tools'], program: 'usr/bin/redict-server' };

/** Debian replaces packages by newer ones, so the exact version is read from the program. */
export const SERVERS: readonly Server[] = [
  { name: 'Redis 7.0', suite: 'bookworm', differences: NONE, ...REDIS },
  { name: 'Redis 8.0', suite: 'trixie', differences: NONE, ...REDIS },
  { name: 'Redis 8.6', suite: 'experimental', differences: NONE, ...REDIS },
  { name: 'Valkey 8.1', suite: 'trixie', differences: VALKEY_INFO, ...VALKEY },
  { name: 'Valkey 9.1', suite: 'sid', differences: `${VALKEY_INFO}; ${VALKEY_DATA}`, ...VALKEY },
  { name: 'Redict 7.3', suite: 'sid', differences: `${REDICT_INFO}; ${REDICT_FIXES}`, ...REDICT },
];

/** A folder of the cache, and the argument that selects this server, e.g. `redis-8.0`. */
export const serverId = ({ name }: Server): string => name.toLowerCase().replace(' ', '-');
