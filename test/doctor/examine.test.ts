/** The doctor beside real Redis servers that are set up badly. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/settings.js';
import { examine } from '../../src/doctor/examine.js';
import type { Finding } from '../../src/doctor/findings.js';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { inspectProgram } from '../../src/embedded/server-program.js';
import { isListening } from '../../src/embedded/unix-socket.js';
import { freePort } from '../support/free-port.js';
import { MAIN, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { mountSmallDisk } from '../support/small-disk.js';

const MIB = 1024 * 1024;
/** All that the doctor asks for. */
const GOOD = [
  ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory', '1gb'],
  ...['--client-output-buffer-limit', 'normal 256mb 0 0'],
];

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function redisWith(...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis(...GOOD, ...settings);
  ending.push(() => redis.stop());
  return redis;
}

async function examined(url: string, settings: Record<string, string> = {}): Promise<Finding[]> {
  return examine(loadConfig({ REDIS_URL: url, ...settings }));
}

const found = (findings: readonly Finding[], check: string) =>
  findings.find((finding) => finding.check === check);

test('a Redis as it should be has nothing but its version to say against it, and is left as it was', async () => {
  const redis = await redisWith();
  const findings = await examined(redis.url);
  expect(found(findings, 'reachable')).toMatchObject({ level: 'ok' });
  expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
  const ofMachine = ['version', 'node', 'open-files', 'backlog', 'buffers', 'huge-pages', 'overcommit'];
  const warnings = findings.filter(({ level, check }) => level === 'warning' && !ofMachine.includes(check));
  expect(warnings).toEqual([]);
  expect(await redis.client.dbsize()).toBe(0);
});

describe('a setting that hurts', () => {
  test.each<[settings: string[], check: string, level: string, message: RegExp]>([
    [['--maxmemory-policy', 'allkeys-lru'], 'eviction', 'problem', /deletes whole streams.*noeviction/],
    [['--maxmemory-policy', 'allkeys-lfu', '--maxmemory', '0'], 'eviction', 'warning', /noeviction/],
    [['--maxmemory-policy', 'volatile-lru'], 'eviction', 'ok', /No stream is ever evicted/],
    [['--maxmemory', '512kb'], 'memory', 'problem', /of 524288 bytes \(maxmemory\)/],
    [['--maxmemory', '0'], 'memory', 'warning', /has no limit.*set maxmemory/],
    [
      ['--appendonly', 'no'],
      'persistence',
      'warning',
      /^Acknowledged entries do not survive.*appendonly yes/,
    ],
    [['--appendonly', 'no', '--save', '60 1'], 'persistence', 'warning', /since its last snapshot/],
    [['--appendfsync', 'no'], 'persistence', 'warning', /power cut.*everysec/],
    [['--appendfsync', 'always'], 'persistence', 'ok', /on the disk/],
    [
      ['--client-output-buffer-limit', 'normal 1mb 0 0'],
      'output-buffers',
      'problem',
      /cuts connections with 1 MiB/,
    ],
    [['--client-output-buffer-limit', 'normal 0 0 0'], 'output-buffers', 'warning', /without a limit/],
    [['--maxclients', '12'], 'clients', 'problem', /of 12 clients.*raise maxclients/],
    [['--tracking-table-max-keys', '0'], 'tracking', 'ok', /can track.*tracks 0 keys now/],
    [['--tracking-table-max-keys', '16384'], 'tracking', 'ok', /can track/],
    [['--tracking-table-max-keys', '16383'], 'tracking', 'warning', /of 16383 keys at most.*16384 or more/],
    [['--timeout', '30'], 'timeout', 'warning', /idle for 30 s/],
    [['--proto-max-bulk-len', '2mb'], 'entry-size', 'problem', /more than 2 MiB.*MAX_PAYLOAD_BYTES/],
    [['--min-replicas-to-write', '1'], 'replicas', 'problem', /fewer than 1 replicas/],
    [['--replicaof', '127.0.0.1 1'], 'role', 'problem', /replica, which takes no writes.*127\.0\.0\.1:1/],
  ])('%j', async (settings, check, level, message) => {
    const redis = await redisWith(...settings);
    expect(found(await examined(redis.url), check)).toEqual({
      check,
      level,
      message: expect.stringMatching(message),
    });
  });

  test('a snapshot that failed', async () => {
    const redis = await redisWith('--enable-protected-configs', 'yes');
    await redis.client.config('SET', 'dir', '/proc');
    await redis.client.bgsave();
    await vi.waitFor(async () => {
      expect(found(await examined(redis.url), 'disk')).toMatchObject({
        level: 'problem',
        message: expect.stringMatching(/refuses writes/),
      });
    });
  });
});

describe('who may not do all', () => {
  async function redisFor(...rules: string[]): Promise<string> {
    const port = await freePort();
    const redis = await redisWith('--port', String(port));
    await redis.client.acl('SETUSER', 'gate', 'on', '>s3cret', '~*', ...rules);
    return `redis://gate:s3cret@127.0.0.1:${port}`;
  }

  test('is told what is missing, with or without ACL DRYRUN', async () => {
    for (const rules of [
      ['+@all', '-xadd', '-client|unblock'],
      ['+@all', '-xadd', '-client|unblock', '-acl'],
    ]) {
      const findings = await examined(await redisFor(...rules));
      const { level, message } = found(findings, 'rights')!;
      expect([level, message]).toEqual(['problem', expect.stringMatching(/XADD \(to store entries\)/)]);
      expect(message).toMatch(/CLIENT UNBLOCK/);
      expect(message).not.toMatch(/XREAD|XRANGE|s3cret/);
    }
  });

  test('is warned of what it can do without', async () => {
    const findings = await examined(await redisFor('+@all', '-client|kill', '-wait'));
    expect(found(findings, 'rights')).toEqual({
      check: 'rights',
      level: 'warning',
      message: expect.stringMatching(/CLIENT KILL \(.*WAIT \(for min_replicas\)/),
    });
  });

  test('keys out of reach are told too', async () => {
    const findings = await examined(await redisFor('+@all', 'resetkeys', '~other:*'));
    expect(found(findings, 'rights')).toMatchObject({ level: 'problem' });
  });

  test('one who may do all but see the settings is warned of that alone', async () => {
    const findings = await examined(await redisFor('+@all', '-config'));
    expect(found(findings, 'rights')).toMatchObject({ level: 'ok' });
    expect(found(findings, 'visibility')).toMatchObject({ level: 'warning' });
    expect(found(findings, 'persistence')).toMatchObject({ level: 'ok' });
    expect(found(findings, 'eviction')).toBeUndefined();
  });

  test.each(['redis://127.0.0.1:PORT', 'redis://gate:wrong@127.0.0.1:PORT'])(
    '%s is let in by nobody',
    async (url) => {
      const port = await freePort();
      const redis = await redisWith('--port', String(port));
      await redis.client.config('SET', 'requirepass', 's3cret');
      const findings = await examined(url.replace('PORT', String(port)));
      expect(found(findings, 'reachable')).toMatchObject({
        level: 'problem',
        message: expect.stringMatching(/: Redis (requires a password|does not accept the user and password)/),
      });
      expect(JSON.stringify(findings)).not.toContain('wrong@');
    },
  );
});

describe('the program that runs', () => {
  test('is named with its own version, not the one of Redis that it resembles', async () => {
    const { release } = await inspectProgram((await findRedisServer())!);
    const redis = await redisWith();
    const { message } = found(await examined(redis.url), 'version')!;
    expect(message).toContain(`${release!.name} ${release!.version}`);
  });

  test('as a Sentinel is recognised, though it stores nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sg-doctor-'));
    const path = join(folder, 's');
    await writeFile(join(folder, 'conf'), `port 0\nunixsocket ${path}\ndir ${folder}\n`);
    const sentinel = spawn((await findRedisServer())!, [join(folder, 'conf'), '--sentinel'], {
      stdio: 'ignore',
    });
    ending.push(async () => {
      sentinel.kill('SIGKILL');
      await once(sentinel, 'exit');
      await rm(folder, { recursive: true });
    });
    await vi.waitFor(async () => expect(await isListening(path)).toBe(true), { timeout: 10_000 });
    expect(found(await examined(`unix://${path}`), 'role')).toMatchObject({
      level: 'problem',
      message: expect.stringMatching(/^This is a Sentinel/),
    });
  });
});

describe('the embedded Redis', () => {
  test('that has data of a server that is gone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sg-doctor-'));
    ending.push(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'server.json'), '{"name":"Valkey","version":"99.0.0"}');
    expect(found(await examine(loadConfig({ STREAMGATE_DATA_DIR: folder })), 'reachable')).toMatchObject({
      level: 'problem',
      message: expect.stringMatching(/was written by Valkey 99\.0\.0.*unharmed/),
    });
  });

  test('that runs is looked at', async () => {
    const gateway = await startGatewayProcess();
    ending.push(() => gateway.stop());
    const findings = await examine(loadConfig({ STREAMGATE_DATA_DIR: gateway.dataDir }));
    expect(found(findings, 'persistence')).toMatchObject({
      level: 'ok',
      message: expect.stringMatching(/about the last second/),
    });
    expect(found(findings, 'free-disk')).toBeDefined();
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
  });

  test('on a disk that is nearly full', async () => {
    const disk = await mountSmallDisk(4 * MIB);
    ending.push(() => disk.unmount());
    const findings = await examine(loadConfig({ STREAMGATE_DATA_DIR: `${disk.folder}/not/yet` }));
    expect(found(findings, 'reachable')).toMatchObject({ level: 'ok' });
    expect(found(findings, 'free-disk')).toMatchObject({ level: 'problem' });
  });
});

describe('streamgate doctor', () => {
  function doctor(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return new Promise((resolve) => {
      const child = execFile(process.execPath, [MAIN, 'doctor', ...args], (_error, stdout, stderr) =>
        resolve({ code: child.exitCode!, stdout, stderr }),
      );
    });
  }

  test('tells it in lines, and ends with 0 where nothing is a problem', async () => {
    const redis = await redisWith();
    const { code, stdout, stderr } = await doctor('--redis-url', redis.url);
    expect([code, stderr]).toEqual([0, '']);
    for (const line of stdout.trimEnd().split('\n').slice(0, -2)) {
      expect(line).toMatch(/^(ok|warning|problem) +[a-z-]+ +\S.*\.$/);
    }
    expect(stdout).toMatch(/\n\nno problems, (no|\d+) warnings?\.\n$/);
  });

  test('tells it as JSON, and ends with 1 where something is', async () => {
    const redis = await redisWith('--maxmemory-policy', 'allkeys-random');
    const { code, stdout } = await doctor('--json', '--redis-url', redis.url);
    const told = JSON.parse(stdout) as { problems: number; warnings: number; findings: Finding[] };
    expect(code).toBe(1);
    expect(told.problems).toBe(1);
    expect(told.findings.filter(({ level }) => level === 'problem')).toEqual([
      { check: 'eviction', level: 'problem', message: expect.any(String) },
    ]);
  });

  test('says in one line which setting is wrong', async () => {
    expect(await doctor('--port', 'x')).toEqual({
      code: 1,
      stdout: '',
      stderr: "streamgate: PORT must be a whole number from 0 to 65535, not 'x'.\n",
    });
  });
});
