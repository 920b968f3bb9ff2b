import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/embedded/embedded.js';
import { redisArguments } from '../../src/embedded/redis-process.js';
import { ask, isNobody } from '../../src/embedded/unix-socket.js';
import { createLogger } from '../../src/system/logger.js';

vi.setConfig({ testTimeout: 30_000 });
const WAIT = { timeout: 15_000, interval: 10 };
const logger = createLogger('silent');

let root: string;
let folder: string;
let children: ChildProcess[];
let started: EmbeddedRedis[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'streamgate-'));
  folder = join(root, 'data');
  children = [];
  started = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(started.map((redis) => redis.stop()));
  await vi.waitFor(async () => expect(await isAnswering(join(folder, 'redis.sock'))).toBe(false), WAIT);
  await rm(root, { recursive: true });
});

async function start(dataDir = folder): Promise<EmbeddedRedis> {
  const redis = await startEmbeddedRedis({ dataDir, logger });
  started.push(redis);
  return redis;
}

/** The lines that Redis answers to one command. */
async function command(socketPath: string, text: string): Promise<string[]> {
  const answer = await ask(socketPath, `${text}\r\nQUIT\r\n`, 5000);
  return answer.split('\r\n').slice(0, -2);
}

async function isAnswering(socketPath: string): Promise<boolean> {
  return ask(socketPath, 'QUIT\r\n', 5000).then(
    () => true,
    (cause) => !isNobody(cause),
  );
}

/** Waits until Redis runs as another process than `pid`, and answers. */
async function nextRun(redis: EmbeddedRedis, pid: number | undefined): Promise<void> {
  await vi.waitFor(async () => {
    expect(redis.pid ?? pid).not.toBe(pid);
    expect(await command(redis.socketPath, 'PING')).toEqual(['+PONG']);
  }, WAIT);
}

function parentOf(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }));
}

/** The processes that the watcher `pid` leads, itself included; not those that only wait to be reaped. */
function groupOf(pid: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,pgid=,stat='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, group, state]) => Number(group) === pid && !state!.startsWith('Z'))
    .map(([id]) => Number(id));
}

/** A gateway, as far as this goes, as a process of its own, and the process id of its Redis. */
async function startGateway(cwd = root): Promise<{ gateway: ChildProcess; pid: number }> {
  const [embedded, log] = ['embedded/embedded.js', 'system/logger.js'].map((file) =>
    pathToFileURL(join(import.meta.dirname, '../../dist/src', file)),
  );
  const program = `
    import { startEmbeddedRedis } from '${embedded}';
    import { createLogger } from '${log}';
    const redis = await startEmbeddedRedis({
      dataDir: ${JSON.stringify(folder)},
      logger: createLogger('silent'),
    });
    console.log(redis.pid);
  `;
  const gateway = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(gateway);
  const [line] = await once(gateway.stdout!, 'data');
  return { gateway, pid: Number(line) };
}

test('answers on a socket for its owner only', async () => {
  const redis = await start();
  expect(await command(redis.socketPath, 'PING')).toEqual(['+PONG']);
  expect((await command(redis.socketPath, 'INFO server')).join()).toContain(`process_id:${redis.pid},`);
  for (const path of [folder, join(folder, 'redis.sock')]) {
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  }
});

test('is beyond the reach of a Ctrl-C that is meant for the gateway', async () => {
  const redis = await start();
  expect(groupOf(parentOf(redis.pid!))).toContain(redis.pid);
});

test.runIf(process.platform === 'linux')('listens on no TCP port', async () => {
  const redis = await start();
  const fds = await readdir(`/proc/${redis.pid}/fd`);
  const open = await Promise.all(fds.map((fd) => readlink(`/proc/${redis.pid}/fd/${fd}`).catch(() => '')));
  const sockets = open.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
  expect(sockets).not.toEqual([]);
  const tcp = (await readFile('/proc/net/tcp', 'utf8')) + (await readFile('/proc/net/tcp6', 'utf8'));
  const tcpInodes = tcp.split('\n').map((row) => row.trim().split(/\s+/)[9]);
  expect(sockets.filter((inode) => tcpInodes.includes(inode))).toEqual([]);
});

test('keeps its data over stop and start, and stops with all that belongs to it', async () => {
  const first = await start();
  const watcher = parentOf(first.pid!);
  await command(first.socketPath, 'SET kept yes');
  await first.stop();
  expect(first.pid).toBeUndefined();
  expect(groupOf(watcher)).toEqual([]);
  const second = await start();
  expect(await command(second.socketPath, 'GET kept')).toEqual(['$3', 'yes']);
});

test('comes back with its data after it was killed', async () => {
  const redis = await start();
  await command(redis.socketPath, 'SET kept yes');
  for (let round = 0; round < 3; round++) {
    const { pid } = redis;
    process.kill(pid!, 'SIGKILL');
    await nextRun(redis, pid);
  }
  expect(await command(redis.socketPath, 'GET kept')).toEqual(['$3', 'yes']);
});

test('comes back after its watcher was killed, and the old one ends', async () => {
  const redis = await start();
  const pid = redis.pid!;
  const watcher = parentOf(pid);
  process.kill(watcher, 'SIGKILL');
  await nextRun(redis, pid);
  await vi.waitFor(() => expect(groupOf(watcher)).toEqual([]), WAIT);
});

test('stops while it is coming back', async () => {
  const redis = await start();
  const watcher = parentOf(redis.pid!);
  process.kill(redis.pid!, 'SIGKILL');
  await vi.waitFor(() => expect(redis.pid).toBeUndefined(), WAIT);
  await redis.stop();
  expect(redis.pid).toBeUndefined();
  expect(groupOf(watcher)).toEqual([]);
  expect(await isAnswering(redis.socketPath)).toBe(false);
});

test('a second start on one folder is refused, until the first has stopped', async () => {
  const first = await start();
  await expect(start()).rejects.toThrow(`The data folder ${folder} is in use by another streamgate: stop it`);
  expect(await command(first.socketPath, 'PING')).toEqual(['+PONG']);
  await first.stop();
  await start();
});

test('ends when the gateway is killed, with all that belongs to it', async () => {
  const { gateway, pid } = await startGateway();
  const watcher = parentOf(pid);
  await command(join(folder, 'redis.sock'), 'SET kept yes');
  gateway.kill('SIGKILL');
  await vi.waitFor(() => expect(groupOf(watcher)).toEqual([]), WAIT);
  const next = await start();
  expect(await command(next.socketPath, 'GET kept')).toEqual(['$3', 'yes']);
});

test('a start right after the gateway was killed waits for the old one to end', async () => {
  const { gateway } = await startGateway();
  await command(join(folder, 'redis.sock'), 'SET kept yes');
  gateway.kill('SIGKILL');
  await once(gateway, 'exit');
  const next = await start();
  expect(await command(next.socketPath, 'GET kept')).toEqual(['$3', 'yes']);
});

test('ends an orphan and takes its data over', async () => {
  await mkdir(folder, { mode: 0o700 });
  const orphan = spawn((await findRedisServer())!, redisArguments(), {
    cwd: folder,
    stdio: 'ignore',
  });
  children.push(orphan);
  const path = join(folder, 'redis.sock');
  await vi.waitFor(async () => expect(await command(path, 'SET kept yes')).toEqual(['+OK']), WAIT);
  const redis = await start();
  expect(orphan.exitCode ?? (await once(orphan, 'exit'))[0]).toBe(0);
  expect(await command(redis.socketPath, 'GET kept')).toEqual(['$3', 'yes']);
});

test('a start that fails says what Redis said last, and gives the folder up', async () => {
  await mkdir(folder);
  // Redis' folder for the append-only file can't be made where a file is.
  await writeFile(join(folder, 'appendonlydir'), '');
  await expect(start()).rejects.toThrow(/^The embedded Redis ended with status 1 \(.*append-only.*\)\.$/);
  await rm(join(folder, 'appendonlydir'));
  await start();
});

test('serves a folder with an odd name', async () => {
  folder = join(root, `it's "a" $HOME\\n folder`);
  const redis = await start();
  expect(await command(redis.socketPath, 'PING')).toEqual(['+PONG']);
});

test('refuses a folder too deep for a socket, unless it is near', async () => {
  const parent = join(root, 'd'.repeat(100));
  folder = join(parent, 'data');
  await expect(start()).rejects.toThrow(/^STREAMGATE_DATA_DIR must be a shorter path: /);
  await mkdir(parent);
  const { pid } = await startGateway(parent);
  expect(pid).toBeGreaterThan(0);
});

/** Every file below the folder that others than its owner may do something with. */
async function openToOthers(): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const modes = await Promise.all(
    names.map(async (name) => [name, (await stat(join(folder, name))).mode] as const),
  );
  return modes.filter(([, mode]) => (mode & 0o077) !== 0).map(([name]) => name);
}

test('keeps its files from everyone else, also in a folder that others may read', async () => {
  await mkdir(folder, { mode: 0o755 });
  const redis = await start();
  await command(redis.socketPath, 'SET kept yes');
  expect((await readdir(folder, { recursive: true })).some((name) => name.endsWith('.aof'))).toBe(true);
  expect(await openToOthers()).toEqual([]);
});

test('takes files that others could read from them', async () => {
  const first = await start();
  await first.stop();
  const files = join(folder, 'appendonlydir');
  await chmod(files, 0o755);
  for (const name of await readdir(files)) await chmod(join(files, name), 0o644);
  await start();
  expect(await openToOthers()).toEqual([]);
});

test('does not pass on the advice to cut off data that cannot be read, and leaves it as it is', async () => {
  const first = await start();
  await command(first.socketPath, 'SET kept yes');
  await first.stop();
  const files = join(folder, 'appendonlydir');
  const growing = join(files, (await readdir(files)).find((name) => name.endsWith('.incr.aof'))!);
  await appendFile(growing, 'this is no command\r\n');
  const before = await readFile(growing);
  const failure = await start().catch((error: Error) => error.message);
  expect(failure).toMatch(
    /append only file.*Nothing in .* was changed; copy it before you try to repair it\.$/,
  );
  expect(failure).not.toMatch(/check-aof|--fix/);
  expect(await readFile(growing)).toEqual(before);
});
