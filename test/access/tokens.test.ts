import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeTokenFile, readTokenFile, type TokenRecord } from '../../src/access/token-file.js';
import { isToken, makeToken, tokenId } from '../../src/access/tokens.js';

describe('a token', () => {
  test('names its id, and only its digest is stored', () => {
    const { id, token, sha256 } = makeToken('the-camera');
    expect(token).toMatch(/^sg_the-camera_[A-Za-z0-9_-]{43}$/);
    expect([id, tokenId(token)]).toEqual(['the-camera', 'the-camera']);
    expect(sha256).toBe(createHash('sha256').update(token).digest('hex'));
    expect(isToken(token, sha256)).toBe(true);
  });

  test('is another each time', () => {
    const made = Array.from({ length: 100 }, () => makeToken());
    expect(new Set(made.map(({ id }) => id)).size).toBe(100);
    expect(new Set(made.map(({ token }) => token.split('_').slice(2).join('_'))).size).toBe(100);
  });

  test.each(['', 'x', 'sg_', 'sg__', 'sg_a_b', `sg_a_${'é'.repeat(43)}`, `sg_A_${'x'.repeat(43)}`, 'a.b.c'])(
    '%j is none, and comparing it with one fails no more than any',
    (text) => {
      const { sha256 } = makeToken();
      expect(tokenId(text)).toBeUndefined();
      expect(isToken(text, sha256)).toBe(false);
      expect(isToken(text.repeat(1000), sha256)).toBe(false);
    },
  );
});

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-tokens-'));
  file = join(folder, 'tokens.json');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const SHA256 = 'a'.repeat(64);
const RECORD: TokenRecord = {
  id: 'one',
  sha256: SHA256,
  rights: [{ device: '*', stream: '*', actions: ['read'] }],
};

describe('the file', () => {
  test('is read with what it leaves out filled in', async () => {
    const tokens = [
      { id: 'one', sha256: SHA256, rights: [{ actions: ['read'] }] },
      {
        id: 'two',
        sha256: SHA256,
        device: 'cam',
        rights: [{ device: 'cam', stream: 'x*', actions: ['read', 'write', 'meta', 'admin'] }],
        expires: '2030-01-01T00:00:00+01:00',
        created: '2026-01-01T00:00:00Z',
        note: 'a note',
      },
    ];
    await writeFile(file, JSON.stringify({ tokens }));
    expect(await readTokenFile(file)).toEqual([RECORD, tokens[1]]);
  });

  test.each<[string, unknown]>([
    ['tokens', {}],
    ['tokens', []],
    ['tokens', { tokens: {} }],
    ['tokens 0 id', { tokens: [{ ...RECORD, id: 'a_b' }] }],
    ['tokens 0 id', { tokens: [{ ...RECORD, id: 'x'.repeat(64) }] }],
    ['tokens 0 sha256', { tokens: [{ ...RECORD, sha256: 'secret' }] }],
    ['tokens 0 sha256', { tokens: [{ ...RECORD, sha256: 'A'.repeat(64) }] }],
    ['tokens 0 rights', { tokens: [{ id: 'one', sha256: SHA256 }] }],
    ['tokens 0 rights 0 actions', { tokens: [{ ...RECORD, rights: [{}] }] }],
    ['tokens 0 rights 0 actions', { tokens: [{ ...RECORD, rights: [{ actions: [] }] }] }],
    ['tokens 0 rights 0 actions 0', { tokens: [{ ...RECORD, rights: [{ actions: ['all'] }] }] }],
    ['tokens 0 rights 0 device', { tokens: [{ ...RECORD, rights: [{ device: '', actions: ['read'] }] }] }],
    ['tokens 0 rights 0', { tokens: [{ ...RECORD, rights: [{ devices: 'cam', actions: ['read'] }] }] }],
    ['tokens 0 device', { tokens: [{ ...RECORD, device: 'a:b' }] }],
    ['tokens 0 device', { tokens: [{ ...RECORD, device: '' }] }],
    ['tokens 0 device', { tokens: [{ ...RECORD, device: null }] }],
    // A wall that is misspelt must not be taken for none.
    ['tokens 0', { tokens: [{ ...RECORD, Device: 'cam' }] }],
    ['tokens 0 expires', { tokens: [{ ...RECORD, expires: 'soon' }] }],
    ['tokens 0 expires', { tokens: [{ ...RECORD, expires: 1_800_000_000 }] }],
    ['an id twice', { tokens: [RECORD, RECORD] }],
  ])('is refused where %s is wrong: %j', async (place, content) => {
    await writeFile(file, JSON.stringify(content));
    const error = await readTokenFile(file).catch((cause: Error) => cause);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/^The tokens file .* is not valid: .+\.$/);
    expect((error as Error).message).toContain(place.replace('tokens', ''));
    expect((error as Error).message).not.toContain('secret');
  });

  test('is told by its name where it is no JSON, not there, or no file', async () => {
    await expect(readTokenFile(file)).rejects.toThrow(`There is no tokens file ${file}`);
    await writeFile(file, '{"tokens": [SECRET');
    await expect(readTokenFile(file)).rejects.toThrow(`The tokens file ${file} is not JSON.`);
    await expect(readTokenFile(folder)).rejects.toThrow(`The tokens file ${folder} cannot be read: EISDIR.`);
  });
});

describe('a change', () => {
  const add = (id: string) => changeTokenFile(file, (tokens) => [...tokens, { ...RECORD, id }]);
  const ids = async () => (await readTokenFile(file)).map(({ id }) => id);

  test('makes the file, for its owner only, and leaves nothing else', async () => {
    await add('one');
    await add('two');
    expect(await ids()).toEqual(['one', 'two']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['tokens.json']);
  });

  test('takes from others what they could read', async () => {
    await add('one');
    await chmod(file, 0o644);
    await add('two');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('happens behind a symbolic link', async () => {
    const real = join(folder, 'real.json');
    await writeFile(real, '{"tokens": []}');
    await symlink(real, file);
    await add('one');
    expect(JSON.parse(await readFile(real, 'utf8')).tokens).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['real.json', 'tokens.json']);
  });

  test('that fails leaves the file as it was', async () => {
    await add('one');
    const refuse = () => {
      throw new Error('no');
    };
    await expect(changeTokenFile(file, refuse)).rejects.toThrow('no');
    expect(await ids()).toEqual(['one']);
    await writeFile(file, 'spoilt');
    await expect(add('two')).rejects.toThrow('is not JSON');
    expect(await readFile(file, 'utf8')).toBe('spoilt');
    expect(await readdir(folder)).toEqual(['tokens.json']);
  });

  test('of many at once is made or refused, and none is lost', async () => {
    const wanted = Array.from({ length: 20 }, (_, index) => `t${index}`);
    const done = await Promise.allSettled(wanted.map(add));
    const made = wanted.filter((_, index) => done[index]!.status === 'fulfilled');
    expect(made.length).toBeGreaterThan(0);
    expect((await ids()).sort()).toEqual([...made].sort());
    for (const result of done) {
      if (result.status === 'rejected')
        expect(String(result.reason)).toContain('tokens.json.new exists: another command is changing');
    }
  });
});
