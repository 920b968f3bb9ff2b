/** Many followers of one stream, and followers of many: what they cost Redis and the gateway is bounded. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { costOf } from '../support/redis-cost.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';

const FOLLOWERS = 1000;
const STREAMS = 500;
const ENTRIES = 20;
/** Linux counts a process' time in these. */
const TICK_MS = 10;
/** Of processor time for an entry that is delivered: some twenty times what it takes. */
const MOST_MS_AN_ENTRY = 0.3;

const { redis, gateway } = await startForFile({
  READER_THREADS: '1',
  MAX_CONNECTIONS_PER_ADDRESS: '0',
});

/** Processor time that the gateway has taken, in ms. */
async function processorMs(): Promise<number> {
  const fields = (await readFile(`/proc/${gateway.process.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const blockedClients = async () =>
  Number(/blocked_clients:(\d+)/.exec(await redis.client.info('clients'))![1]);

const openAll = async (sids: readonly string[]) => {
  const followers: StreamFollower[] = [];
  for (let from = 0; from < sids.length; from += 200) {
    const some = sids.slice(from, from + 200).map((sid) => StreamFollower.open(gateway, sid, 'block=0'));
    followers.push(...(await Promise.all(some)));
  }
  return followers;
};

test('many followers of one stream: it is read once, and XADD wakes one client', async () => {
  const followers = await openAll(Array.from({ length: FOLLOWERS }, () => 'one'));
  const read = await gateway.metric('entries_read_total');
  const before = await processorMs();
  const { calls } = await costOf(redis.client, async () => {
    for (let seq = 0; seq < ENTRIES; seq++) {
      await redis.client.xadd('default:one', '*', 'd', stampedFrame('w', seq));
    }
    for (const follower of followers) await follower.until(() => follower.entries.length === ENTRIES);
  });
  const used = (await processorMs()) - before;
  expect(await blockedClients()).toBeLessThanOrEqual(1);
  expect((await gateway.metric('entries_read_total')) - read).toBe(ENTRIES);
  // Nobody reads for himself.
  expect(calls.xread! + (calls.xrange ?? 0) + (calls.xrevrange ?? 0)).toBeLessThan(FOLLOWERS / 2);
  expect(used / (FOLLOWERS * ENTRIES)).toBeLessThan(MOST_MS_AN_ENTRY);
  const stamps = Array.from({ length: ENTRIES }, (_, seq) => `w#${seq}`);
  for (const follower of followers) {
    expect(follower.entries.map(({ stamp }) => stamp)).toEqual(stamps);
    follower.ws.terminate();
  }
});

test('a follower of many streams: an entry costs what it costs with one', async () => {
  const sids = Array.from({ length: STREAMS }, (_, index) => index.toString(36));
  const follower = await StreamFollower.open(gateway, sids.join('+'), 'block=0');
  const before = await processorMs();
  for (let seq = 0; seq < ENTRIES; seq++) {
    const pipeline = redis.client.pipeline();
    for (const sid of sids) pipeline.xadd(`default:${sid}`, '*', 'd', stampedFrame(sid, seq));
    await pipeline.exec();
  }
  await follower.until(() => follower.entries.length === STREAMS * ENTRIES);
  expect(((await processorMs()) - before) / (STREAMS * ENTRIES)).toBeLessThan(MOST_MS_AN_ENTRY);
  for (const sid of sids) {
    expect(follower.entries.filter((entry) => entry.sid === sid).map(({ stamp }) => stamp)).toEqual(
      Array.from({ length: ENTRIES }, (_, seq) => `${sid}#${seq}`),
    );
  }
  await follower.close();
});
