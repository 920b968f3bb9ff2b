/** The rights in Redis that docs/access.md gives the gateway: with them all works, and with fewer keys nothing leaks. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { freePort } from '../support/free-port.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { nextEvent, OpenAnswer } from '../support/open-answer.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';

const PAGE = readFileSync('docs/access.md', 'utf8');
const [, RIGHTS] = /^user streamgate on >PASSWORD ~\* (.+)$/m.exec(PAGE)!;
const [, ONE_DEVICE] = /may be\s`(~cam1:\* [^`]+)`/.exec(PAGE)!;
const PASSWORD = 'a-password';

const ALL = allows('read', 'write', 'meta', 'admin');
const PLANS = { cam1: { device: 'cam1', rights: ALL }, all: { rights: ALL } };

let redis: TestRedis | undefined;
let fixture: AccessFixture<keyof typeof PLANS> | undefined;

afterEach(async () => {
  await fixture?.stop();
  await redis?.stop();
});

async function start(keys: string): Promise<AccessFixture<keyof typeof PLANS>> {
  // Only addresses of this kind have room for a password.
  const port = await freePort();
  redis = await startRedis('--port', String(port), '--bind', '127.0.0.1');
  await redis.client.call(
    'ACL',
    'SETUSER',
    'streamgate',
    'on',
    `>${PASSWORD}`,
    ...keys.split(' '),
    ...RIGHTS!.split(' '),
  );
  // This test's own client has sent commands that some servers refuse.
  await redis.client.config('RESETSTAT');
  fixture = await startAccessFixture(PLANS, {
    REDIS_URL: `redis://streamgate:${PASSWORD}@127.0.0.1:${port}`,
    ALLOW_FLUSH: '1',
  });
  return fixture;
}

/** What Redis refused, apart from what was expected. */
const refusals = async (): Promise<string[]> => {
  const entries = (await redis!.client.call('ACL', 'LOG')) as unknown[][];
  return entries.map((entry) => entry.map(String).join(' '));
};

/** Does all that there is to be done. */
async function useEverything({ gateway, tokens }: AccessFixture<keyof typeof PLANS>): Promise<void> {
  const headers = bearer(tokens.cam1);
  const ask = async (query: string) => {
    const answer = await fetch(`${gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
    expect(await answer.json()).toEqual({ data: expect.anything() });
  };
  const pull = await TestSocket.open(`${gateway.ws}/data/x/pull`, headers);
  const push = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`, headers);
  expect(await push.push([1], 'y')).toEqual([expect.any(String)]);
  expect(await pull.receiveJson()).toEqual([['x', expect.any(String), 0]]);
  const behind = await TestSocket.open(`${gateway.ws}/data/x/pull?last_entry_id=0`, headers);
  expect(await behind.receiveJson()).toEqual([['x', expect.any(String), 0]]);
  for (const query of ['last_entry_id=0', 'last_entry_id=0&latest=1', 'block=10']) {
    expect((await fetch(`${gateway.http}/data/x?${query}`, { headers })).status).toBe(200);
  }
  expect((await fetch(`${gateway.http}/data/x`, { method: 'POST', body: 'z', headers })).status).toBe(200);
  const known = { ...headers, 'if-none-match': '*' };
  expect((await fetch(`${gateway.http}/data/x/latest`, { headers: known })).status).toBe(304);
  for (const view of ['data/x/latest', 'data/x/mjpeg', 'data/x/events']) {
    const leaving = new AbortController();
    const { signal } = leaving;
    expect((await fetch(`${gateway.http}/${view}`, { headers, signal })).status).toBe(200);
    leaving.abort();
  }
  const overview = await OpenAnswer.open(gateway, '/overview', headers);
  expect(JSON.parse((await nextEvent(overview)).data)).toMatchObject({ streams: [{ key: 'x', length: 2 }] });
  overview.leave();
  await ask(
    '{ devices(includeAll: true) { id meta streams { id length lastEntryString firstEntryId meta error } } }',
  );
  await ask('mutation { connectDevice(deviceId: "cam1", meta: {a: 1}) }');
  await ask('mutation { updateDeviceMeta(deviceId: "cam1", meta: {b: 1}) }');
  await ask('mutation { disconnectDevice(deviceId: "cam1") }');
  await ask('mutation { updateStreamMeta(streamId: "x", meta: {a: 1}) }');
  await ask('mutation { updateStreamMeta(streamId: "x", meta: {b: 1}, update: true) }');
  const subscription = await GraphqlSocket.open(gateway, { headers });
  await subscription.run('subscription { data(streamIds: ["x"], lastEntryId: "0") { string } }').next();
  await subscription.close();
  await ask('mutation { deleteStream(streamId: "x") }');
  await ask('mutation { flush }');
  expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);
  for (const socket of [push, pull, behind]) await socket.close();
}

test('are enough', async () => {
  await useEverything(await start('~*'));
  expect(await refusals()).toEqual([]);
});

test('are enough to start without a single command that Redis refuses', async () => {
  await start('~*');
  // Redis before 7.2 does not know every command that later ones deny: that counts as an error, too.
  expect((await redis!.client.info('errorstats')).match(/^errorstat_.*$/gm)).toBeNull();
});

test('are enough for a gateway of one device, which then cannot reach another by any token', async () => {
  const { gateway, tokens } = await start(ONE_DEVICE!);
  await redis!.client.xadd('cam2:x', '1-0', 'd', 'hidden');
  await useEverything(fixture!);
  expect(await refusals()).toEqual([]);
  const headers = bearer(tokens.all);
  const path = '/data/x?last_entry_id=0&device_id=cam2';
  for (const answer of [
    await fetch(`${gateway.http}${path}`, { headers }),
    await fetch(`${gateway.http}${path}`, { headers, method: 'POST', body: 'y' }),
  ]) {
    expect(answer.status).toBe(502);
    expect(await answer.json()).toMatchObject({ code: 'redis_denied' });
  }
  expect(await redis!.client.xlen('cam2:x')).toBe(1);
  // A follower of good streams is not disturbed by one of forbidden ones.
  await expect(TestSocket.open(`${gateway.ws}/data/x/pull?device_id=cam2`, headers)).rejects.toThrow(
    'redis_denied',
  );
  expect((await refusals()).length).toBeGreaterThan(0);
});
