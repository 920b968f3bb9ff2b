import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EmbeddedRedisError } from '../../src/embedded/embedded-error.js';
import { type FolderLock, lockFolder } from '../../src/embedded/folder-lock.js';

vi.setConfig({ testTimeout: 30_000 });

let folder: string;
let held: FolderLock[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'streamgate-'));
  held = [];
});

afterEach(async () => {
  await Promise.all(held.map((lock) => lock.release()));
  await rm(folder, { recursive: true });
});

async function lock(): Promise<FolderLock> {
  const taken = await lockFolder(folder);
  held.push(taken);
  return taken;
}

/** Takes the lock in a process of its own. */
async function lockElsewhere(): Promise<ChildProcess> {
  const module = pathToFileURL(join(import.meta.dirname, '../../dist/src/embedded/folder-lock.js'));
  const program = `
    import { lockFolder } from '${module}';
    await lockFolder(${JSON.stringify(folder)});
    console.log('locked');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  return child;
}

test('is held by one, until it is released', async () => {
  const first = await lock();
  await expect(lock()).rejects.toThrow(
    new EmbeddedRedisError(
      `The data folder ${folder} is in use by another streamgate: stop it, or set STREAMGATE_DATA_DIR to another folder.`,
    ),
  );
  await first.release();
  const second = await lock();
  await first.release();
  await expect(lock()).rejects.toThrow('in use');
  await second.release();
  expect(await readdir(folder)).toEqual([]);
});

test('dies with the process that held it', async () => {
  const holder = await lockElsewhere();
  try {
    await expect(lock()).rejects.toThrow('in use');
  } finally {
    holder.kill('SIGKILL');
    await once(holder, 'exit');
  }
  const dead = await readdir(folder);
  expect(dead).toHaveLength(1);
  await lock();
  expect(await readdir(folder)).not.toContain(dead[0]);
});

test('is held even by a process that is halted', async () => {
  const holder = await lockElsewhere();
  try {
    holder.kill('SIGSTOP');
    await expect(lock()).rejects.toThrow('in use');
  } finally {
    holder.kill('SIGKILL');
  }
});

test('is held by one whose clock was ahead', async () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValueOnce(Date.now() + 3_600_000);
  const ahead = await lock();
  clock.mockRestore();
  await expect(lock()).rejects.toThrow('in use');
  await ahead.release();
  await lock();
});

test('of many who start at once exactly one gets it', async () => {
  for (let round = 0; round < 10; round++) {
    // What a killed holder left, under a name before and one after all others.
    for (const name of ['lock.0000000000000', 'lock.zzzzzzzzzzzzz']) await writeFile(join(folder, name), '');
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, lock));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(lock()).rejects.toThrow('in use');
    await held.pop()!.release();
    expect(await readdir(folder)).toEqual([]);
  }
});

test('one who visits and stays does not hold up the release', async () => {
  const taken = await lock();
  const [name] = await readdir(folder);
  const visitor = connect({ path: join(folder, name!), allowHalfOpen: true });
  await once(visitor, 'connect');
  await taken.release();
  expect(await readdir(folder)).toEqual([]);
  visitor.destroy();
});

test('a folder that cannot be written to is told', async () => {
  await expect(lockFolder(join(folder, 'missing'))).rejects.toThrow(
    new RegExp(`^The data folder ${folder}/missing cannot be used: .*\\.$`),
  );
});
