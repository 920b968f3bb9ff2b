/** Followers at the gateway that stores the entries: they miss none, whatever else is done to the stream. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { compareEntryIds } from '../../../src/protocol/entry-id.js';
import { startForFile } from '../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../support/gateway-process.js';
import { TestSocket } from '../../support/socket.js';
import { stampedFrame } from '../../support/stamped-frames.js';
import { type Stored, storedEntries } from '../../support/stored-entries.js';
import { StreamFollower } from '../../support/stream-follower.js';

const MAX_LENGTH = 100;
const { redis, gateway } = await startForFile({ REDIS_STREAM_MAXLEN: String(MAX_LENGTH) });
const roomy = await startGatewayProcess({ REDIS_URL: redis.url, REDIS_STREAM_MAXLEN: '1000000' });
afterAll(() => roomy.stop());

let names = 0;
const keyOf = (sid: string) => `default:${sid}`;
const newName = () => `local-${names++}`;
const stampsOf = (follower: StreamFollower) => follower.entries.map(({ stamp }) => stamp);
const told = (follower: StreamFollower) => follower.entries.map(({ id, stamp }) => ({ id, stamp }));
const stampsOfWriter = (name: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `${name}#${from + index}`);

describe('a burst far beyond MAXLEN reaches followers that keep up', () => {
  async function burst(sid: string, query: string, bytes: number, entries: number, from = 0) {
    const follower = await StreamFollower.open(gateway, sid, query);
    const producer = await TestSocket.open(`${gateway.ws}/data/${sid}/push?header=0`);
    for (let seq = from; seq < from + entries; seq++) producer.ws.send(stampedFrame('w', seq, bytes));
    await follower.until(() => follower.entries.length >= entries);
    await producer.close();
    expect(stampsOf(follower)).toEqual(stampsOfWriter('w', from, from + entries));
    expect(follower.gaps).toEqual([]);
    await follower.close();
  }

  test('of a new stream', () => burst(newName(), 'count=100', 100, 5000));

  test('of one that others wrote to', async () => {
    const sid = newName();
    await redis.client.xadd(keyOf(sid), '*', 'd', 'before');
    await burst(sid, 'count=100', 100, 5000);
  });

  test('again and again', async () => {
    const sid = newName();
    for (let round = 0; round < 4; round++) await burst(sid, 'count=10', 100, 3000, round * 3000);
  });

  test('with gaps=1, of which none is told', () => burst(newName(), 'gaps=1&count=100', 100, 5000));

  // No more than the gateway keeps for a follower that is a little behind.
  test('of large frames', () => burst(newName(), '', 20_000, 350));
});

/** The connections of all gateways' readers. */
async function readers(): Promise<{ id: string; isBlocked: boolean }[]> {
  const clients = (await redis.client.client('LIST')) as string;
  return clients
    .split('\n')
    .filter((line) => line.includes('name=streamgate-reader'))
    .map((line) => ({ id: /^id=(\d+)/.exec(line)![1]!, isBlocked: / flags=\w*b/.test(line) }));
}

test('a loss that was not found before entries came from here is told all the same', async () => {
  const sid = newName();
  const bytes = 20_000;
  const xadd = (id: string, seq: number) =>
    redis.client.xadd(keyOf(sid), id, 'd', stampedFrame('other', seq, bytes));
  // So many that the reader's question of the length shows nothing.
  for (let seq = 1; seq < 40; seq++) await xadd(`${seq}-1`, seq);
  const follower = await StreamFollower.open(roomy, sid, 'gaps=1');
  for (let seq = 40; seq < 42; seq++) {
    await xadd(`${seq}-1`, seq);
    await follower.until(() => follower.entries.length === seq - 39);
  }
  const frame = (seq: number) => stampedFrame('other', seq, bytes);
  const removed = redis.client.multi();
  for (const seq of [42, 43, 44]) removed.xadd(keyOf(sid), `${seq}-1`, 'd', frame(seq));
  await removed.xdel(keyOf(sid), '43-1').exec();
  await follower.until(() => follower.entries.length === 4);
  const producer = await TestSocket.open(`${roomy.ws}/data/${sid}/push?header=0`);
  for (let seq = 0; seq < 200 && follower.gaps.length === 0; seq++) {
    producer.ws.send(stampedFrame('w', seq, bytes));
    await follower.until(() => follower.entries.length === 5 + seq);
    await sleep(seq);
  }
  const [gap] = follower.gaps;
  const sides = [gap!.after, gap!.resumed_at].map((id) => Math.sign(compareEntryIds(id, '43-1')));
  expect(sides).toEqual([-1, 1]);
  await Promise.all([producer.close(), follower.close()]);
});

describe('others write to the stream, too', () => {
  test.each([
    ['frames of a few bytes', 100],
    ['large frames', 30_000],
  ])('and each entry comes once, in order: %s', async (_, bytes) => {
    const sid = newName();
    const followers = await Promise.all([
      StreamFollower.open(roomy, sid),
      StreamFollower.open(roomy, sid, 'count=100', 'msgpack'),
      StreamFollower.open(roomy, sid, 'count=7&gaps=1'),
    ]);
    const producer = await TestSocket.open(`${roomy.ws}/data/${sid}/push?header=0`);
    let seq = 0;
    for (let round = 0; round < 60; round++) {
      for (let more = randomInt(40); more > 0; more--) producer.ws.send(stampedFrame('w', seq++, bytes));
      if (round % 3 === 0) {
        const pipeline = redis.client.pipeline();
        for (let more = randomInt(1, 5); more > 0; more--) {
          pipeline.xadd(keyOf(sid), '*', 'd', stampedFrame('other', seq++, bytes));
        }
        await pipeline.exec();
      }
      if (randomInt(3) === 0) await sleep(randomInt(30));
    }
    let stored: Stored[] = [];
    const count = async () => {
      stored = await storedEntries(redis.client, keyOf(sid));
      return stored.length;
    };
    await expect.poll(count, { timeout: 10_000 }).toBe(seq);
    for (const follower of followers) {
      await follower.until(() => follower.entries.length >= stored.length);
      expect(told(follower)).toEqual(stored);
      expect(follower.gaps).toEqual([]);
      await follower.close();
    }
    await producer.close();
  });

  test('once all came from here for a while: what another writes comes at once', async () => {
    // One that follows nothing else.
    const before = new Set((await readers()).map(({ id }) => id));
    const own = await startGatewayProcess({ REDIS_URL: redis.url });
    const sid = newName();
    const follower = await StreamFollower.open(own, sid);
    const producer = await TestSocket.open(`${own.ws}/data/${sid}/push?header=0`);
    let seq = 0;
    const push = async () => {
      producer.ws.send(stampedFrame('w', seq++));
      await follower.until(() => follower.entries.length === seq);
    };
    const isRead = async () => (await readers()).some(({ id, isBlocked }) => !before.has(id) && isBlocked);
    // No reader reads it then: that costs the least.
    for (let more = 0; more < 500 && (more < 50 || (await isRead())); more++) await push();
    expect(await isRead()).toBe(false);
    await redis.client.xadd(keyOf(sid), '*', 'd', stampedFrame('other', 0));
    await follower.until(() => follower.entries.length === seq + 1);
    expect(stampsOf(follower).at(-1)).toBe('other#0');
    await Promise.all([producer.close(), follower.close()]);
    await own.stop();
  });

  test.each([
    ['is deleted', (sid: string) => redis.client.del(keyOf(sid))],
    ['is renamed', (sid: string) => redis.client.rename(keyOf(sid), `${keyOf(sid)}-old`)],
    ['is flushed', () => redis.client.flushall()],
  ])('the stream %s while entries come from here: what follows comes', async (_, remove) => {
    const sid = newName();
    const follower = await StreamFollower.open(roomy, sid);
    const producer = await TestSocket.open(`${roomy.ws}/data/${sid}/push?header=0`);
    for (let seq = 0; seq < 30; seq++) {
      producer.ws.send(stampedFrame('w', seq));
      await follower.until(() => follower.entries.length === seq + 1);
    }
    await remove(sid);
    await sleep(300);
    for (let seq = 30; seq < 60; seq++) {
      producer.ws.send(stampedFrame('w', seq));
      await follower.until(() => follower.entries.length === seq + 1);
    }
    expect(stampsOf(follower)).toEqual(stampsOfWriter('w', 0, 60));
    await Promise.all([producer.close(), follower.close()]);
  });
});

test('latest never goes back, and ends with the newest', async () => {
  const sid = newName();
  const follower = await StreamFollower.open(gateway, sid, 'latest=1');
  const producer = await TestSocket.open(`${gateway.ws}/data/${sid}/push?header=0`);
  for (let seq = 0; seq < 3000; seq++) producer.ws.send(stampedFrame('w', seq));
  await follower.until(() => follower.entries.at(-1)?.stamp === 'w#2999');
  const numbers = stampsOf(follower).map((stamp) => Number(stamp.split('#')[1]));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
  await Promise.all([producer.close(), follower.close()]);
});
