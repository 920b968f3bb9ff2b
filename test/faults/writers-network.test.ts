/** A bad network between the gateway and Redis: what writers are told is what Redis holds. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { startLoad } from '../support/write-load.js';

const ID = expect.stringMatching(/^\d+-\d+$/);
const WAIT = { timeout: 20_000, interval: 5 };
const CUTS = 14;
/** Until a writer hears of an outage: 5 s, and what a busy machine adds. */
const DEADLINE_MS = 7000;

let redis: TestRedis;
let proxy: FaultProxy;
let gateway: GatewayProcess;

// A gateway for each test: one that sees its streams deleted by others cannot be certain whose an entry is.
beforeEach(async () => {
  redis = await startRedis();
  proxy = await FaultProxy.start(redis);
  proxy.only = /^append/;
  gateway = await startGatewayProcess({ REDIS_URL: proxy.url, REDIS_STREAM_MAXLEN: '1000000' });
});

afterEach(async () => {
  proxy.resume();
  await gateway.stop();
  await proxy.stop();
  await redis.stop();
});

const post = (payload: string) => fetch(`${gateway.http}/data/x`, { method: 'POST', body: payload });
const held = async () =>
  (await redis.client.xrange('default:x', '-', '+')).map(([id, fields]) => [id, fields[1]]);

describe('the answer to an entry is lost', () => {
  test.each(['a stream that is new', 'a stream that is not'])(
    '%s: it is stored once, and told with its id',
    async (name) => {
      const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1&header=0`);
      if (name === 'a stream that is not') {
        socket.send('lost');
        await socket.receiveJson();
      }
      const before = await held();
      const cut = proxy.cutAfter(0, 'toClient');
      socket.send('lost');
      await cut;
      const [id] = await socket.receiveJson<string[]>();
      expect(await held()).toEqual([...before, [id, 'lost']]);

      const again = proxy.cutAfter(0, 'toClient');
      const posting = post('posted');
      await again;
      const answer = await posting;
      expect([answer.status, await answer.json()]).toEqual([200, [ID]]);
      expect((await held()).map(([, payload]) => payload)).toEqual(
        [...before, [id, 'lost'], [id, 'posted']].map(([, payload]) => payload),
      );
      await socket.close();
    },
  );

  test('and trimmed meanwhile: the outcome is unknown to who asks for it, and others are closed with that', async () => {
    const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1&header=0`);
    const lose = async (send: () => void) => {
      // What is cut is to be the answer, and not what a new connection begins with.
      await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), WAIT);
      const cut = proxy.cutAfter(0, 'toClient');
      proxy.isRefusing = true;
      send();
      await cut;
      await redis.client.xtrim('default:x', 'MAXLEN', 0);
      proxy.isRefusing = false;
    };
    await lose(() => socket.send('first'));
    const unknown = {
      code: 'unknown_outcome',
      error: expect.stringMatching(/^the connection to Redis was lost/),
    };
    expect(await socket.receiveJson()).toEqual([unknown]);
    let posting: Promise<Response> | undefined;
    await lose(() => {
      posting = post('posted');
    });
    const answer = (await posting)!;
    expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
      504,
      null,
      { ...unknown, entries: [unknown] },
    ]);
    // Without acks it is sent again, and the connection goes on.
    const silent = await TestSocket.open(`${gateway.ws}/data/x/push?header=0`);
    await lose(() => silent.send('silent'));
    await vi.waitFor(async () => expect(await held()).toEqual([[ID, 'silent']]), WAIT);
    silent.send('more');
    await vi.waitFor(
      async () =>
        expect(await held()).toEqual([
          [ID, 'silent'],
          [ID, 'more'],
        ]),
      WAIT,
    );
    expect(await gateway.metric('entries_refused_total{code="unknown_outcome"}')).toBe(2);
    await Promise.all([socket.close(), silent.close()]);
  });
});

test('an entry that is lost with the connection is not acknowledged with the id of an equal one of another writer', async () => {
  const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1&header=0`);
  socket.send('first');
  const [first] = await socket.receiveJson<string[]>();
  const theirs = await redis.client.xadd('default:x', '*', 'd', 'on');
  const more = await redis.client.xadd('default:x', '*', 'd', 'off');
  const cut = proxy.cutAfter(0, 'toServer');
  proxy.isRefusing = true;
  socket.send('on');
  await cut;
  proxy.isRefusing = false;
  const unknown = {
    code: 'unknown_outcome',
    error: expect.stringMatching(/^the connection to Redis was lost/),
  };
  expect(await socket.receiveJson()).toEqual([unknown]);
  expect(await held()).toEqual([
    [first, 'first'],
    [theirs, 'on'],
    [more, 'off'],
  ]);
  await socket.close();
});

test('cut again and again, anywhere in commands and answers: every entry is stored once, and told so', async () => {
  const load = startLoad(gateway);
  await load.moreAcked(200);
  for (let cut = 0; cut < CUTS; cut++) {
    // An answer is thirty bytes, a command up to 40 KB.
    if (cut % 3 === 0) await proxy.cutAfter((cut * 37) % 1000, 'toClient');
    else await proxy.cutAfter((cut * 7919) % 60_000, 'toServer');
    await load.moreAcked(20);
  }
  const { ok, failed, unknown, unknownStored, silently } = await load.check(redis.client);
  expect([failed, unknown, unknownStored]).toEqual([0, silently, silently]);
  expect(ok).toBeGreaterThan(600);
  // Some were cut before they served.
  expect(await gateway.metric('redis_disconnects_total{role="append"}')).toBeGreaterThan(6);
});

test('a byte at a time: all as ever', async () => {
  const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1`);
  proxy.isDribbling = true;
  const frames = Array.from({ length: 40 }, (_, seq) => stampedFrame('w', seq, 200));
  for (const frame of frames) socket.send('[]', frame);
  const ids: string[] = [];
  while (ids.length < frames.length) ids.push(...(await socket.receiveJson<string[]>()));
  const stored = await storedEntries(redis.client, 'default:x');
  expect(stored).toEqual(ids.map((id, seq) => ({ id, stamp: `w#${seq}` })));
  await socket.close();
});

describe('the network goes silent', () => {
  test('for one connection: another takes its place, and nobody hears of it', async () => {
    const load = startLoad(gateway);
    await load.moreAcked(200);
    proxy.only = new RegExp(`^${proxy.names[0]}$`);
    proxy.stall();
    await load.moreAcked(500);
    expect(load.slowest).toBeLessThan(DEADLINE_MS);
    proxy.resume();
    await load.moreAcked(500);
    const { failed, unknown, unknownStored, silently } = await load.check(redis.client);
    expect([failed, unknown, unknownStored]).toEqual([0, silently, silently]);
  });

  test('for all, and for long: writers hear of it in time, and nothing is stored that was refused', async () => {
    const load = startLoad(gateway);
    await load.moreAcked(200);
    proxy.stall();
    const refused = await vi.waitFor(async () => {
      const answer = await post('at once');
      expect(answer.status).toBe(503);
      return answer.json();
    }, WAIT);
    expect(refused).toMatchObject({ code: 'redis_unavailable' });
    expect(load.slowest).toBeLessThan(DEADLINE_MS);
    proxy.resume();
    await load.moreAcked(500);
    const { ok, failed, unknown, silently } = await load.check(redis.client);
    expect(ok).toBeGreaterThan(600);
    expect(failed).toBeGreaterThan(0);
    expect(unknown).toBeGreaterThan(silently);
  }, 40_000);
});
