/**
 * Every setting, once: its name, default, meaning and check. The environment variable `PORT` and the
 * flag `--port` are the same setting; the flag wins. Inner code sees filled, checked values only.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { BOOLEAN_FORM, parseBoolean } from '../protocol/booleans.js';
import { parseNatMap } from './nat-map.js';
import { ConfigError } from './start-error.js';

interface Setting<T> {
  /** What the value must be, to complete the sentence "PORT must be …". */
  readonly expected: string;
  readonly meaning: string;
  /** The default as the user would write it; undefined where the setting may stay unset. */
  readonly fallback: string | undefined;
  /** The default in words, where it depends on the machine or on other settings. */
  readonly usually?: string;
  readonly schema: z.ZodType<T>;
  /** The default where there are several workers. */
  readonly withWorkers?: string;
  /** The value holds a password or is one: messages do not repeat it. */
  readonly isSecret?: true;
}

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** RFC 7518 §3.2: no shorter than the hash that signs. */
const MIN_SECRET_BYTES = 32;
/** What a busy worker, its threads and its part of Redis' work keep busy. */
const CORES_PER_WORKER = 3;
const MAX_WORKERS = 64;

function wholeNumber(
  min: number,
  max: number,
  fallback: number,
  meaning: string,
  usually?: string,
): Setting<number> {
  return {
    ...(usually === undefined ? {} : { usually }),
    expected: `a whole number from ${min} to ${max}`,
    meaning,
    fallback: String(fallback),
    schema: z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max)),
  };
}

function text(fallback: string | undefined, expected: string, meaning: string, schema = z.string().min(1)) {
  return { expected, meaning, fallback, schema } satisfies Setting<string>;
}

function secret(expected: string, meaning: string, schema: z.ZodType<string>) {
  return { expected, meaning, fallback: undefined, schema, isSecret: true } satisfies Setting<string>;
}

function flag(fallback: string | undefined, meaning: string, usually?: string): Setting<boolean> {
  return {
    ...(usually === undefined ? {} : { usually }),
    expected: BOOLEAN_FORM,
    meaning,
    fallback,
    schema: z.string().transform(parseBoolean).pipe(z.boolean()),
  };
}

/** An address with a password in it cannot be fetched. */
function isFileOrAddress(text: string): boolean {
  if (!/^[a-z]+:\/\//i.test(text)) return text !== '';
  const address = URL.canParse(text) ? new URL(text) : undefined;
  return address !== undefined && /^https?:$/.test(address.protocol) && address.username === '';
}

const ORIGIN = /^https?:\/\/[^/\s]+$/;
/** Without a port: a name's port is no part of it. */
const HOST_NAME = /^([^/\s:@[\]]+|\[[\da-f:.]+\])$/;

/** In the order in which `streamgate serve --help` and docs/settings.md list them. */
export const SETTINGS = {
  HOST: text('127.0.0.1', 'an address or host name to listen on', 'address to listen on'),
  PORT: wholeNumber(0, 65535, 8000, 'port to listen on; 0 takes a free one'),
  REDIS_URL: secret(
    'a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// address',
    'the Redis to use; unset: an embedded Redis is started',
    z.string().regex(/^(rediss?(\+sentinel|\+cluster)?:\/\/|unix:\/\/\/)\S+$/),
  ),
  REDIS_NAT_MAP: {
    expected: 'a JSON object of addresses, such as {"10.0.0.1:6379": "gate.example:7001"}',
    meaning: 'by which address each node of a cluster is reached that others name by another, as behind NAT',
    fallback: '{}',
    schema: z.string().transform((text, context) => {
      const map = parseNatMap(text);
      if (map === undefined) context.addIssue({ code: 'custom', message: 'no map of addresses' });
      return map ?? {};
    }),
  } satisfies Setting<Readonly<Record<string, string>>>,
  STREAMGATE_DATA_DIR: text('.streamgate', 'a folder', "the embedded Redis' folder"),
  REDIS_STREAM_MAXLEN: wholeNumber(
    1,
    1_000_000_000,
    1000,
    'every append trims its stream to about this many entries',
  ),
  DISABLE_MULTI_DEVICE_PREFIXING: flag('0', 'store streams without the device prefix'),
  WORKERS: {
    expected: `auto or a whole number from 1 to ${MAX_WORKERS}`,
    meaning:
      'processes that share the port and the work, on Linux; auto: one for every three cores, at least one',
    fallback: '1',
    schema: z
      .string()
      .regex(/^(auto|\d{1,15})$/)
      .transform((text) =>
        text === 'auto'
          ? Math.min(Math.max(1, Math.floor(availableParallelism() / CORES_PER_WORKER)), MAX_WORKERS)
          : Number(text),
      )
      .pipe(z.number().min(1).max(MAX_WORKERS)),
  } satisfies Setting<number>,
  READER_THREADS: {
    ...wholeNumber(
      1,
      64,
      Math.max(1, Math.min(4, Math.floor(availableParallelism() / 4))),
      'threads of each worker that follow streams in Redis',
      'a quarter of the cores, 1 to 4; with several workers 1',
    ),
    withWorkers: '1',
  },
  POOL_THREADS: {
    ...wholeNumber(
      1,
      64,
      Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2))),
      'threads of each worker that read ranges, pack and decode',
      'half of the cores, 1 to 4; with several workers 1',
    ),
    withWorkers: '1',
  },
  MAX_PAYLOAD_BYTES: wholeNumber(1024, 512 * MIB, 64 * MIB, 'largest message or request body'),
  MAX_BUFFERED_BYTES: wholeNumber(
    1024,
    64 * 1024 * MIB,
    256 * MIB,
    'most bytes that may wait for Redis; beyond it producers are refused',
  ),
  MAX_UNREAD_BYTES: wholeNumber(
    1024,
    64 * 1024 * MIB,
    256 * MIB,
    'most bytes that may wait for clients to read them; beyond it the slowest are closed',
  ),
  MAX_CONNECTIONS: wholeNumber(1, 10_000_000, 10_000, 'most client connections at once'),
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(
    0,
    10_000_000,
    2000,
    'most connections from one address, or IPv6 network of 64 bits, at once; 0: no limit',
  ),
  MAX_WAITING_READS: wholeNumber(0, 10_000_000, 2000, 'most REST reads that may wait for entries at once'),
  MAX_FOLLOWED_STREAMS: wholeNumber(
    1,
    1_000_000,
    16_384,
    'most streams that may be followed at once, by all clients together',
  ),
  MAX_CLIENT_SHARE: wholeNumber(
    1,
    100,
    50,
    'percent of each shared limit that one token, or one address, may use',
  ),
  MAX_BLOCK_MS: wholeNumber(1, DAY_MS, 60_000, 'longest wait of a REST read'),
  MAX_FUTURE_MS: wholeNumber(
    0,
    365 * DAY_MS,
    3_600_000,
    "how far ahead of the clock an entry's own time may be",
  ),
  ALLOW_FLUSH: flag(
    undefined,
    'allow the flush mutation, which empties the database; unset: only for the embedded Redis',
    'on for the embedded Redis only',
  ),
  ACCESS_TOKENS_FILE: text(
    undefined,
    'a file',
    'tokens and their rights: the file that streamgate token writes; read again on SIGHUP',
  ),
  JWT_SECRET: secret(
    `a text of ${MIN_SECRET_BYTES} bytes or more`,
    'accept JWTs that are signed with this secret (HS256)',
    z.string().refine((secret) => Buffer.byteLength(secret) >= MIN_SECRET_BYTES),
  ),
  JWT_JWKS: secret(
    'a file, or an https:// or http:// address',
    'accept JWTs that are signed with one of these keys (RS256, ES256); a file is read again on SIGHUP',
    z.string().refine(isFileOrAddress),
  ),
  JWT_AUDIENCE: text(undefined, 'a text', 'what the claim aud of a JWT must contain'),
  JWT_ISSUER: text(undefined, 'a text', 'what the claim iss of a JWT must be'),
  ALLOW_TOKEN_IN_QUERY: flag('0', 'accept tokens in the query parameter token too; proxies may log them'),
  ALLOW_ANONYMOUS: flag('0', 'without access control, allow HOST to be an address that others can reach'),
  TLS_CERT_FILE: text(
    undefined,
    'a file',
    'certificate chain as PEM: serves https and wss; read again on SIGHUP',
  ),
  TLS_KEY_FILE: text(undefined, 'a file', "the certificate's private key as PEM"),
  CORS_ORIGINS: {
    expected: '* or origins such as https://example.org, separated by commas',
    meaning:
      'origins whose pages may use the gateway, besides its own; unset: with access control all, else those of loopback',
    fallback: undefined,
    usually: '`*` with access control, else loopback',
    schema: z
      .string()
      .transform((value) => value.split(',').map((origin) => origin.trim().toLowerCase()))
      .pipe(z.array(z.union([z.literal('*'), z.string().regex(ORIGIN)])).min(1)),
  } satisfies Setting<string[]>,
  ALLOWED_HOSTS: {
    expected: '* or host names such as gateway.example.org, without a port, separated by commas',
    meaning:
      'names that requests may call the gateway by, in Host; unset: with access control any, else local names and addresses',
    fallback: undefined,
    usually: 'local names and addresses; with access control any',
    schema: z
      .string()
      .transform((value) => value.split(',').map((host) => host.trim().toLowerCase()))
      .pipe(z.array(z.union([z.literal('*'), z.string().regex(HOST_NAME)])).min(1)),
  } satisfies Setting<string[]>,
  SHUTDOWN_GRACE_MS: wholeNumber(
    0,
    600_000,
    10_000,
    'how long the gateway may take to finish its work when it is stopped',
  ),
  LOG_LEVEL: {
    expected: 'trace, debug, info, warn, error, fatal or silent',
    meaning: 'least level that is logged',
    fallback: 'info',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  } satisfies Setting<string>,
} as const;

export type SettingName = keyof typeof SETTINGS;

/** Settings that may stay unset. */
type OptionalName =
  | 'REDIS_URL'
  | 'ALLOW_FLUSH'
  | 'CORS_ORIGINS'
  | 'ALLOWED_HOSTS'
  | 'ACCESS_TOKENS_FILE'
  | 'JWT_SECRET'
  | 'JWT_JWKS'
  | 'JWT_AUDIENCE'
  | 'JWT_ISSUER'
  | 'TLS_CERT_FILE'
  | 'TLS_KEY_FILE';
type ValueOf<N extends SettingName> = z.output<(typeof SETTINGS)[N]['schema']>;

export type Config = { readonly [N in Exclude<SettingName, OptionalName>]: ValueOf<N> } & {
  readonly [N in OptionalName]: ValueOf<N> | undefined;
};

/**
 * Checks the settings that `given` holds as text and fills in the rest.
 *
 * An empty text counts as unset, since that is what `docker compose` passes for an unset variable.
 * @throws ConfigError naming the first setting with a bad value, what it must be and what came.
 */
export function loadConfig(given: Readonly<Record<string, string | undefined>>): Config {
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries<Setting<unknown>>(SETTINGS)) {
    // WORKERS comes before those that depend on it.
    const fallback =
      Number(values.WORKERS) > 1 ? (setting.withWorkers ?? setting.fallback) : setting.fallback;
    const value = given[name] || fallback;
    if (value === undefined) {
      values[name] = undefined;
      continue;
    }
    const checked = setting.schema.safeParse(value);
    if (!checked.success) {
      const shown = setting.isSecret ? 'what was given' : `'${value}'`;
      throw new ConfigError(`${name} must be ${setting.expected}, not ${shown}.`);
    }
    values[name] = checked.data;
  }
  return values as unknown as Config;
}
