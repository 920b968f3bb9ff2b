/** Tokens that end while their clients are connected: they expire, or are revoked, or change. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture, type TokenPlan } from '../support/access.js';
import { EventStream } from '../support/event-stream.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { TestSocket } from '../support/socket.js';

const SUBSCRIPTION = 'subscription { data(streamIds: ["x"]) { string } }';
const EXPIRED = 'the token has expired';
const REVOKED = 'the token was revoked or changed';
/** Long enough to connect by on a machine that has more to do. */
const LASTS_MS = 4000;

const ALL: TokenPlan = { rights: allows('read', 'write', 'meta', 'admin') };
const PLANS = { mortal: ALL, other: ALL };

let fixture: AccessFixture<keyof typeof PLANS>;

beforeAll(async () => {
  fixture = await startAccessFixture(PLANS);
});

afterAll(() => fixture?.stop());

/** A connection at each endpoint that holds one; `ends` settles with how each ended. */
async function connectEverywhere(token: string) {
  const { gateway } = fixture;
  const headers = bearer(token);
  // First, since nothing tells when it waits: with the last of the others it long does.
  const read = fetch(`${gateway.http}/data/x?block=30000`, { headers });
  const push = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`, headers);
  const pull = await TestSocket.open(`${gateway.ws}/data/x/pull`, headers);
  const raw = await TestSocket.open(`${gateway.ws}/data/x/pull?header=0&latest=1`, headers);
  const graphql = await GraphqlSocket.open(gateway, { headers });
  const init = await GraphqlSocket.open(gateway, { init: { authorization: `Bearer ${token}` } });
  init.run(SUBSCRIPTION);
  await init.ping();
  const events = await EventStream.open<unknown>(gateway, SUBSCRIPTION, { headers });
  const ends = Promise.all([
    ...[push, pull, raw, graphql, init].map(({ closed }) => closed),
    events.rest(),
    read.then(async (response) => [response.status, await response.text()]),
  ]);
  // Where it goes on, nobody waits for its end.
  ends.catch(() => {});
  return {
    push,
    ends,
    close: () => {
      events.leave();
      return Promise.all([push, pull, raw, graphql, init].map((socket) => socket.close()));
    },
  };
}

const endedWith = (reason: string) => [
  ...Array.from({ length: 5 }, () => ({ code: 4401, reason })),
  // Broken off: there is no 'complete'.
  [],
  [401, JSON.stringify({ error: reason, code: 'invalid_token' })],
];

test('one that expires closes what it has opened, and opens nothing more', async () => {
  const { gateway, tokens } = fixture;
  await fixture.rewrite({ ...PLANS, mortal: { ...ALL, lasts: LASTS_MS } });
  const expires = Date.now() + LASTS_MS;
  const mortal = await connectEverywhere(tokens.mortal);
  const other = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`, bearer(tokens.other));
  expect(await mortal.ends).toEqual(endedWith(EXPIRED));
  expect(Date.now()).toBeGreaterThanOrEqual(expires - 100);
  expect(gateway.log).toContainEqual(expect.objectContaining({ token: 'mortal', reason: EXPIRED }));
  const again = await fetch(`${gateway.http}/data/x?block=-1`, { headers: bearer(tokens.mortal) });
  expect([again.status, await again.json()]).toEqual([401, { code: 'invalid_token', error: EXPIRED }]);
  await expect(TestSocket.open(`${gateway.ws}/data/x/pull`, bearer(tokens.mortal))).rejects.toThrow(/^401 /);
  // The others go on.
  expect(await other.push([1], 'y')).toEqual([expect.any(String)]);
  await other.close();
});

describe('when the file is read again', () => {
  test.each<[string, TokenPlan | undefined]>([
    ['is gone from it', undefined],
    ['has other rights', { rights: allows('read', 'write', 'meta') }],
    ['has become one for a device', { ...ALL, device: 'default' }],
    ['has another end', { ...ALL, lasts: 1_000_000 }],
  ])('one that %s is closed', async (_, plan) => {
    await fixture.rewrite(PLANS);
    const connected = await connectEverywhere(fixture.tokens.mortal);
    await fixture.rewrite(plan === undefined ? { other: ALL } : { other: ALL, mortal: plan });
    expect(await connected.ends).toEqual(endedWith(REVOKED));
    const again = await fetch(`${fixture.gateway.http}/data/x?block=-1`, {
      headers: bearer(fixture.tokens.mortal),
    });
    expect(again.status).toBe(plan === undefined ? 401 : 200);
  });

  test('one that stays as it was, but for a note, goes on', async () => {
    await fixture.rewrite(PLANS);
    const connected = await connectEverywhere(fixture.tokens.mortal);
    await fixture.rewrite({ mortal: { ...ALL, note: 'mine' } });
    expect(await connected.push.push([1], 'y')).toEqual([expect.any(String)]);
    await connected.close();
  });

  test('a new one is taken', async () => {
    await fixture.rewrite({ other: ALL });
    const read = () =>
      fetch(`${fixture.gateway.http}/data/x?block=-1`, { headers: bearer(fixture.tokens.mortal) });
    expect((await read()).status).toBe(401);
    await fixture.rewrite(PLANS);
    expect((await read()).status).toBe(200);
  });

  test('and is spoilt, all stays as it was, and the log says why in one line without its content', async () => {
    await fixture.rewrite(PLANS);
    const connected = await connectEverywhere(fixture.tokens.mortal);
    const from = fixture.gateway.log.length;
    expect(await fixture.spoil('{"tokens": [SECRET')).toMatch(/^The tokens file .+ is not JSON\.$/);
    expect(await fixture.spoil('{"tokens": [{"id": "SECRET!"}]}')).toMatch(/ is not valid: /);
    const lines = fixture.gateway.log.slice(from).filter(({ level }) => Number(level) >= 40);
    expect(lines).toHaveLength(2);
    expect(JSON.stringify(fixture.gateway.log)).not.toContain('SECRET');
    expect(JSON.stringify(fixture.gateway.log.slice(from))).not.toContain('is read again');
    expect(await connected.push.push([1], 'y')).toEqual([expect.any(String)]);
    await connected.close();
    const read = await fetch(`${fixture.gateway.http}/data/x?block=-1`, {
      headers: bearer(fixture.tokens.other),
    });
    expect(read.status).toBe(200);
  });
});
