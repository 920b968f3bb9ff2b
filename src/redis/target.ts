/** Where Redis is and how to log in: plain data, so that it can be handed to threads. */
import { isIP } from 'node:net';
import { ConfigError } from '../config/start-error.js';
import { describeAddress, type RedisAddress } from './address.js';
import type { SlotTable } from './cluster/slot-table.js';

/** Sentinels that watch a master, and how to log in to them. */
export interface SentinelGroup {
  readonly master: string;
  readonly addresses: readonly RedisAddress[];
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** One of the shards of a cluster. */
export interface Shard {
  readonly table: SlotTable;
  readonly number: number;
}

export interface RedisTarget {
  /** Where it is set, host and port do not count: they are asked for at each connect. */
  readonly sentinel?: SentinelGroup | undefined;
  /** Nodes of a cluster that tell of the others. Where it is set, host and port do not count. */
  readonly cluster?: readonly RedisAddress[] | undefined;
  /** Where it is set, host and port do not count: the table is looked into at each connect. */
  readonly shard?: Shard | undefined;
  readonly host: string;
  readonly port: number;
  /** A Unix socket's path; host and port do not count where it is set. */
  readonly path: string | undefined;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

const DEFAULT_HOST = 'localhost';
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;
/** No URL of the standard has several hosts. */
const CLUSTER_URL = /^(rediss?)\+cluster:\/\/(?:([^@/?]*)@)?([^@/?]+)(\/[^?]*)?(\?.*)?$/;
const SENTINEL_URL =
  /^(rediss?)\+sentinel:\/\/(?:([^@/?]*)@)?([^@/?]+)\/([^/?]+)(?:\/([^/?]*))?(?:\?([^?]*))?$/;
const HOST_AND_PORT = /^(\[[\da-fA-F:.]+\]|[^[\]:]+)(?::(\d{1,5}))?$/;
const NAMED_HOST = /^(?:\[[\da-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?$/;

export function unixTarget(path: string): RedisTarget {
  return {
    host: '',
    port: 0,
    path,
    tls: false,
    username: undefined,
    password: undefined,
    database: 0,
  };
}

/**
 * Reads `redis://[user[:password]@][host][:port][/database]`, the same with `rediss://` for TLS,
 * `unix:///path[?db=database]`, or for a master that Sentinels watch
 * `redis+sentinel://[user[:password]@]host[:port][,host[:port]…]/master[/database]`, with the Sentinels' own
 * login as `?sentinel_username=…&sentinel_password=…`, or `rediss+sentinel://` for TLS to all of them; or for a cluster
 * `redis+cluster://[user[:password]@]host[:port][,host[:port]…]`, or `rediss+cluster://`.
 * @throws ConfigError with one sentence that does not repeat the login, which may hold a password
 */
export function parseRedisUrl(url: string): RedisTarget {
  if (/^rediss?\+sentinel:/.test(url)) return parseSentinelUrl(url);
  if (/^rediss?\+cluster:/.test(url)) return parseClusterUrl(url);
  checkOneHost(url);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined)
    throw new ConfigError(
      'REDIS_URL is not a valid address: the port may be at most 65535, and special characters in the password must be percent-encoded.',
    );
  const database = parsed.protocol === 'unix:' ? parsed.searchParams.get('db') : parsed.pathname.slice(1);
  const login = {
    username: decodePart(parsed.username) || undefined,
    password: decodePart(parsed.password) || undefined,
    database: parseDatabase(database ?? ''),
  };
  if (parsed.protocol === 'unix:') return { ...unixTarget(decodePart(parsed.pathname)), ...login };
  return {
    // Node wants an IPv6 address without its brackets.
    host: parsed.hostname.replace(/^\[|\]$/g, '') || DEFAULT_HOST,
    port: Number(parsed.port || DEFAULT_PORT),
    path: undefined,
    tls: parsed.protocol === 'rediss:',
    ...login,
  };
}

/** Only the forms with Sentinels and for clusters have several hosts. @throws ConfigError */
function checkOneHost(url: string): void {
  const [, authority = ''] = /^rediss?:\/\/(?:[^@/?]*@)?([^@/?]*)(?:[/?][^@]*)?$/.exec(url) ?? [];
  const hosts = authority.split(',');
  // What looks otherwise may be a part of a password.
  if (hosts.length === 1 || !hosts.every((host) => NAMED_HOST.test(host))) return;
  throw new ConfigError(
    `REDIS_URL must name one host, not '${authority}': name the master alone, its Sentinels as redis+sentinel://host:port,host:port/master, or nodes of a cluster as redis+cluster://host:port,host:port.`,
  );
}

function parseClusterUrl(url: string): RedisTarget {
  const [, scheme, login, hosts, path = '', query] = CLUSTER_URL.exec(url) ?? [];
  if (hosts === undefined || query !== undefined) {
    throw new ConfigError('REDIS_URL must name nodes of the cluster: redis+cluster://host:port,host:port.');
  }
  if (!/^(\/0?)?$/.test(path)) {
    throw new ConfigError(
      `REDIS_URL must not name the database '${path.slice(1)}': a cluster has number 0 only.`,
    );
  }
  return {
    cluster: hosts.split(',').map((text) => parseAddress(text, DEFAULT_PORT, 'node of the cluster')),
    ...severalHosts(scheme === 'rediss', login),
    database: 0,
  };
}

function parseSentinelUrl(url: string): RedisTarget {
  const [, scheme, login, hosts, master, database = '', query = ''] = SENTINEL_URL.exec(url) ?? [];
  if (hosts === undefined || master === undefined) {
    throw new ConfigError(
      'REDIS_URL must name Sentinels and their master: redis+sentinel://host:port,…/master.',
    );
  }
  const parameters = new URLSearchParams(query);
  return {
    sentinel: {
      master: decodePart(master),
      addresses: hosts.split(',').map((text) => parseAddress(text, DEFAULT_SENTINEL_PORT, 'Sentinel')),
      username: parameters.get('sentinel_username') ?? undefined,
      password: parameters.get('sentinel_password') ?? undefined,
    },
    ...severalHosts(scheme === 'rediss', login),
    database: parseDatabase(database),
  };
}

/** @param login as in the URL, encoded */
function severalHosts(tls: boolean, login = '') {
  const colon = login.indexOf(':');
  const [username, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  return {
    host: '',
    port: 0,
    path: undefined,
    tls,
    username: decodePart(username!) || undefined,
    password: decodePart(password!) || undefined,
  };
}

/** @param what it is the address of, for the error */
function parseAddress(text: string, defaultPort: number, what: string): RedisAddress {
  const [, host, port = defaultPort] = HOST_AND_PORT.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new ConfigError(`REDIS_URL must name each ${what} as host or host:port.`);
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function parseDatabase(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new ConfigError('REDIS_URL must name the database by a number.');
  return Number(text);
}

function decodePart(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new ConfigError("REDIS_URL has a '%' that does not begin an encoded character; write '%25'.");
  }
}

/** Whether another server may take the place of the one that is connected. */
export const mayMove = ({ sentinel, shard }: RedisTarget): boolean =>
  sentinel !== undefined || shard !== undefined;

/** What TLS is told of the server's name: nothing where that is an address (RFC 6066 §3). */
export function tlsOptions(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {};
}

/** For people and logs: never with a password. */
export function describeTarget({ sentinel, cluster, path, tls, host, port, database }: RedisTarget): string {
  const scheme = tls ? 'rediss' : 'redis';
  if (cluster !== undefined) return `${scheme}+cluster://${cluster.map(describeAddress).join()}`;
  if (sentinel !== undefined) {
    return `${scheme}+sentinel://${sentinel.addresses.map(describeAddress).join()}/${sentinel.master}/${database}`;
  }
  return path ?? `${scheme}://${host}:${port}/${database}`;
}
