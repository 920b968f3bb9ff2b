/** Each verdict on facts that no test can make: clocks, distances, versions, other machines. */
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/settings.js';
import { runChecks } from '../../src/doctor/findings.js';
import { REDIS_CHECKS } from '../../src/doctor/redis-checks.js';
import { parseInfo, type RedisFacts } from '../../src/doctor/redis-facts.js';
import { SYSTEM_CHECKS } from '../../src/doctor/system-checks.js';
import type { SystemFacts } from '../../src/doctor/system-facts.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const REDIS: RedisFacts = {
  info: new Map([
    ['redis_version', '10.0.0'],
    ['role', 'master'],
    ['rdb_last_bgsave_status', 'ok'],
    ['used_memory', String(MIB)],
    ['total_system_memory', String(GIB)],
    ['connected_clients', '3'],
  ]),
  settings: new Map([
    ['appendonly', 'yes'],
    ['appendfsync', 'everysec'],
    [
      'client-output-buffer-limit',
      `normal ${GIB} 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`,
    ],
    ['maxclients', '10000'],
    ['maxmemory', String(GIB)],
    ['maxmemory-policy', 'noeviction'],
    ['min-replicas-to-write', '0'],
    ['proto-max-bulk-len', '536870912'],
    ['save', ''],
    ['timeout', '0'],
    ['tracking-table-max-keys', '1000000'],
  ]),
  pingMs: 0.1,
  skewMs: 5,
  refused: [],
  isEmbedded: false,
  config: loadConfig({}),
};

const MACHINE: SystemFacts = {
  nodeVersion: '24.1.0',
  libraryFault: undefined,
  openFiles: 100_000,
  backlog: 4096,
  cores: 8,
  memoryBytes: 8 * GIB,
  hasRedis: true,
  hugePages: 'madvise',
  overcommit: 1,
  freeDiskBytes: 50 * GIB,
  config: loadConfig({}),
};

const levels = (findings: readonly { check: string; level: string }[]) =>
  Object.fromEntries(findings.map(({ check, level }) => [check, level]));

const redisWith = (
  changes: Partial<RedisFacts> & { i?: Record<string, string>; s?: Record<string, string> },
) => {
  const { i = {}, s = {}, ...rest } = changes;
  const info = new Map([...REDIS.info, ...Object.entries(i)]);
  const settings = new Map([...REDIS.settings, ...Object.entries(s)]);
  return levels(runChecks(REDIS_CHECKS, { ...REDIS, info, settings, ...rest }));
};
const machineWith = (changes: Partial<SystemFacts>) =>
  levels(runChecks(SYSTEM_CHECKS, { ...MACHINE, ...changes }));

const allOk = (found: Record<string, string>) => Object.fromEntries(Object.keys(found).map((k) => [k, 'ok']));

test('a Redis and a machine as they should be are ok in all', () => {
  const redis = redisWith({});
  expect(redis).toEqual(allOk(redis));
  expect(Object.keys(redis).length).toBeGreaterThan(9);
  const machine = machineWith({});
  expect(machine).toEqual(allOk(machine));
  expect(Object.keys(machine)).toEqual(Object.keys(SYSTEM_CHECKS));
});

test('every verdict is one sentence', () => {
  const findings = [...runChecks(REDIS_CHECKS, REDIS), ...runChecks(SYSTEM_CHECKS, MACHINE)];
  for (const { message } of findings) expect(message).toMatch(/^\S.*[^.]\.$/);
});

describe('versions', () => {
  const verdict = (i: Record<string, string>) => {
    const info = new Map([...REDIS.info, ['redis_version', '7.2.4'], ...Object.entries(i)]);
    return runChecks(REDIS_CHECKS, { ...REDIS, info }).find(({ check }) => check === 'version')!;
  };

  test.each([
    ['redis_version', '5.0.14', 'problem', /too old/],
    ['redis_version', '6.2.24', 'problem', /too old/],
    ['redis_version', '7.0.15', 'warning', /CVE-2026-81934 where Redis serves TLS, CVE-2025-49844.*8\.10\.1/],
    ['redis_version', '7.2.10', 'warning', /CVE-2026-23479.*upgrade to 7\.2\.16/],
    ['redis_version', '7.4.9', 'warning', /\(CVE-2026-81934 .*upgrade to 7\.4\.11/],
    ['redis_version', '8.0.6', 'warning', /CVE-2026-23479.*upgrade to 8\.10\.1/],
    ['redis_version', '8.2.2', 'warning', /CVE-2026-23479.*upgrade to 8\.2\.9/],
    ['redis_version', '8.6.2', 'warning', /CVE-2026-23479.*upgrade to 8\.6\.6/],
    ['redis_version', '8.6.3', 'warning', /\(CVE-2026-81934 .*upgrade to 8\.6\.6/],
    ['redis_version', '8.6.6', 'ok', /^Redis 8\.6\.6,/],
    ['redis_version', '10.0.0', 'ok', /^Redis 10\.0\.0,/],
    ['valkey_version', '8.1.4', 'warning', /^Valkey 8\.1\.4 .*\(CVE-2026-130822 .*8\.1\.12/],
    ['valkey_version', '9.1.2', 'warning', /^Valkey 9\.1\.2 .*CVE-2026-130822 .*9\.1\.4/],
    ['valkey_version', '9.1.4', 'ok', /^Valkey 9\.1\.4,/],
    ['valkey_version', '10.0.0', 'ok', /^Valkey 10\.0\.0,/],
    ['redict_version', '7.3.5', 'warning', /^Redict 7\.3\.5 .*CVE-2025-49844/],
    ['redict_version', '7.3.6', 'warning', /^Redict 7\.3\.6 .*\(CVE-2025-67733; .*no release has the fix/],
  ])('%s %s: %s', (name, version, level, message) => {
    expect(verdict({ [name]: version })).toMatchObject({ level, message: expect.stringMatching(message) });
  });

  test.each(['8.6.3', '8.6.6'])(
    'the day of the table stands beside every verdict that it gives: %s',
    (version) => {
      expect(verdict({ redis_version: version }).message).toMatch(/as of \d{4}-\d\d-\d\d/);
    },
  );
});

test.each(['redis_mode', 'server_mode', 'redict_mode'])('a Sentinel is recognised by %s', (field) => {
  const version = { redis_mode: 'redis', server_mode: 'valkey', redict_mode: 'redict' }[field];
  const i = { [`${version}_version`]: '9.0.0', [field]: 'sentinel' };
  expect(redisWith({ i })).toMatchObject({ role: 'problem' });
});

test('distance and clocks', () => {
  expect(redisWith({ pingMs: 12 })).toMatchObject({ latency: 'warning' });
  expect(redisWith({ pingMs: 80 })).toMatchObject({ latency: 'problem' });
  expect(redisWith({ skewMs: -5000 })).toMatchObject({ clock: 'warning' });
  expect(redisWith({ skewMs: 2 * 3_600_000 })).toMatchObject({ clock: 'problem' });
});

test('what Redis is busy with', () => {
  expect(redisWith({ i: { loading: '1' } })).toMatchObject({ loading: 'warning' });
  expect(redisWith({ i: { redis_mode: 'sentinel' } })).toMatchObject({ role: 'problem' });
  expect(redisWith({ i: { aof_last_write_status: 'err' } })).toMatchObject({ disk: 'problem' });
  expect(redisWith({ i: { aof_last_bgrewrite_status: 'err' } })).toMatchObject({ disk: 'warning' });
  expect(
    redisWith({ i: { rdb_last_bgsave_status: 'err' }, s: { 'stop-writes-on-bgsave-error': 'no' } }),
  ).toMatchObject({ disk: 'warning' });
});

test('memory without a limit, and nearly all of it used', () => {
  expect(redisWith({ s: { maxmemory: '0' } })).toMatchObject({ memory: 'warning' });
  expect(redisWith({ i: { used_memory: String(0.9 * GIB) } })).toMatchObject({ memory: 'warning' });
  expect(redisWith({ i: { used_memory: String(0.99 * GIB) }, s: { maxmemory: '0' } })).toMatchObject({
    memory: 'problem',
  });
});

test('the embedded Redis runs without appendfsync, which the gateway does for it', () => {
  const s = { appendfsync: 'no' };
  expect(redisWith({ s })).toMatchObject({ persistence: 'warning' });
  expect(redisWith({ s, isEmbedded: true })).toMatchObject({ persistence: 'ok' });
});

describe('the machine', () => {
  test.each<[Partial<SystemFacts>, string, string]>([
    [{ nodeVersion: '20.20.2' }, 'node', 'warning'],
    [{ nodeVersion: '25.9.0' }, 'node', 'warning'],
    [{ nodeVersion: '24.1.0', libraryFault: 'It cannot be loaded.' }, 'node', 'problem'],
    [{ config: loadConfig({ WORKERS: '3' }) }, 'workers', 'warning'],
    [{ openFiles: 1024 }, 'open-files', 'warning'],
    [{ backlog: 128 }, 'backlog', 'warning'],
    [{ memoryBytes: 512 * MIB }, 'buffers', 'warning'],
    [{ hugePages: 'always' }, 'huge-pages', 'warning'],
    [{ overcommit: 0 }, 'overcommit', 'warning'],
    [{ freeDiskBytes: 500 * MIB }, 'free-disk', 'warning'],
    [{ freeDiskBytes: 5 * MIB }, 'free-disk', 'problem'],
  ])('%o', (facts, check, level) => {
    const found = machineWith(facts);
    expect(found).toEqual({ ...allOk(found), [check]: level });
  });

  test('workers are counted with their threads, and each has files of its own', () => {
    const config = loadConfig({ WORKERS: '2', MAX_CONNECTIONS: '3000' });
    const found = runChecks(SYSTEM_CHECKS, { ...MACHINE, cores: 6, openFiles: 1700, config });
    const messageOf = (check: string) => found.find((finding) => finding.check === check)!;
    expect(messageOf('workers')).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/^2 workers have 6 busy threads .* on 6 cores\.$/),
    });
    expect(messageOf('open-files')).toMatchObject({
      level: 'ok',
      message: expect.stringContaining('(1500)'),
    });
    const crowded = runChecks(SYSTEM_CHECKS, { ...MACHINE, cores: 5, config });
    expect(crowded.find(({ check }) => check === 'workers')).toMatchObject({
      level: 'warning',
      message: expect.stringMatching(/only 5 cores: lower WORKERS, or set it to auto\.$/),
    });
  });

  test('of another Redis nothing is said, and of what the system does not tell', () => {
    const found = machineWith({
      hasRedis: false,
      openFiles: undefined,
      backlog: undefined,
      freeDiskBytes: undefined,
    });
    expect(Object.keys(found)).toEqual(['node', 'workers', 'buffers']);
  });
});

test('INFO is read with its headings and colons', () => {
  expect(
    parseInfo('# Server\r\nredis_version:7.0.15\r\nexecutable:/usr/bin/a:b\r\n\r\n# Clients\r\nx:1\r\n'),
  ).toEqual(
    new Map([
      ['redis_version', '7.0.15'],
      ['executable', '/usr/bin/a:b'],
      ['x', '1'],
    ]),
  );
});
