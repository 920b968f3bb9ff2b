import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder } from '../../src/system/make-folder.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sg-folder-'));
});

afterEach(() => rm(root, { recursive: true }));

test('those above are made, too, by the mode asked for', async () => {
  await makeFolder(join(root, 'a', 'b'), 0o700);
  for (const folder of ['a', 'a/b']) expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700);
});

test('one that is there is left as it is, behind a link, too', async () => {
  await symlink(root, join(root, 'link'));
  const { mode } = await stat(root);
  await makeFolder(join(root, 'link'));
  expect((await stat(root)).mode).toBe(mode);
});

test('several at once make the same', async () => {
  await Promise.all(Array.from({ length: 10 }, () => makeFolder(join(root, 'x', 'y'))));
  expect((await stat(join(root, 'x', 'y'))).isDirectory()).toBe(true);
});

test('what is no folder is an error', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(root, 'file', 'x'))).rejects.toMatchObject({ code: 'EEXIST' });
});
