import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadConfig, SETTINGS, type SettingName } from '../../src/config/settings.js';
import { ConfigError } from '../../src/config/start-error.js';
import { MAIN } from '../support/gateway-process.js';

const MIB = 1024 * 1024;
const threads = (share: number) => Math.max(1, Math.min(4, Math.floor(availableParallelism() / share)));

const DEFAULTS = {
  HOST: '127.0.0.1',
  PORT: 8000,
  REDIS_URL: undefined,
  STREAMGATE_DATA_DIR: '.streamgate',
  REDIS_STREAM_MAXLEN: 1000,
  DISABLE_MULTI_DEVICE_PREFIXING: false,
  WORKERS: 1,
  READER_THREADS: threads(4),
  POOL_THREADS: threads(2),
  MAX_PAYLOAD_BYTES: 64 * MIB,
  MAX_BUFFERED_BYTES: 256 * MIB,
  MAX_UNREAD_BYTES: 256 * MIB,
  MAX_CONNECTIONS: 10_000,
  MAX_CONNECTIONS_PER_ADDRESS: 2000,
  MAX_WAITING_READS: 2000,
  MAX_FOLLOWED_STREAMS: 16_384,
  MAX_CLIENT_SHARE: 50,
  MAX_BLOCK_MS: 60_000,
  MAX_FUTURE_MS: 3_600_000,
  ALLOW_FLUSH: undefined,
  ACCESS_TOKENS_FILE: undefined,
  JWT_SECRET: undefined,
  JWT_JWKS: undefined,
  JWT_AUDIENCE: undefined,
  JWT_ISSUER: undefined,
  ALLOW_TOKEN_IN_QUERY: false,
  ALLOW_ANONYMOUS: false,
  TLS_CERT_FILE: undefined,
  TLS_KEY_FILE: undefined,
  CORS_ORIGINS: undefined,
  ALLOWED_HOSTS: undefined,
  LOG_LEVEL: 'info',
};

test('the defaults', () => {
  expect(loadConfig({})).toMatchObject(DEFAULTS);
});

test('a default that can be written is written so that it would be taken', () => {
  for (const { fallback, schema } of Object.values(SETTINGS)) {
    if (fallback !== undefined) expect(schema.safeParse(fallback).success).toBe(true);
  }
});

test('an empty value counts as unset', () => {
  const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']));
  expect(loadConfig(empty)).toEqual(loadConfig({}));
});

test('what is no setting is passed over', () => {
  expect(loadConfig({ PATH: '/bin', port: '1', Port: '2' })).toEqual(loadConfig({}));
});

test.each([
  ['HOST', '0.0.0.0', '0.0.0.0'],
  ['HOST', '::', '::'],
  ['PORT', '0', 0],
  ['PORT', '65535', 65_535],
  ['PORT', '08000', 8000],
  ['REDIS_URL', 'redis://localhost', 'redis://localhost'],
  ['REDIS_URL', 'rediss://:pw@localhost:6380/1', 'rediss://:pw@localhost:6380/1'],
  ['REDIS_URL', 'unix:///run/redis.sock?db=1', 'unix:///run/redis.sock?db=1'],
  ['STREAMGATE_DATA_DIR', '/var/lib/streamgate', '/var/lib/streamgate'],
  ['REDIS_STREAM_MAXLEN', '1', 1],
  ['REDIS_STREAM_MAXLEN', '1000000000', 1_000_000_000],
  ['DISABLE_MULTI_DEVICE_PREFIXING', '1', true],
  ['DISABLE_MULTI_DEVICE_PREFIXING', 'True', true],
  ['DISABLE_MULTI_DEVICE_PREFIXING', 'off', false],
  ['WORKERS', '1', 1],
  ['WORKERS', 'auto', Math.max(1, Math.floor(availableParallelism() / 3))],
  ['READER_THREADS', '64', 64],
  ['POOL_THREADS', '1', 1],
  ['MAX_PAYLOAD_BYTES', '1024', 1024],
  ['MAX_PAYLOAD_BYTES', String(512 * MIB), 512 * MIB],
  ['MAX_BUFFERED_BYTES', '1024', 1024],
  ['MAX_UNREAD_BYTES', '1024', 1024],
  ['MAX_CONNECTIONS', '1', 1],
  ['MAX_CONNECTIONS_PER_ADDRESS', '0', 0],
  ['MAX_WAITING_READS', '0', 0],
  ['MAX_FOLLOWED_STREAMS', '1', 1],
  ['MAX_CLIENT_SHARE', '100', 100],
  ['ALLOWED_HOSTS', 'Gateway.Example.org, [::1]', ['gateway.example.org', '[::1]']],
  ['ALLOWED_HOSTS', '*', ['*']],
  ['MAX_BLOCK_MS', '86400000', 86_400_000],
  ['MAX_FUTURE_MS', '0', 0],
  ['ALLOW_FLUSH', 'YES', true],
  ['ALLOW_FLUSH', '0', false],
  ['ACCESS_TOKENS_FILE', 'tokens.json', 'tokens.json'],
  ['JWT_SECRET', 'é'.repeat(16), 'é'.repeat(16)],
  ['JWT_JWKS', '/etc/streamgate/keys.json', '/etc/streamgate/keys.json'],
  ['JWT_JWKS', 'https://login.example.org/jwks', 'https://login.example.org/jwks'],
  ['ALLOW_ANONYMOUS', 'yes', true],
  ['ALLOW_TOKEN_IN_QUERY', '1', true],
  ['CORS_ORIGINS', '*', ['*']],
  [
    'CORS_ORIGINS',
    'https://Example.org, http://localhost:3000',
    ['https://example.org', 'http://localhost:3000'],
  ],
  ['LOG_LEVEL', 'silent', 'silent'],
] as const)('%s=%s', (name, value, expected) => {
  expect(loadConfig({ [name]: value })).toEqual({ ...loadConfig({}), [name]: expected });
});

test('several workers have few threads each, unless more are asked for', () => {
  expect(loadConfig({ WORKERS: '2' })).toEqual({
    ...loadConfig({}),
    WORKERS: 2,
    READER_THREADS: 1,
    POOL_THREADS: 1,
  });
  const given = { WORKERS: '64', READER_THREADS: '3', POOL_THREADS: '2' };
  expect(loadConfig(given)).toMatchObject({ WORKERS: 64, READER_THREADS: 3, POOL_THREADS: 2 });
});

const NO_NUMBERS = ['x', '-1', '1.5', '1e3', '0x10', ' 1', '1 ', '1_000', '1,000', '９', '9'.repeat(16)];
const NO_BOOLEANS = ['2', 'y', 'maybe', ' ', 'null'];

/** Any text will do. */
type TextName =
  | 'HOST'
  | 'STREAMGATE_DATA_DIR'
  | 'ACCESS_TOKENS_FILE'
  | 'JWT_AUDIENCE'
  | 'JWT_ISSUER'
  | 'TLS_CERT_FILE'
  | 'TLS_KEY_FILE';
/** What may hold a password, or is one. */
const SECRETS = ['REDIS_URL', 'JWT_SECRET', 'JWT_JWKS'];

const BAD: Record<Exclude<SettingName, TextName>, readonly string[]> = {
  PORT: [...NO_NUMBERS, '65536'],
  REDIS_URL: [
    'localhost:6379',
    'http://localhost',
    'redis:/localhost',
    'redis://',
    'REDIS://localhost',
    'redis://a b',
    'unix://run/redis.sock',
    'unix:/run/redis.sock',
    '/run/redis.sock',
    ' redis://localhost',
    'redis://localhost\n',
  ],
  REDIS_NAT_MAP: ['x', '[]', 'null', '{"a": "b:1"}', '{"a:1": "b"}', '{"a:1": 2}', '{"a:1": "b:x"}'],
  REDIS_STREAM_MAXLEN: [...NO_NUMBERS, '0', '1000000001'],
  DISABLE_MULTI_DEVICE_PREFIXING: NO_BOOLEANS,
  WORKERS: [...NO_NUMBERS, '0', '65', 'all', 'AUTO'],
  READER_THREADS: [...NO_NUMBERS, '0', '65'],
  POOL_THREADS: [...NO_NUMBERS, '0', '65'],
  MAX_PAYLOAD_BYTES: [...NO_NUMBERS, '1023', String(512 * MIB + 1)],
  MAX_BUFFERED_BYTES: [...NO_NUMBERS, '1023', String(64 * 1024 * MIB + 1)],
  MAX_UNREAD_BYTES: [...NO_NUMBERS, '1023', String(64 * 1024 * MIB + 1)],
  MAX_CONNECTIONS: [...NO_NUMBERS, '0', '10000001'],
  MAX_CONNECTIONS_PER_ADDRESS: [...NO_NUMBERS, '10000001'],
  MAX_WAITING_READS: [...NO_NUMBERS, '10000001'],
  MAX_FOLLOWED_STREAMS: [...NO_NUMBERS, '0', '1000001'],
  MAX_CLIENT_SHARE: [...NO_NUMBERS, '0', '101'],
  ALLOWED_HOSTS: ['http://a.org', 'a.org:80', 'a.org/x', 'a b', 'a.org,,b.org', '::1', 'a@b', ','],
  MAX_BLOCK_MS: [...NO_NUMBERS, '0', '86400001'],
  MAX_FUTURE_MS: [...NO_NUMBERS, String(365 * 86_400_000 + 1)],
  ALLOW_FLUSH: NO_BOOLEANS,
  JWT_SECRET: ['x', 'x'.repeat(31), 'é'.repeat(15)],
  JWT_JWKS: ['ftp://example.org/keys', 'https://', 'https://me:secret@example.org/keys'],
  ALLOW_TOKEN_IN_QUERY: NO_BOOLEANS,
  ALLOW_ANONYMOUS: NO_BOOLEANS,
  CORS_ORIGINS: [
    'example.org',
    'https://example.org/',
    'https://example.org/path',
    'ftp://example.org',
    'https://a.org,,https://b.org',
    'https://a.org https://b.org',
    'null',
    ',',
  ],
  SHUTDOWN_GRACE_MS: [...NO_NUMBERS, '600001'],
  LOG_LEVEL: ['INFO', 'verbose', '30', 'warning'],
};

describe('a bad value is refused in one sentence that names the setting', () => {
  test.each(Object.entries(BAD).flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
    '%s=%j',
    (name, value) => {
      const load = () => loadConfig({ [name]: value });
      expect(load).toThrow(ConfigError);
      expect(load).toThrow(new RegExp(`^${name} must be .+, not .+\\.$`, 's'));
      if (SECRETS.includes(name)) expect(load).toThrow(', not what was given.');
      else expect(load).toThrow(`, not '${value}'.`);
    },
  );

  test('and what it must be', () => {
    expect(() => loadConfig({ PORT: '70000' })).toThrow(
      "PORT must be a whole number from 0 to 65535, not '70000'.",
    );
    expect(() => loadConfig({ ALLOW_FLUSH: 'maybe' })).toThrow(
      "ALLOW_FLUSH must be 1 or 0 (or true/false, yes/no, on/off), not 'maybe'.",
    );
  });

  test.each(['http://user:secret@host', 'user:secret@host', 'redis://:sec ret@host', 'rediss:secret'])(
    'but never what REDIS_URL was, which may hold a password: %s',
    (url) => {
      expect(() => loadConfig({ REDIS_URL: url })).toThrow(
        'REDIS_URL must be a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// address, not what was given.',
      );
    },
  );
});

describe('streamgate serve', () => {
  async function serve(env: Record<string, string>, ...flags: string[]) {
    const { REDIS_URL: _, ...inherited } = process.env;
    try {
      await promisify(execFile)(process.execPath, [MAIN, 'serve', ...flags], {
        env: { ...inherited, ...env },
      });
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
    return expect.unreachable();
  }

  test.each([
    [{ PORT: '0' }, ['--port', 'y'], "PORT must be a whole number from 0 to 65535, not 'y'."],
    [{}, ['--max-future-ms=-5'], "MAX_FUTURE_MS must be a whole number from 0 to 31536000000, not '-5'."],
    [{ REDIS_URL: 'redis://:secret@host/x' }, [], 'REDIS_URL must name the database by a number.'],
  ])('with %j %j ends with one line', async (env, flags, message) => {
    expect(await serve(env, ...flags)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `streamgate: ${message}\n`,
    });
  });

  test('lists every setting with its default', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'serve', '--help'], {
      env: { ...process.env, COLUMNS: '300' },
    });
    for (const [name, { fallback, meaning }] of Object.entries(SETTINGS)) {
      const line = stdout
        .split('\n')
        .find((text) => text.includes(`--${name.toLowerCase().replaceAll('_', '-')} `));
      expect(line).toContain(meaning);
      if (fallback !== undefined) expect(line).toContain(`(default: ${fallback})`);
    }
  });
});
