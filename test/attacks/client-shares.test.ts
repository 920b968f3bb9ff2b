/** One client that takes all it can get: others are served all the same. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { GraphqlSocket } from '../support/graphql-socket.js';
import { openRaw, RawClient, type RawClientOptions } from '../support/raw-client.js';
import { TestSocket } from '../support/socket.js';

const PLANS = { greedy: { rights: allows('read', 'write') }, modest: { rights: allows('read', 'write') } };
/** The machine may be busy. */
const PATIENT = { timeout: 15_000, interval: 50 };
type Name = keyof typeof PLANS;

let fixture: AccessFixture<Name>;
let clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients) client.destroy();
  clients = [];
  expect(fixture.gateway.process.exitCode).toBeNull();
  await fixture.stop();
});

const authorization = (name: Name) => `Authorization: Bearer ${fixture.tokens[name]}\r\n`;
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`).join('+');

async function follow(name: Name, sids: string, options: RawClientOptions = {}): Promise<RawClient> {
  const path = `/data/${sids}/pull?block=0`;
  const client = await openRaw(fixture.gateway.port, path, authorization(name), options);
  clients.push(client);
  return client;
}

async function get(name: Name, path: string, options: RawClientOptions = {}): Promise<RawClient> {
  const client = await RawClient.open(fixture.gateway.port, options);
  clients.push(client);
  client.send(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${authorization(name)}\r\n`);
  return client;
}

async function answer(client: RawClient): Promise<{ status: number | undefined; error: string }> {
  await client.until(
    () => client.text.includes('\r\n\r\n') && (client.statuses[0] === 200 || client.text.endsWith('}')),
  );
  return { status: client.statuses[0], error: /"error":"([^"]*)"/.exec(client.text)?.[1] ?? '' };
}

const metric = async (name: string) => {
  const headers = bearer(fixture.tokens.modest);
  const text = await (await fetch(`${fixture.gateway.http}/metrics`, { headers })).text();
  return Number(new RegExp(`^streamgate_${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

describe('streams that are followed', () => {
  test('by one token at once leave half of MAX_FOLLOWED_STREAMS to others', async () => {
    fixture = await startAccessFixture(PLANS, { MAX_FOLLOWED_STREAMS: '1024' });
    const pulls = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        follow('greedy', names(`s${index}-`, 64), { from: `127.0.0.${index + 2}` }),
      ),
    );
    // Those that passed the first check together are closed by the second, once they would follow.
    await vi.waitFor(async () => expect(await metric('followed_streams')).toBe(512), PATIENT);
    await vi.waitFor(
      () => expect(pulls.filter((client) => client.statuses[0] === 101 && !client.hasEnded)).toHaveLength(8),
      PATIENT,
    );
    const more = await answer(await follow('greedy', 'another', { from: '127.0.0.99' }));
    expect(more).toEqual({
      status: 503,
      error:
        'this token uses 512 and wants 1 more; one token may use 512 of MAX_FOLLOWED_STREAMS (MAX_CLIENT_SHARE)',
    });
    // Streams that are followed already cost nothing more.
    const [open] = pulls.flatMap((client, index) => (client.hasEnded ? [] : [index]));
    expect((await follow('greedy', `s${open}-0`, { from: '127.0.0.99' })).statuses).toEqual([101]);
    expect((await follow('modest', names('other', 64))).statuses).toEqual([101]);
    expect(await metric('followed_streams')).toBe(512 + 64);
  });

  test('are counted for one of those that follow them now, by every way to follow', async () => {
    fixture = await startAccessFixture(PLANS, { MAX_FOLLOWED_STREAMS: '4' });
    const from = (last: number) => ({ from: `127.0.0.${last}` });
    const first = await follow('greedy', 'a+b', from(2));
    const second = await follow('modest', 'a+b', from(3));
    expect([first.statuses, second.statuses]).toEqual([[101], [101]]);
    await vi.waitFor(async () => expect(await metric('followed_streams')).toBe(2), PATIENT);
    const refusals = [
      await answer(await follow('greedy', 'c', from(2))),
      await answer(await get('greedy', '/data/c/events', from(2))),
      await answer(await get('greedy', '/data/c/mjpeg', from(2))),
      await answer(await get('greedy', '/data/c?block=30000', from(2))),
    ];
    for (const { status, error } of refusals) {
      expect([status, error]).toEqual([503, expect.stringContaining('one token may use 2')]);
    }
    const graphql = await GraphqlSocket.open(fixture.gateway, { init: { token: fixture.tokens.greedy } });
    const operation = graphql.run('subscription { data(streamIds: ["c"]) { time } }');
    expect(JSON.stringify(await operation.event())).toContain('one token may use 2');
    graphql.ws.close();
    // The first leaves: what the second follows is its own from then on.
    first.destroy();
    await vi.waitFor(async () => expect(await metric('connections{endpoint="pull"}')).toBe(1), PATIENT);
    expect((await follow('greedy', 'c+d', from(2))).statuses).toEqual([101]);
    expect((await answer(await follow('modest', 'e', from(3)))).status).toBe(503);
  });
});

test('reads that wait, of one token, leave half of MAX_WAITING_READS to others', async () => {
  fixture = await startAccessFixture(PLANS, { MAX_WAITING_READS: '4' });
  const wait = (name: Name, last: number) => get(name, '/data/x?block=30000', { from: `127.0.0.${last}` });
  for (const last of [2, 3]) await wait('greedy', last);
  await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(2), PATIENT);
  const { status, error } = await answer(await wait('greedy', 4));
  expect([status, error]).toEqual([503, expect.stringContaining('one token may use 2 of MAX_WAITING_READS')]);
  await wait('modest', 5);
  await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(3), PATIENT);
  // Its reads end, and it may wait again.
  for (const client of clients.slice(0, 2)) client.destroy();
  await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(1), PATIENT);
  await wait('greedy', 2);
  await vi.waitFor(async () => expect(await metric('waiting_reads')).toBe(2), PATIENT);
});

test('entries that wait for Redis, of one token by many sockets, leave half of MAX_BUFFERED_BYTES to others', async () => {
  // Only tokens are counted.
  fixture = await startAccessFixture(PLANS, {
    MAX_BUFFERED_BYTES: '100000',
    MAX_CONNECTIONS_PER_ADDRESS: '0',
  });
  const push = (name: Name) =>
    TestSocket.open(`${fixture.gateway.ws}/data/x/push?ack=1&header=0`, bearer(fixture.tokens[name]));
  const greedy = await Promise.all([push('greedy'), push('greedy'), push('greedy')]);
  const modest = await push('modest');
  modest.send(Buffer.from('x'));
  await modest.receive();
  fixture.redis.process.kill('SIGSTOP');
  for (const socket of greedy) socket.send(Buffer.alloc(20_000));
  await vi.waitFor(
    async () => expect(await metric('entries_refused_total{code="overloaded"}')).toBe(1),
    PATIENT,
  );
  modest.send(Buffer.alloc(40_000));
  await vi.waitFor(async () => expect(await metric('append_queue_bytes')).toBeGreaterThan(80_000), PATIENT);
  fixture.redis.process.kill('SIGCONT');
  expect(await modest.receiveJson()).toEqual([expect.stringMatching(/^\d+-/)]);
  const acks = await Promise.all(greedy.map((socket) => socket.receiveJson<unknown[]>()));
  expect(acks.flat().filter((ack) => typeof ack !== 'string')).toEqual([
    { code: 'overloaded', error: expect.stringContaining('one token may use 50000 of MAX_BUFFERED_BYTES') },
  ]);
  await Promise.all([...greedy, modest].map((socket) => socket.close()));
});
