import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ensureRedisServer, findRedisServer } from '../../src/embedded/binaries.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'streamgate-'));
  await mkdir(join(root, 'a'));
  await mkdir(join(root, 'b'));
  vi.stubEnv('PATH', `:relative:${join(root, 'a')}:${join(root, 'b')}`);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

test('finds the first that may be executed, Redis before Valkey before Redict', async () => {
  await mkdir(join(root, 'a', 'redis-server'));
  expect(await findRedisServer()).toBeUndefined();
  await writeFile(join(root, 'a', 'redict-server'), '', { mode: 0o755 });
  expect(await findRedisServer()).toBe(join(root, 'a', 'redict-server'));
  await writeFile(join(root, 'a', 'valkey-server'), '', { mode: 0o755 });
  expect(await findRedisServer()).toBe(join(root, 'a', 'valkey-server'));
  await writeFile(join(root, 'b', 'redis-server'), '', { mode: 0o755 });
  expect(await ensureRedisServer(() => {})).toBe(join(root, 'b', 'redis-server'));
});

test('says that it installs one, and in one line what to do where nothing can', async () => {
  const lines: string[] = [];
  await expect(ensureRedisServer((line) => lines.push(line))).rejects.toThrow(
    /^None of redis-server, valkey-server, redict-server is on the PATH\. Set REDIS_URL .* or install it by hand, since none of .*$/,
  );
  expect(lines).toEqual(['No Redis server is on the PATH, and REDIS_URL names none, so one is installed.']);
});
