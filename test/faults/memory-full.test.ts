/** Redis is at its memory limit and evicts nothing: whoever writes is told, and nobody else feels it. */
import { expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { TestSocket } from '../support/socket.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const FULL = { code: 'redis_out_of_memory', error: expect.stringMatching(/OOM/) };

const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: '1000000' }, [
  '--maxmemory-policy',
  'noeviction',
]);

test('writes are refused with a code of their own, and reads go on', async () => {
  const follower = await StreamFollower.open(gateway, 'x', 'block=50');
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  for (let entry = 0; entry < 20; entry++) await writer.send(10_000);
  await redis.client.config('SET', 'maxmemory', '1');

  // Those with acks stay connected and are told each time; those without are closed, and told why.
  for (let entry = 0; entry < 5; entry++) expect((await writer.send(1000)).outcome).toEqual(FULL);
  const silent = await TestSocket.open(`${gateway.ws}/data/x/push?header=0`);
  silent.send(Buffer.from('refused'));
  expect(await silent.closed).toEqual({ code: 1013, reason: expect.stringMatching(/OOM/) });
  const answer = await fetch(`${gateway.http}/data/x`, { method: 'POST', body: 'x' });
  expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
    503,
    '1',
    { ...FULL, entries: [FULL] },
  ]);

  const taken = writer.sent.filter(({ outcome }) => typeof outcome === 'string').map(({ stamp }) => stamp);
  expect(taken.length).toBe(20);
  await follower.until(() => follower.entries.length === taken.length);
  const { heartbeats } = follower;
  await follower.until(() => follower.heartbeats > heartbeats + 1);
  // Who comes now is let in like before.
  const late = await StreamFollower.open(gateway, 'x', 'last_entry_id=0&count=7&block=0', 'msgpack');
  await late.until(() => late.entries.length === taken.length);
  const { headers } = await fetch(`${gateway.http}/data/x?last_entry_id=0&latest=1`);
  expect(headers.get('x-last-entry-id')).toBe(late.entries.at(-1)!.id);
  const { status } = await fetch(
    `${gateway.http}/graphql?query=${encodeURIComponent('{ streams { id length } }')}`,
  );
  expect(status).toBe(200);
  expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);

  await redis.client.config('SET', 'maxmemory', '0');
  const { outcome, stamp } = await writer.send(1000);
  expect(outcome).toEqual(expect.any(String));
  const expected = [...taken, stamp];
  for (const each of [follower, late]) {
    await each.until(() => each.entries.length === expected.length);
    expect(each.entries.map((entry) => entry.stamp)).toEqual(expected);
    await each.close();
  }
  expect((await storedEntries(redis.client, 'default:x')).map((entry) => entry.stamp)).toEqual(expected);
  expect(await gateway.metric('entries_refused_total{code="redis_out_of_memory"}')).toBe(7);
  await writer.close();
});
