/** Where Redis is and how to log in: plain data, so that it can be handed to threads. */
import { ConfigError } from '../config.js';

export interface RedisTarget {
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
 * Reads `redis://[user[:password]@][host][:port][/database]`, the same with `rediss://` for TLS, or
 * `unix:///path[?db=database]`.
 * @throws ConfigError with one sentence that does not repeat the address, which may hold a password
 */
export function parseRedisUrl(url: string): RedisTarget {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined) throw new ConfigError('REDIS_URL is not an address.');
  const database = parsed.protocol === 'unix:' ? parsed.searchParams.get('db') : parsed.pathname.slice(1);
  if (!/^\d{0,5}$/.test(database ?? '')) {
    throw new ConfigError('REDIS_URL names a database that is not a number.');
  }
  const login = {
    username: decodePart(parsed.username) || undefined,
    password: decodePart(parsed.password) || undefined,
    database: Number(database ?? 0),
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

function decodePart(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new ConfigError("REDIS_URL has a '%' that does not begin an encoded character; write '%25'.");
  }
}

/** For people and logs: never with a password. */
export function describeTarget(target: RedisTarget): string {
  return (
    target.path ?? `${target.tls ? 'rediss' : 'redis'}://${target.host}:${target.port}/${target.database}`
  );
}
