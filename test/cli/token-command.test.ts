import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTokenFile } from '../../src/access/token-file.js';
import { isToken } from '../../src/access/tokens.js';
import { MAIN } from '../support/gateway-process.js';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-tokens-'));
  file = join(folder, 'tokens.json');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

interface Told {
  readonly code?: number;
  readonly stdout: string;
  readonly stderr: string;
}

function token(...args: string[]): Promise<Told> {
  return promisify(execFile)(process.execPath, [MAIN, 'token', ...args], {
    env: { ...process.env, ACCESS_TOKENS_FILE: file },
  }).catch((error: Told) => error as never);
}

test('create prints the token alone, and stores what it allows', async () => {
  const made = await token(
    ...['create', '--id', 'camera', '--device', 'cam1', '--expires', '30d', '--note', 'on the roof'],
    ...['--allow', 'read', '--allow', 'write,meta@cam1:front*'],
  );
  expect(made.stdout).toMatch(/^sg_camera_[\w-]{43}\n$/);
  expect(made.stderr).toContain('SIGHUP');
  expect(made.stderr).not.toContain(made.stdout.trim());
  const [record] = await readTokenFile(file);
  expect(record).toMatchObject({
    id: 'camera',
    device: 'cam1',
    rights: [
      { device: '*', stream: '*', actions: ['read'] },
      { device: 'cam1', stream: 'front*', actions: ['write', 'meta'] },
    ],
    note: 'on the roof',
  });
  const days = (Date.parse(record!.expires!) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(29.9);
  expect(days).toBeLessThanOrEqual(30);
  expect(isToken(made.stdout.trim(), record!.sha256)).toBe(true);
  expect(await readFile(file, 'utf8')).not.toContain(made.stdout.trim().split('_').slice(2).join('_'));
});

test('list tells all but the secrets, and revoke takes one out', async () => {
  const one = await token('create', '--id', 'one', '--allow', 'read@*::event:*');
  const two = await token('create', '--id', 'two', '--allow', 'read,write', '--expires', '2999-12-31');
  const { stdout } = await token('list');
  expect(stdout).toBe(
    'one\tall devices\tread@*::event:*\texpires never\t\n' +
      'two\tall devices\tread,write\texpires 2999-12-31T00:00:00.000Z\t\n',
  );
  for (const { stdout: secret } of [one, two]) expect(stdout).not.toContain(secret.trim());
  await token('revoke', 'one');
  expect((await readTokenFile(file)).map(({ id }) => id)).toEqual(['two']);
});

test.each<[string, string[], string]>([
  ['no right', ['create'], '--allow'],
  ['an action that there is not', ['create', '--allow', 'all'], 'read,write,meta,admin'],
  ['a right without an action', ['create', '--allow', '@cam1'], 'read,write,meta,admin'],
  ['a device without a name', ['create', '--allow', 'read@:x'], '@DEVICE'],
  ['a device that is none', ['create', '--allow', 'read', '--device', 'a:b'], 'must be a device id'],
  ['a time that has passed', ['create', '--allow', 'read', '--expires', '2001-01-01'], 'in the future'],
  ['a time that is none', ['create', '--allow', 'read', '--expires', 'soon'], 'in the future'],
  ['an id that is none', ['create', '--allow', 'read', '--id', 'a_b'], 'a to z'],
  ['a file that is not there', ['list'], 'There is no tokens file'],
])('%s is refused in a sentence', async (_, args, reason) => {
  const { code, stdout, stderr } = await token(...args);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain(reason);
  expect(stderr).not.toContain('    at ');
});

test('an id is given once, and only one that there is can be revoked', async () => {
  await token('create', '--id', 'one', '--allow', 'read');
  expect((await token('create', '--id', 'one', '--allow', 'write')).stderr).toBe(
    'streamgate: There is already a token one: choose another --id.\n',
  );
  expect((await token('revoke', 'two')).stderr).toBe(
    "streamgate: There is no token two: 'streamgate token list' shows all.\n",
  );
  expect(await readTokenFile(file)).toMatchObject([{ id: 'one', rights: [{ actions: ['read'] }] }]);
});
