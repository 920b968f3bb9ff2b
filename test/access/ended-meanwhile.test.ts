/** Tokens that end between the check of a request's head and what the request does. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type AccessFixture, allows, bearer, startAccessFixture, type TokenPlan } from '../support/access.js';
import { RawClient } from '../support/raw-client.js';

const WRITER: TokenPlan = { rights: allows('read', 'write', 'meta') };
/** Long enough for a loaded machine to send a head, and short enough to wait for. */
const LASTS_MS = 2000;

let fixture: AccessFixture<'writer' | 'other' | 'brief'>;

beforeAll(async () => {
  fixture = await startAccessFixture({ writer: WRITER, other: WRITER, brief: WRITER });
});
afterAll(() => fixture?.stop());
beforeEach(() => fixture.rewrite({ writer: WRITER, other: WRITER }));

const revokeWriter = () => fixture.rewrite({ other: WRITER });

interface BeginningOptions {
  readonly token?: 'writer' | 'brief';
  readonly type?: string;
}

/** Sends the head of a POST and the first bytes of its body. @returns sends the rest, and gives the answer */
async function beginPost(path: string, body: string, { token = 'writer', type }: BeginningOptions = {}) {
  const { gateway, tokens } = fixture;
  const client = await RawClient.open(gateway.port);
  client.send(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokens[token]}\r\n` +
      `Content-Type: ${type ?? 'application/octet-stream'}\r\nContent-Length: ${body.length}\r\n\r\n` +
      body.slice(0, 3),
  );
  return async () => {
    client.send(body.slice(3));
    await client.until(() => client.text.includes('"code"') || client.text.includes(']'));
    client.destroy();
    return client.text;
  };
}

/** Resolves once the gateway holds the beginning of a body. */
async function isReceiving(): Promise<void> {
  const { gateway, tokens } = fixture;
  for (;;) {
    const answer = await fetch(`${gateway.http}/metrics`, { headers: bearer(tokens.other) });
    if (/^streamgate_receiving_bytes [1-9]/m.test(await answer.text())) return;
  }
}

const FORM = '--b\r\nContent-Disposition: form-data; name="entries"\r\n\r\nx\r\n--b--';

test.each([
  ['a raw body', 'raw', 'abcdef', 'application/octet-stream'],
  ['a form', 'form', FORM, 'multipart/form-data; boundary=b'],
])('%s that ends after its token is not stored', async (_, sid, body, type) => {
  const finish = await beginPost(`/data/${sid}`, body, { type });
  await isReceiving();
  await revokeWriter();
  const answer = await finish();
  expect(answer).toContain('HTTP/1.1 401');
  expect(answer).toContain('"code":"invalid_token"');
  expect(await fixture.redis.client.exists(`default:${sid}`)).toBe(0);
});

test('a mutation whose request ends after its token does nothing', async () => {
  const query = 'mutation { connectDevice(deviceId: "late") }';
  const finish = await beginPost('/graphql', JSON.stringify({ query }), { type: 'application/json' });
  await isReceiving();
  await revokeWriter();
  expect(await finish()).toContain('"code":"invalid_token"');
  expect(await fixture.redis.client.sismember(':devices:connected', 'late')).toBe(0);
});

test('a token that expires while the body comes stores nothing', async () => {
  await fixture.rewrite({ brief: { ...WRITER, lasts: LASTS_MS } });
  const end = Date.now() + LASTS_MS;
  const finish = await beginPost('/data/expired', 'abcdef', { token: 'brief' });
  await delay(end - Date.now() + 10);
  expect(await finish()).toContain('the token has expired');
  expect(await fixture.redis.client.exists('default:expired')).toBe(0);
});

test('of the fields of a mutation those that come after the end of the token do nothing', async () => {
  const { gateway, redis, tokens } = fixture;
  const change = (id: string) => `updateStreamMeta(streamId: "${id}", meta: {a: 1})`;
  await redis.client.call('CLIENT', 'PAUSE', '20000', 'WRITE');
  const asking = fetch(`${gateway.http}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens.writer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: `mutation { first: ${change('m1')} second: ${change('m2')} }` }),
  });
  // The first field waits for Redis.
  const isWaiting = async () => {
    return /name=streamgate-control .* flags=b/.test(String(await redis.client.call('CLIENT', 'LIST')));
  };
  while (!(await isWaiting())) await delay(5);
  await revokeWriter();
  await redis.client.call('CLIENT', 'UNPAUSE');
  const { errors } = (await (await asking).json()) as { errors: { path: string[]; extensions: object }[] };
  expect(errors).toMatchObject([{ path: ['second'], extensions: { code: 'invalid_token' } }]);
  expect(await redis.client.exists(':stream:meta:default:m1', ':stream:meta:default:m2')).toBe(1);
});

test('frames of a WebSocket that come after the end of its token are not stored', async () => {
  const { gateway, tokens } = fixture;
  await fixture.rewrite({ brief: { ...WRITER, lasts: LASTS_MS } });
  const end = Date.now() + LASTS_MS;
  const ws = new WebSocket(`${gateway.ws}/data/frames/push?header=0&ack=1`, [`bearer.${tokens.brief}`, 'x']);
  const ids: string[] = [];
  ws.on('message', (ack) => ids.push((JSON.parse(String(ack)) as string[])[0]!));
  const closed = new Promise<number>((resolve) => ws.on('close', resolve));
  await new Promise((resolve) => ws.on('open', resolve));
  const timer = setInterval(() => ws.send('x'), 5);
  expect(await closed).toBe(4401);
  clearInterval(timer);
  expect(ids.length).toBeGreaterThan(0);
  const last = Number(ids.at(-1)!.split('-')[0]);
  // An entry's id has the time at which Redis stored it.
  expect(last - end).toBeLessThan(100);
});
