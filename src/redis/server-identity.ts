/** Which program a server is, by what it says of itself, and the order of versions. */

export type ServerName = 'Redis' | 'Valkey' | 'Redict';

export interface ServerIdentity {
  readonly name: ServerName;
  /** The program's own version, not the one of Redis that it claims to be compatible with. */
  readonly version: string | undefined;
  /** `standalone`, `sentinel` or `cluster`. */
  readonly mode: string | undefined;
}

/** The fields of each program. Valkey and Redict also send `redis_version`, which stays at 7.2.4. */
const FIELDS: readonly (readonly [name: ServerName, version: string, mode: string])[] = [
  ['Valkey', 'valkey_version', 'server_mode'],
  ['Redict', 'redict_version', 'redict_mode'],
  ['Redis', 'redis_version', 'redis_mode'],
];

/** @param info the fields of INFO's section `server` */
export function identifyServer(info: ReadonlyMap<string, string>): ServerIdentity {
  const [name, version, mode] = FIELDS.find(([, field]) => info.has(field)) ?? FIELDS.at(-1)!;
  // Valkey can be set up to send the fields of Redis for old clients.
  return { name, version: info.get(version), mode: info.get(mode) ?? info.get('redis_mode') };
}

/** Fields of INFO that give a version, and are of these programs. */
const OWN_VERSIONS = new Set(['redis', 'valkey', 'redict', 'gcc']);

/**
 * Whether a server is one of these programs, and not another that speaks their protocol (Dragonfly, KeyDB, Kvrocks,
 * Garnet …), which may take a command and do something else.
 * @param info INFO's section `server` as text
 */
export function isOneOfThese(info: string): boolean {
  const versions = [...info.matchAll(/^(\w+)_version:/gm)].map(([, name]) => name!);
  const isOther = versions.some((name) => !OWN_VERSIONS.has(name)) || /^executable:.*keydb/im.test(info);
  return versions.length > 0 && !isOther;
}

/** A version's numbers, the most significant first. */
export type Version = readonly number[];

export const parseVersion = (text: string): Version => text.split('.').map(Number);

/** @returns below zero where `a` is the older; missing numbers count as 0 */
export function compareVersions(a: Version, b: Version): number {
  for (let part = 0; part < Math.max(a.length, b.length); part++) {
    const difference = (a[part] ?? 0) - (b[part] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
