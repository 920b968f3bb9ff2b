/** Several gateways on one Redis: one of them is told to read its tokens again. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { TestSocket } from '../support/socket.js';

const REVOKED = { code: 4401, reason: 'the token was revoked or changed' };
const WAIT = { timeout: 15_000, interval: 20 };
const PLANS = { kept: { rights: allows('read') }, gone: { rights: allows('read') } };

let fixture: AccessFixture<keyof typeof PLANS>;
let proxy: FaultProxy;
let other: GatewayProcess;

beforeEach(async () => {
  fixture = await startAccessFixture(PLANS);
  proxy = await FaultProxy.start(fixture.redis);
  proxy.only = /notices/;
  other = await startGatewayProcess({ REDIS_URL: proxy.url, ACCESS_TOKENS_FILE: fixture.file });
  await listening(2);
});

afterEach(async () => {
  await other?.stop();
  await proxy?.stop();
  await fixture?.stop();
});

/** So many gateways hear what the others say. */
const listening = (gateways: number) =>
  vi.waitFor(async () => {
    const [, count] = (await fixture.redis.client.pubsub('NUMSUB', 'streamgate:access')) as [string, number];
    expect(count).toBe(gateways);
  }, WAIT);

const follow = (token: string) => TestSocket.open(`${other.ws}/data/x/pull`, bearer(token));

test('all read them, and end what a revoked one had opened', async () => {
  const gone = await follow(fixture.tokens.gone);
  const kept = await follow(fixture.tokens.kept);
  await fixture.rewrite({ kept: PLANS.kept });
  expect(await gone.closed).toEqual(REVOKED);
  expect((await kept.close()).code).not.toBe(4401);
  // Whoever hears of it does not tell it again.
  const reloads = () => fixture.gateway.log.filter(({ msg }) => msg === 'access control is read again');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(reloads()).toHaveLength(1);
});

test('one that could not hear it reads them when it listens again', async () => {
  const gone = await follow(fixture.tokens.gone);
  proxy.isRefusing = true;
  proxy.cut();
  await listening(1);
  await fixture.rewrite({ kept: PLANS.kept });
  proxy.isRefusing = false;
  expect(await gone.closed).toEqual(REVOKED);
});
