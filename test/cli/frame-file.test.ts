import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { replaceFrame } from '../../src/cli/frame-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'streamgate-frame-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test('keeps the newest frame and leaves nothing else behind', async () => {
  const path = join(folder, 'frame.jpg');
  await replaceFrame(path, Buffer.from('old, and longer'));
  await replaceFrame(path, Buffer.from('new'));
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await readdir(folder)).toEqual(['frame.jpg']);
});

test('leaves nothing behind where it fails', async () => {
  const taken = join(folder, 'taken');
  await mkdir(taken);
  await expect(replaceFrame(taken, Buffer.from('frame'))).rejects.toThrow(`cannot write ${taken}`);
  expect(await readdir(folder)).toEqual(['taken']);
});
