/** Which server serves which data. What each can read was seen with the servers of `npm run test:servers`. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { findRedisServer } from '../../src/embedded/binaries.js';
import { canRead, chooseServer } from '../../src/embedded/choose-server.js';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../src/embedded/embedded.js';
import { inspectProgram, type ServerRelease } from '../../src/embedded/server-program.js';
import { createLogger } from '../../src/system/logger.js';

let root: string;
let folder: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sg-choose-'));
  folder = join(root, 'data');
  await mkdir(folder);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const release = (text: string): ServerRelease => {
  const [name, version] = text.split(' ');
  return { name: name as ServerRelease['name'], version: version! };
};

describe('what a server can read', () => {
  test.each([
    ['Redis 7.0.15', 'Redis 7.0.11', true],
    ['Redis 7.0.15', 'Redis 8.0.2', false],
    ['Redis 7.0.15', 'Valkey 8.1.1', false],
    ['Redis 7.0.15', 'Redict 7.3.6', false],
    ['Redis 8.0.2', 'Redis 7.0.15', true],
    ['Redis 8.0.2', 'Redis 8.6.3', false],
    ['Redis 8.0.2', 'Valkey 8.1.1', true],
    ['Redis 8.0.2', 'Valkey 9.1.2', false],
    ['Redis 8.0.2', 'Redict 7.3.6', true],
    ['Redis 8.6.3', 'Valkey 9.1.2', false],
    ['Redis 8.10.0', 'Redis 8.6.3', true],
    ['Valkey 8.1.1', 'Redis 7.0.15', true],
    ['Valkey 8.1.1', 'Redis 8.0.2', false],
    ['Valkey 8.1.1', 'Valkey 9.1.2', false],
    ['Valkey 8.1.1', 'Redict 7.3.6', false],
    ['Valkey 9.1.2', 'Valkey 8.1.1', true],
    ['Valkey 9.1.2', 'Redis 8.6.3', false],
    ['Redict 7.3.6', 'Redis 8.0.2', true],
    ['Redict 7.3.6', 'Redis 8.6.3', false],
    ['Redict 7.3.6', 'Valkey 9.1.2', false],
  ])('%s on data of %s: %s', (reader, writer, able) => {
    expect(canRead(release(reader), release(writer))).toBe(able);
  });
});

/** A program that says that it is `text`; as a server it is the real one. @returns its folder */
async function program(name: string, text: string): Promise<string> {
  const [server, version] = text.split(' ');
  const real = await findRedisServer();
  const path = join(root, `${name}-${version}`);
  await mkdir(path);
  const says = `${server} server v=${version} sha=00000000:0 malloc=libc bits=64 build=0`;
  const script = `#!/bin/sh\n[ "$1" = --version ] && echo '${says}' && exit\nexec '${real}' "$@"\n`;
  await writeFile(join(path, name), script, { mode: 0o755 });
  return path;
}

function setPath(...folders: string[]): void {
  vi.stubEnv('PATH', [...folders, '/bin', '/usr/bin'].join(delimiter));
}

const writtenBy = (text: string) => writeFile(join(folder, 'server.json'), JSON.stringify(release(text)));

test('prefers the program that wrote the data to one that is first on the PATH', async () => {
  const redis = await program('redis-server', 'Redis 8.0.2');
  const valkey = await program('valkey-server', 'Valkey 8.1.1');
  const older = await program('valkey-server', 'Valkey 7.2.0');
  setPath(redis, older, valkey);
  expect((await chooseServer(folder)).path).toBe(join(redis, 'redis-server'));
  await writtenBy('Valkey 8.1.0');
  expect(await chooseServer(folder)).toEqual({
    path: join(valkey, 'valkey-server'),
    release: release('Valkey 8.1.1'),
  });
});

test('takes another that can read the data where that program is gone', async () => {
  const redis = await program('redis-server', 'Redis 8.0.2');
  vi.stubEnv('PATH', redis);
  await writtenBy('Valkey 8.1.0');
  expect((await chooseServer(folder)).path).toBe(join(redis, 'redis-server'));
});

test.each([
  ['Valkey 9.1.2', 'Redis 8.6.3'],
  ['Redis 8.6.3', 'Valkey 9.1.2'],
  ['Redis 8.6.3', 'Redis 7.0.15'],
])('names the writer, %s, where only %s is there, and how to go on', async (writer, found) => {
  const path = await program('redis-server', found);
  vi.stubEnv('PATH', path);
  await writtenBy(writer);
  const failure = await chooseServer(folder).catch((error: Error) => error.message);
  expect(failure).toContain(`The data in ${folder} was written by ${writer}, which ${found} (${path}/`);
  expect(failure).toMatch(/cannot read\. The data is unharmed: put .* or later on the PATH, or set /);
});

test.each([
  ['REDIS0010\xfa\x09redis-ver\x067.0.15\xfa', 'Redis 7.0.15'],
  ['REDIS0011\xfa\x0avalkey-ver\x058.1.1\xfa', 'Valkey 8.1.1'],
  ['VALKEY080\xfa\x0avalkey-ver\x059.1.2\xfa', 'Valkey 9.1.2'],
  ['REDIS0012\xfa\x09redis-ver\x057.3.6\xfa', 'Redict 7.3.6'],
])('recognises the writer of a folder without a record by its base file: %j', async (head, writer) => {
  vi.stubEnv('PATH', await program('redis-server', 'Redis 6.0.0'));
  await mkdir(join(folder, 'appendonlydir'));
  await writeFile(join(folder, 'appendonlydir', 'appendonly.aof.12.base.rdb'), Buffer.from(head, 'latin1'));
  await writeFile(join(folder, 'appendonlydir', 'appendonly.aof.9.base.rdb'), 'REDIS0010');
  await expect(chooseServer(folder)).rejects.toThrow(`was written by ${writer}, which`);
});

describe('a real server', () => {
  let started: EmbeddedRedis | undefined;
  afterEach(() => started?.stop());
  const start = async () => {
    started = await startEmbeddedRedis({ dataDir: folder, logger: createLogger('silent') });
    return started;
  };

  test('is remembered in the folder, preferred, and missed where it is gone', async () => {
    const path = (await findRedisServer())!;
    const { release: own } = await inspectProgram(path);
    const newer = `${own!.name} 99.0.0`;
    const newest = await program('valkey-server', newer);
    vi.stubEnv('PATH', newest);
    await (await start()).stop();
    expect(JSON.parse(await readFile(join(folder, 'server.json'), 'utf8'))).toEqual(release(newer));
    setPath(dirname(path), newest);
    await (await start()).stop();
    setPath(dirname(path));
    await expect(start()).rejects.toThrow(`was written by ${newer}, which ${own!.name} ${own!.version} (`);
  });
});
