/**
 * Security holes of Redis, Valkey and Redict: the newest that each release series has a fix for.
 *
 * Sources: the CVE records of each, and the release notes on redis.io, of Valkey and of Debian's redict.
 */
import { compareVersions, type ServerName, type Version } from '../redis/server-identity.js';

export interface Hole {
  readonly cve: string;
  /** Where it matters, if not everywhere. */
  readonly where?: string;
  /** The first release that has it; all have where this is missing. */
  readonly since?: Version;
  /** The first release of each series without it, oldest first; empty where no release is. */
  readonly fixed: readonly Version[];
}

/** The day up to which the table below is complete. */
export const HOLES_DATE = '2026-11-29';

const HOLES: Readonly<Record<ServerName, readonly Hole[]>> = {
  Redis: [
    {
      cve: 'CVE-2026-81934',
      where: 'where Redis serves TLS',
      fixed: [
        [6, 2, 24],
        [7, 2, 16],
        [7, 4, 11],
        [8, 2, 9],
        [8, 4, 6],
        [8, 6, 6],
        [8, 8, 2],
        [8, 10, 1],
      ],
    },
    {
      cve: 'CVE-2026-23479',
      since: [7, 2, 0],
      fixed: [
        // The record names no release of 7.2; this one is newer than the fix.
        [7, 2, 16],
        [7, 4, 9],
        [8, 2, 6],
        [8, 4, 3],
        [8, 6, 3],
      ],
    },
    {
      cve: 'CVE-2025-49844',
      fixed: [
        [6, 2, 20],
        [7, 2, 11],
        [7, 4, 6],
        [8, 0, 4],
        [8, 2, 2],
      ],
    },
  ],
  Valkey: [
    {
      cve: 'CVE-2026-130822',
      where: 'where maxmemory-clients is set',
      fixed: [
        [7, 2, 16],
        [8, 0, 13],
        [8, 1, 12],
        [9, 0, 8],
        [9, 1, 4],
      ],
    },
    {
      cve: 'CVE-2025-49844',
      fixed: [
        [7, 2, 11],
        [8, 0, 6],
        [8, 1, 4],
      ],
    },
  ],
  Redict: [
    { cve: 'CVE-2025-67733', fixed: [] },
    { cve: 'CVE-2025-49844', fixed: [[7, 3, 6]] },
  ],
};

/** The holes that a release has, newest first. */
export function knownHoles(server: ServerName, version: Version): Hole[] {
  return HOLES[server].filter(({ since, fixed }) => {
    if (since !== undefined && compareVersions(version, since) < 0) return false;
    const first = firstFixed(fixed, version);
    return first === undefined || compareVersions(version, first) < 0;
  });
}

/**
 * The release to take instead of `version`: the first of its series without any of `holes`, of the newest
 * series where its own has none, or undefined where no release is without them.
 */
export function safeRelease(holes: readonly Hole[], version: Version): Version | undefined {
  const releases = holes.map(({ fixed }) => firstFixed(fixed, version));
  if (releases.includes(undefined)) return undefined;
  return (releases as Version[]).sort(compareVersions).at(-1);
}

function firstFixed(fixed: readonly Version[], [major, minor]: Version): Version | undefined {
  return fixed.find((release) => release[0] === major && release[1] === minor) ?? fixed.at(-1);
}
