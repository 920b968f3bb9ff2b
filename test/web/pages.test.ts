/** The pages as files: who is given one, how they are packed, and what they may load. */
import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';

const { gateway } = await startForFile();

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.http}${path}`, { headers });

/** An answer as it is sent: `fetch` unpacks. */
function getPacked(path: string, acceptEncoding: string): Promise<{ encoding: string; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/html', 'accept-encoding': acceptEncoding };
    const asked = request(`${gateway.http}${path}`, { headers }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk);
      resolve({ encoding: answer.headers['content-encoding'] ?? '', body: Buffer.concat(chunks) });
    });
    asked.once('error', reject).end();
  });
}

describe.each([
  ['/', 'live'],
  ['/graphql', 'graphiql'],
  ['/docs', 'docs'],
])('the page at %s', (path, name) => {
  const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

  test('comes with a policy that lets nothing in from elsewhere, and is asked for again each time', async () => {
    const page = await get(path, html);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = page.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none';.*frame-ancestors 'none'/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('vary')).toBe('accept, accept-encoding');
  });

  test('names its assets by what is in them, so that they are kept', async () => {
    const assets = [
      ...(await (await get(path, html)).text()).matchAll(/<(?:script|link) [^>]*(?:src|href)="([^"]+)"/g),
    ];
    expect(assets.length).toBeGreaterThanOrEqual(2);
    for (const [, address] of assets) {
      expect(address).toMatch(new RegExp(`^/${name}/assets/`));
      const asset = await get(address!);
      expect([asset.status, asset.headers.get('cache-control')]).toEqual([
        200,
        'public, max-age=31536000, immutable',
      ]);
      expect(asset.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const missing = await get(`/${name}/assets/nothing.js`);
    expect([missing.status, await missing.json()]).toEqual([
      404,
      expect.objectContaining({ code: 'not_found' }),
    ]);
  });

  test('is packed for who takes that', async () => {
    const plain = await getPacked(path, 'identity');
    expect(plain.encoding).toBe('');
    for (const accepted of ['gzip', 'deflate, gzip;q=0.8, br', 'GZIP']) {
      const packed = await getPacked(path, accepted);
      expect(packed.encoding).toBe('gzip');
      expect(gunzipSync(packed.body)).toEqual(plain.body);
    }
    for (const refused of ['gzip;q=0', 'br, gzip; q=0.0', 'x-gzipped']) {
      expect((await getPacked(path, refused)).encoding).toBe('');
    }
  });
});

test('the live page stays small: all of it together, packed', async () => {
  const page = await getPacked('/', 'gzip');
  const html = gunzipSync(page.body).toString();
  const assets = [...html.matchAll(/<(?:script|link) [^>]*(?:src|href)="([^"]+)"/g)].map(([, address]) =>
    getPacked(address!, 'gzip'),
  );
  const sizes = (await Promise.all(assets)).map(({ body }) => body.length);
  expect(sizes.reduce((sum, size) => sum + size, page.body.length)).toBeLessThan(150_000);
  // Nothing that the page does not name is loaded later.
  expect(sizes.length).toBe(3);
});

test('at / programs are told in a few lines what there is', async () => {
  for (const accept of ['*/*', 'application/json', '']) {
    const greeting = await get('/', { accept });
    expect(greeting.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(greeting.headers.get('vary')).toBe('accept');
    expect(await greeting.text()).toMatch(/^streamgate: /);
  }
});
