import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64url, exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type JwtSettings, JwtVerifier } from '../../src/access/jwt.js';

const SECRET = 'a secret of more than thirty-two bytes';
const UNSET: JwtSettings = {
  JWT_SECRET: undefined,
  JWT_JWKS: undefined,
  JWT_AUDIENCE: undefined,
  JWT_ISSUER: undefined,
};
const EXPIRED = { code: 'invalid_token', message: 'the token has expired' };
const INVALID = { code: 'invalid_token', message: 'the token is not valid' };

type Algorithm = 'RS256' | 'ES256' | 'PS256';
type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

let folder: string;
let keySetFile: string;
const keys = {} as Record<'rsa' | 'ec' | 'pss' | 'stranger', Keys>;
/** What the file holds: a set with a key of each kind. */
let keySet: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-jwt-'));
  keySetFile = join(folder, 'keys.json');
  keys.rsa = await generateKeyPair('RS256', { extractable: true });
  keys.ec = await generateKeyPair('ES256', { extractable: true });
  keys.pss = await generateKeyPair('PS256', { extractable: true });
  keys.stranger = await generateKeyPair('RS256', { extractable: true });
  keySet = await keySetOf(['RS256', 'rsa'], ['ES256', 'ec'], ['PS256', 'pss']);
  await writeFile(keySetFile, keySet);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function keySetOf(...pairs: [alg: Algorithm, name: keyof typeof keys][]): Promise<string> {
  const jwks = await Promise.all(
    pairs.map(async ([alg, kid]) => ({ ...(await exportJWK(keys[kid].publicKey)), alg, kid, use: 'sig' })),
  );
  return JSON.stringify({ keys: jwks });
}

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

function sign(claims: JWTPayload = {}, secret = SECRET): Promise<string> {
  return new SignJWT({ exp: inSeconds(60), ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret));
}

function signWith(name: keyof typeof keys, alg: Algorithm, kid: string = name, claims: JWTPayload = {}) {
  return new SignJWT({ exp: inSeconds(60), ...claims })
    .setProtectedHeader({ alg, kid })
    .sign(keys[name].privateKey);
}

/** A token with any header, signed as HS256 with any bytes. */
function forge(header: object, claims: JWTPayload, key: string | Uint8Array | undefined): string {
  const input = [header, { exp: inSeconds(60), ...claims }]
    .map((part) => base64url.encode(JSON.stringify(part)))
    .join('.');
  const signature = key === undefined ? '' : createHmac('sha256', key).update(input).digest('base64url');
  return `${input}.${signature}`;
}

const verifier = async (settings: Partial<JwtSettings>) =>
  (await JwtVerifier.create({ ...UNSET, ...settings }))!;

test('there is none without a key', async () => {
  expect(await JwtVerifier.create(UNSET)).toBeUndefined();
  expect(await JwtVerifier.create({ ...UNSET, JWT_AUDIENCE: 'x' })).toBeUndefined();
});

describe('with a shared secret', () => {
  test('a token that it signs is taken, and no other', async () => {
    const jwt = await verifier({ JWT_SECRET: SECRET });
    expect(await jwt.verify(await sign({ sub: 'me' }))).toMatchObject({ sub: 'me' });
    for (const token of [
      await sign({}, `${SECRET}!`),
      (await sign()).slice(0, -2),
      `${await sign()}x`,
      (await sign()).replace(/\.[^.]*$/, '.'),
      await signWith('rsa', 'RS256'),
      forge({ alg: 'none' }, {}, undefined),
      forge({ alg: 'None' }, {}, undefined),
      forge({ alg: 'none' }, {}, SECRET),
      forge({ alg: 'HS512' }, {}, SECRET),
      forge({}, {}, SECRET),
      forge({ alg: 'HS256', crit: ['exp'] }, {}, SECRET),
      '',
      '..',
      'a.b.c',
      'é.漢.😀',
      'x'.repeat(8000),
    ]) {
      await expect(jwt.verify(token), token).rejects.toMatchObject(INVALID);
    }
  });

  test('a token needs an end, and is taken between its dates', async () => {
    const jwt = await verifier({ JWT_SECRET: SECRET });
    await expect(jwt.verify(await sign({ exp: inSeconds(-6) }))).rejects.toMatchObject(EXPIRED);
    await expect(jwt.verify(await sign({ nbf: inSeconds(30) }))).rejects.toMatchObject({
      code: 'invalid_token',
    });
    const endless = forge({ alg: 'HS256' }, { exp: undefined as never }, SECRET);
    await expect(jwt.verify(endless)).rejects.toMatchObject({
      code: 'invalid_token',
      message: "the token's claim 'exp' is missing or wrong",
    });
    // Clocks differ a little.
    await jwt.verify(await sign({ exp: inSeconds(-1), nbf: inSeconds(3) }));
  });

  test('audience and issuer are checked where they are set', async () => {
    const jwt = await verifier({ JWT_SECRET: SECRET, JWT_AUDIENCE: 'streams', JWT_ISSUER: 'https://login' });
    await jwt.verify(await sign({ aud: ['x', 'streams'], iss: 'https://login' }));
    for (const [claims, claim] of [
      [{ iss: 'https://login' }, 'aud'],
      [{ aud: 'stream', iss: 'https://login' }, 'aud'],
      [{ aud: 'streams' }, 'iss'],
      [{ aud: 'streams', iss: 'https://login.evil.test' }, 'iss'],
    ] as const) {
      const refused = jwt.verify(await sign(claims as JWTPayload));
      await expect(refused).rejects.toMatchObject({
        code: 'invalid_token',
        message: `the token's claim '${claim}' is missing or wrong`,
      });
    }
  });
});

describe('with a key set', () => {
  test('RS256 and ES256 are taken from its keys, and nothing else', async () => {
    const jwt = await verifier({ JWT_JWKS: keySetFile });
    await jwt.verify(await signWith('rsa', 'RS256'));
    await jwt.verify(await signWith('ec', 'ES256'));
    for (const token of [
      await signWith('stranger', 'RS256'),
      await signWith('stranger', 'RS256', 'rsa'),
      await signWith('rsa', 'RS256', 'ec'),
      await signWith('pss', 'PS256'),
      await sign(),
      forge({ alg: 'none', kid: 'rsa' }, {}, undefined),
    ]) {
      await expect(jwt.verify(token)).rejects.toMatchObject(INVALID);
    }
  });

  test('a public key is never taken for a secret', async () => {
    const pem = await exportSPKI(keys.rsa.publicKey);
    const jwk = JSON.stringify(await exportJWK(keys.rsa.publicKey));
    for (const settings of [{ JWT_JWKS: keySetFile }, { JWT_JWKS: keySetFile, JWT_SECRET: SECRET }]) {
      const jwt = await verifier(settings);
      for (const key of [pem, pem.trim(), jwk, keySet]) {
        await expect(jwt.verify(forge({ alg: 'HS256', kid: 'rsa' }, {}, key))).rejects.toMatchObject(INVALID);
        const confused = forge({ alg: 'RS256', kid: 'rsa' }, {}, key);
        await expect(jwt.verify(confused)).rejects.toMatchObject(INVALID);
      }
    }
  });

  test('a symmetric key in it signs nothing', async () => {
    const file = join(folder, 'oct.json');
    const oct = { kty: 'oct', kid: 'oct', k: base64url.encode(SECRET) };
    await writeFile(file, JSON.stringify({ keys: [oct] }));
    const jwt = await verifier({ JWT_JWKS: file });
    const refused = jwt.verify(forge({ alg: 'HS256', kid: 'oct' }, {}, SECRET));
    await expect(refused).rejects.toMatchObject(INVALID);
  });

  test('beside a secret each is for its own algorithm', async () => {
    const jwt = await verifier({ JWT_JWKS: keySetFile, JWT_SECRET: SECRET });
    for (const token of [await sign(), await signWith('ec', 'ES256')]) {
      expect(await jwt.verify(token)).toHaveProperty('exp');
    }
  });

  test('of a file is read anew, and one that is spoilt is refused', async () => {
    const file = join(folder, 'changing.json');
    await writeFile(file, keySet);
    const jwt = await verifier({ JWT_JWKS: file });
    const [old, young] = [await signWith('rsa', 'RS256'), await signWith('stranger', 'RS256')];
    await jwt.verify(old);
    await writeFile(file, await keySetOf(['RS256', 'stranger']));
    await jwt.reload();
    await jwt.verify(young);
    await expect(jwt.verify(old)).rejects.toMatchObject(INVALID);
    for (const content of ['', '[]', '{"keys": 1}', 'SECRET']) {
      await writeFile(file, content);
      await expect(jwt.reload()).rejects.toThrow(`The key set ${file} of JWT_JWKS cannot be used`);
      await jwt.verify(young);
    }
    await rm(file);
    await expect(jwt.reload()).rejects.toThrow('ENOENT');
    await expect(verifier({ JWT_JWKS: file })).rejects.toThrow('ENOENT');
  });
});

describe('with a key set at an address', () => {
  let server: Server;
  let answer: { status: number; body: string };
  let asked: number;
  let address: string;

  beforeAll(async () => {
    server = createServer((_request, response) => {
      asked++;
      response.writeHead(answer.status, { 'content-type': 'application/json', location: '/elsewhere' });
      response.end(answer.body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  afterEach(() => vi.restoreAllMocks());

  test('it is fetched once for many, and unknown keys do not have it fetched again and again', async () => {
    asked = 0;
    answer = { status: 200, body: keySet };
    const jwt = await verifier({ JWT_JWKS: address });
    expect(asked).toBe(0);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => signWith('rsa', 'RS256')));
    await Promise.all(tokens.map((token) => jwt.verify(token)));
    for (let i = 0; i < 20; i++) {
      const token = await signWith('stranger', 'RS256', `unknown-${i}`);
      await expect(jwt.verify(token)).rejects.toMatchObject(INVALID);
    }
    await jwt.verify(tokens[0]!);
    expect(asked).toBe(1);
    // No token is worth a fetch that could not be checked anyway.
    await expect(jwt.verify('a.b.c')).rejects.toMatchObject(INVALID);
    await expect(jwt.verify(await sign())).rejects.toMatchObject(INVALID);
  });

  test.each([
    [500, 'oh'],
    [302, ''],
    [200, 'no JSON'],
    [200, '{"keys": "none"}'],
  ])(
    'where it is answered %i %j nobody gets in, and it is not asked for every token',
    async (status, body) => {
      const now = vi.spyOn(performance, 'now');
      const start = performance.now();
      now.mockImplementation(() => start);
      asked = 0;
      answer = { status, body };
      const jwt = await verifier({ JWT_JWKS: address });
      const token = await signWith('rsa', 'RS256');
      for (let i = 0; i < 10; i++) {
        await expect(jwt.verify(token)).rejects.toMatchObject({ code: 'keys_unavailable' });
      }
      expect(asked).toBe(1);
      answer = { status: 200, body: keySet };
      now.mockImplementation(() => start + 6000);
      await jwt.verify(token);
      expect(asked).toBe(2);
    },
  );

  test('where nobody answers nobody gets in', async () => {
    const jwt = await verifier({ JWT_JWKS: 'http://127.0.0.1:1/keys' });
    await expect(jwt.verify(await signWith('rsa', 'RS256'))).rejects.toMatchObject({
      code: 'keys_unavailable',
    });
  });
});
