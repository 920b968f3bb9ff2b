/** How the gateway starts with access control, without it, and with settings that would leave it open unawares. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AccessSettingsError, checkAccessSettings } from '../../src/access/access-settings.js';
import { loadConfig } from '../../src/config/settings.js';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { MAIN, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';

const SECRET = 'a secret of more than thirty-two bytes';

describe('without access control', () => {
  const check = (settings: Record<string, string>) => () => checkAccessSettings(loadConfig(settings));

  test.each(['127.0.0.1', '127.1.2.3', 'localhost', 'LOCALHOST', '::1', '::ffff:127.0.0.1'])(
    'HOST may be %s',
    (HOST) => expect(check({ HOST })).not.toThrow(),
  );

  test.each([
    '0.0.0.0',
    '::',
    '192.168.1.2',
    '::ffff:10.0.0.1',
    'example.org',
    'localhost.example.org',
    '1270.0.0.1',
  ])('HOST may not be %s, unless everybody is let in, or asked for a token', (HOST) => {
    expect(check({ HOST })).toThrow(AccessSettingsError);
    expect(check({ HOST })).toThrow(/^HOST is .+ALLOW_ANONYMOUS=1 .+\.$/);
    expect(check({ HOST, ALLOW_ANONYMOUS: '1' })).not.toThrow();
    expect(check({ HOST, ACCESS_TOKENS_FILE: 'tokens.json' })).not.toThrow();
    expect(check({ HOST, JWT_SECRET: SECRET })).not.toThrow();
    expect(check({ HOST, JWT_JWKS: 'keys.json' })).not.toThrow();
  });

  test.each(['JWT_AUDIENCE', 'JWT_ISSUER'])('%s alone is taken for the mistake that it is', (name) => {
    expect(check({ [name]: 'x' })).toThrow(`${name} is set without JWT_SECRET or JWT_JWKS`);
  });
});

describe('streamgate serve', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sg-start-'));
    await writeFile(join(folder, 'bad.json'), '{"tokens": [{"id": "hidden_"}]}');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each<[string, Record<string, string>, RegExp]>([
    ['an open address', { HOST: '0.0.0.0' }, /^streamgate: HOST is 0\.0\.0\.0, .+\n$/],
    ['no tokens file', { ACCESS_TOKENS_FILE: 'none.json' }, /^streamgate: There is no tokens file .+\n$/],
    ['a bad tokens file', { ACCESS_TOKENS_FILE: 'bad.json' }, /^streamgate: The tokens file .+\n$/],
    ['no key set', { JWT_JWKS: 'none.json' }, /^streamgate: The key set .+\n$/],
    [
      'a certificate without a key',
      { TLS_CERT_FILE: 'x' },
      /^streamgate: TLS_CERT_FILE and TLS_KEY_FILE .+\n$/,
    ],
    [
      'no certificate',
      { TLS_CERT_FILE: 'x', TLS_KEY_FILE: 'y' },
      /^streamgate: The certificate .+ENOENT\.\n$/,
    ],
  ])('ends in one sentence with %s, and has begun nothing', async (_, settings, expected) => {
    const { REDIS_URL: __, ...inherited } = process.env;
    const ended = await promisify(execFile)(process.execPath, [MAIN, 'serve'], {
      cwd: folder,
      env: { ...inherited, PORT: '0', STREAMGATE_DATA_DIR: join(folder, 'data'), ...settings },
    }).catch((error: { code: number; stdout: string; stderr: string }) => error as never);
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(expected) });
    expect(ended).not.toMatchObject({ stderr: expect.stringContaining('hidden') });
  });

  test('lets everybody in on all addresses where it is told to', async () => {
    const redis = await startRedis();
    const gateway = await startGatewayProcess({
      REDIS_URL: redis.url,
      HOST: '0.0.0.0',
      ALLOW_ANONYMOUS: '1',
    });
    expect((await fetch(`${gateway.http}/data/x?block=-1`)).status).toBe(200);
    expect(gateway.log.filter(({ msg }) => String(msg).startsWith('ALLOW_ANONYMOUS'))).toHaveLength(1);
    // With nothing to read again the signal means what it always did.
    const exit = once(gateway.process, 'exit');
    gateway.process.kill('SIGHUP');
    expect(await exit).toEqual([null, 'SIGHUP']);
    await gateway.stop();
    await redis.stop();
  });
});

describe('with access control', () => {
  let fixture: AccessFixture<'all'>;

  beforeAll(async () => {
    // What is set for anonymous clients counts no more, and what a script fakes not either.
    fixture = await startAccessFixture(
      { all: { rights: allows('read', 'write') } },
      { HOST: '0.0.0.0', ALLOW_ANONYMOUS: '1' },
    );
  });

  afterAll(() => fixture?.stop());

  test('ALLOW_ANONYMOUS lets nobody in without a token', async () => {
    const { http } = fixture.gateway;
    expect((await fetch(`${http}/data/x?block=-1`)).status).toBe(401);
    expect((await fetch(`${http}/data/x?block=-1`, { headers: bearer(fixture.tokens.all) })).status).toBe(
      200,
    );
  });

  test('pages of anywhere may ask, with a token of their own', async () => {
    const { http } = fixture.gateway;
    const origin = 'https://app.example.org';
    const preflight = await fetch(`${http}/data/x`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    // A browser would not add a cookie or a password by itself.
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
    const without = await fetch(`${http}/data/x?block=-1`, { headers: { origin } });
    expect([without.status, without.headers.get('access-control-allow-origin')]).toEqual([401, '*']);
    const headers = { origin, ...bearer(fixture.tokens.all) };
    expect((await fetch(`${http}/data/x?block=-1`, { headers })).status).toBe(200);
  });

  test('CORS_ORIGINS can still say which', async () => {
    const other = await startAccessFixture(
      { all: { rights: allows('read') } },
      { CORS_ORIGINS: 'https://app.example.org' },
    );
    const ask = async (origin: string) => {
      const headers = { origin, ...bearer(other.tokens.all) };
      return (await fetch(`${other.gateway.http}/data/x?block=-1`, { headers })).status;
    };
    expect([await ask('https://app.example.org'), await ask('https://evil.test')]).toEqual([200, 403]);
    await other.stop();
  });

  test('a token may stand in the query where it is told so', async () => {
    const other = await startAccessFixture(
      { all: { rights: allows('read') } },
      { ALLOW_TOKEN_IN_QUERY: '1' },
    );
    const ask = async (query: string) =>
      (await fetch(`${other.gateway.http}/data/x?block=-1&${query}`)).status;
    expect([
      await ask(`token=${other.tokens.all}`),
      await ask('token=x'),
      await ask('token='),
      await ask(''),
    ]).toEqual([200, 401, 401, 401]);
    await other.stop();
  });
});
