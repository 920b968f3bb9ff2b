/** The gateway where optional dependencies were left out: `npm ci --omit=optional`. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** The build may be a link, as in the image: its own packages would be found behind it. */
const COPY = { recursive: true, dereference: true };

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-without-sharp-'));
  await mkdir(join(folder, 'node_modules'));
  const packages = (await readdir('node_modules')).filter(
    (name) => name !== 'sharp' && !name.startsWith('.'),
  );
  for (const name of packages)
    await symlink(resolve('node_modules', name), join(folder, 'node_modules', name));
  await cp('package.json', join(folder, 'package.json'));
  await cp('dist/src', join(folder, 'dist/src'), COPY);
  await cp('dist/workers', join(folder, 'dist/workers'), COPY);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const streamgate = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(folder, 'dist/src/main.js'), ...args], { timeout: 20_000 });

test('the commands that need no images work', async () => {
  expect((await streamgate('serve', '--help')).stdout).toContain('--redis-url');
});

test.for(['push_image', 'pull_image', 'push_image_rest', 'pull_image_rest'])(
  '%s says what is missing, and how to get it',
  async (command) => {
    const failure = await streamgate(command, 'cam', '--count', '1').catch((error) => error);
    expect(failure).toMatchObject({
      code: 1,
      stderr: 'this command needs the package sharp, which is not installed: npm install sharp\n',
    });
  },
);
