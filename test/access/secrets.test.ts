/** Tokens in every place, right, wrong and with things going wrong: nothing that the gateway says repeats one. */
import { once } from 'node:events';
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { allows, bearer, startAccessFixture } from '../support/access.js';
import { GraphqlSocket, SUBPROTOCOL } from '../support/graphql-socket.js';
import { sendRaw } from '../support/http.js';
import { TestSocket } from '../support/socket.js';

const JWT_SECRET = 'the-signing-secret-that-nobody-may-read';

const sign = (secret: string) =>
  new SignJWT({ streamgate: { rights: [{ actions: ['read', 'write', 'meta', 'admin'] }] } })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret));

test('no secret in the log, the metrics, answers or close reasons', async () => {
  const { gateway, tokens, stop, redis, rewrite } = await startAccessFixture(
    { good: { rights: allows('read', 'write', 'meta', 'admin') }, revoked: { rights: allows('read') } },
    { JWT_SECRET, ALLOW_TOKEN_IN_QUERY: '1', LOG_LEVEL: 'trace' },
  );
  const told: string[] = [];
  gateway.process.stderr!.on('data', (chunk) => told.push(String(chunk)));
  try {
    const secrets = {
      good: tokens.good,
      revoked: tokens.revoked,
      unknown: `sg_unknown_${'Zx9'.repeat(14)}Q`,
      malformed: 'no-token-of-any-kind-Zx9Zx9',
      jwt: await sign(JWT_SECRET),
      foreign: await sign('another-secret-that-nobody-may-read'),
    };

    const ask = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${gateway.http}${path}`, init);
      told.push(await response.text(), JSON.stringify([...response.headers]));
      return response.status;
    };
    const connect = async (path: string, headers: Record<string, string>) => {
      try {
        const socket = await TestSocket.open(`${gateway.ws}${path}`, headers);
        // What is no header and no frame: refused, with a reason.
        socket.send('[1', Buffer.from('x'));
        const closing = await Promise.race([socket.closed, socket.receive().catch(String)]);
        told.push(JSON.stringify(closing));
        await socket.close();
      } catch (error) {
        told.push(String(error));
      }
    };
    const connectGraphql = async (opening: Parameters<typeof GraphqlSocket.open>[1]) => {
      try {
        const socket = await GraphqlSocket.open(gateway, opening);
        socket.send('no protocol');
        told.push(JSON.stringify(await socket.closed));
      } catch (error) {
        told.push(String(error));
      }
    };
    const everywhere = async (token: string): Promise<number[]> => {
      const headers = bearer(token);
      const json = { 'content-type': 'application/json' };
      const statuses = [
        await ask('/data/x?block=-1', { headers }),
        await ask(`/data/x?block=-1&token=${token}`),
        await ask(`/data/x?block=bad&token=${token}`),
        await ask(`/data/${'x'.repeat(600)}?token=${token}`),
        await ask('/data/x', { method: 'POST', body: 'x', headers }),
        await ask(`/data/x?token=${token}`, { method: 'PUT', body: 'x', headers }),
        await ask(`/nothing?token=${token}`, { headers }),
        await ask('/metrics', { headers }),
        await ask(`/metrics?token=${token}`),
        await ask(`/graphql?query={nothing}&token=${token}`),
        await ask('/graphql', { method: 'POST', body: '{"query": "{', headers: { ...headers, ...json } }),
        await ask('/graphql', {
          method: 'POST',
          body: '{"query":"{streamIds}"}',
          headers: { ...headers, ...json },
        }),
      ];
      await connect('/data/x/push', headers);
      await connect(`/data/x/push?token=${token}`, {});
      await connect(`/data/x/push?header=bad&token=${token}`, {});
      await connect('/data/x/pull?block=10', headers);
      await connect('/data/x/pull?block=10', { 'sec-websocket-protocol': `bearer.${token}, x` });
      await connectGraphql({ headers });
      await connectGraphql({ subprotocols: [SUBPROTOCOL, `bearer.${token}`] });
      await connectGraphql({ init: { token } });
      await connectGraphql({ init: { authorization: `Bearer ${token}` } });
      await connectGraphql({ init: { token: `${token} and more` } });
      const raw = await sendRaw(
        gateway.port,
        `GET /data/x HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nAuthorization: ${token}\r\n\r\n`,
      );
      told.push(JSON.stringify(raw ?? ''));
      return statuses;
    };

    for (const [name, token] of Object.entries(secrets)) {
      const [first] = await everywhere(token);
      expect(first, name).toBe(['good', 'revoked', 'jwt'].includes(name) ? 200 : 401);
    }
    await rewrite({ good: { rights: allows('read', 'write', 'meta', 'admin') } });
    expect((await everywhere(secrets.revoked))[0]).toBe(401);
    // With Redis away all that was well is an error too.
    redis.process.kill('SIGKILL');
    await expect.poll(() => ask('/readyz')).toBe(503);
    expect((await everywhere(secrets.good))[0]).toBe(503);
    expect((await everywhere(secrets.jwt))[0]).toBe(503);
    await ask('/metrics', { headers: bearer(secrets.good) });
    // The worst end that there is.
    const exit = once(gateway.process, 'exit');
    gateway.process.kill('SIGABRT');
    await exit;

    told.push(...gateway.log.map((record) => JSON.stringify(record)));
    expect(gateway.log.length).toBeGreaterThan(50);
    const all = told.join('\n');
    for (const [name, token] of Object.entries({ ...secrets, JWT_SECRET })) {
      expect(all.includes(token), name).toBe(false);
      // Nor the half of one.
      expect(all.includes(token.slice(-20)), name).toBe(false);
    }
  } finally {
    await stop();
  }
});
