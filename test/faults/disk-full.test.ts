/**
 * The disk of Redis is full. Under `everysec`, and where a snapshot failed, Redis goes on and refuses
 * writes; under `always` it ends. The disk is a small tmpfs, so these tests need the right to mount one.
 */
import { once } from 'node:events';
import { afterEach, expect, test, vi } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { mountSmallDisk, type SmallDisk } from '../support/small-disk.js';
import { TestSocket } from '../support/socket.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';
import { type Refusal, StreamWriter } from '../support/stream-writer.js';

const MIB = 1024 * 1024;
const SOON = { timeout: 20_000, interval: 20 };
const FRAME_BYTES = 20_000;

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function smallDisk(): Promise<SmallDisk> {
  const disk = await mountSmallDisk(8 * MIB);
  ending.push(() => disk.unmount());
  return disk;
}

async function redisOn(disk: SmallDisk, ...settings: string[]): Promise<TestRedis> {
  const redis = await startRedis('--dir', disk.folder, ...settings);
  ending.push(() => redis.stop());
  return redis;
}

async function gatewayOf(settings: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ REDIS_STREAM_MAXLEN: '1000000', ...settings });
  ending.push(() => gateway.stop());
  return gateway;
}

const codeOf = ({ outcome }: { outcome: unknown }) => (outcome as Refusal | undefined)?.code;

/** Writes until an entry is refused; resolves to the refusal's code. */
async function writeUntilRefused(writer: StreamWriter): Promise<string> {
  for (;;) {
    const sent = await writer.send(FRAME_BYTES);
    if (typeof sent.outcome !== 'string') return String(codeOf(sent));
  }
}

/** Every entry that was acknowledged is there with its id, and none that was refused. */
async function expectAsTold(redis: TestRedis, writer: StreamWriter): Promise<void> {
  const stored = await storedEntries(redis.client, 'default:x');
  const held = new Map(stored.map(({ id, stamp }) => [stamp, id]));
  expect(held.size).toBe(stored.length);
  for (const { stamp, outcome } of writer.sent) {
    if (typeof outcome === 'string') expect([stamp, held.get(stamp)]).toEqual([stamp, outcome]);
    else if (outcome?.code !== 'unknown_outcome')
      expect([stamp, held.get(stamp)]).toEqual([stamp, undefined]);
  }
}

/** Writes are taken again, which Redis finds out within a second or two. */
async function writeAgain(writer: StreamWriter): Promise<string> {
  return vi.waitFor(async () => {
    const { outcome } = await writer.send(FRAME_BYTES);
    expect(outcome).toEqual(expect.any(String));
    return outcome as string;
  }, SOON);
}

/** Writes are refused in a way that says so, reads go on, and all recovers when there is room. */
async function refusesAndRecovers(
  gateway: GatewayProcess,
  fill: () => Promise<unknown>,
  free: () => Promise<unknown>,
): Promise<StreamWriter> {
  const follower = await StreamFollower.open(gateway, 'x', 'block=50');
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  await writer.send(FRAME_BYTES);
  await fill();
  expect(await writeUntilRefused(writer)).toBe('redis_read_only');

  const answer = await fetch(`${gateway.http}/data/x`, { method: 'POST', body: 'x' });
  expect([answer.status, answer.headers.get('retry-after'), await answer.json()]).toEqual([
    503,
    '1',
    { code: 'redis_read_only', error: expect.stringMatching(/MISCONF/), entries: expect.any(Array) },
  ]);
  const silent = await TestSocket.open(`${gateway.ws}/data/x/push?header=0`);
  silent.send(Buffer.from('refused'));
  expect(await silent.closed).toEqual({ code: 1013, reason: expect.stringMatching(/MISCONF/) });

  // Everything that was taken was delivered, new followers are let in, and hear that there is nothing new.
  const last = writer.sent.filter(({ outcome }) => typeof outcome === 'string').at(-1)!;
  await follower.until(() => follower.entries.at(-1)?.stamp === last.stamp);
  const { heartbeats } = follower;
  await follower.until(() => follower.heartbeats > heartbeats + 1);
  const late = await StreamFollower.open(gateway, 'x', 'last_entry_id=0&count=100&block=0');
  await late.until(() => late.entries.at(-1)?.stamp === last.stamp);
  expect((await fetch(`${gateway.http}/data/x?last_entry_id=0`)).status).toBe(200);

  await free();
  const id = await writeAgain(writer);
  for (const each of [follower, late]) {
    await each.until(() => each.entries.at(-1)?.id === id);
    expect(each.isClosed).toBe(false);
    await each.close();
  }
  await writer.close();
  return writer;
}

test('everysec: writes are refused until there is room, and reads go on', async () => {
  const disk = await smallDisk();
  const redis = await redisOn(disk, '--appendonly', 'yes', '--appendfsync', 'everysec');
  const gateway = await gatewayOf({ REDIS_URL: redis.url });
  const writer = await refusesAndRecovers(gateway, disk.fill, disk.free);
  await expectAsTold(redis, writer);
});

test('a snapshot that failed: the same', async () => {
  const disk = await smallDisk();
  const redis = await redisOn(disk, '--appendonly', 'no', '--save', '3600 1');
  const gateway = await gatewayOf({ REDIS_URL: redis.url });
  /** Has Redis write its snapshot. */
  const save = async () => {
    await redis.client.bgsave();
    await vi.waitFor(async () => {
      expect(await redis.client.info('persistence')).toMatch(/rdb_bgsave_in_progress:0/);
    }, SOON);
  };
  const writer = await refusesAndRecovers(
    gateway,
    async () => {
      await disk.fill();
      await save();
    },
    async () => {
      await disk.free();
      await save();
    },
  );
  await expectAsTold(redis, writer);
});

test('always: Redis ends, which is like any other end of it', async () => {
  const disk = await smallDisk();
  const redis = await redisOn(disk, '--appendonly', 'yes', '--appendfsync', 'always');
  const gateway = await gatewayOf({ REDIS_URL: redis.url });
  const follower = await StreamFollower.open(gateway, 'x', 'block=50');
  const writer = await StreamWriter.open(gateway, 'x', 'w');
  await writer.send(FRAME_BYTES);
  const ended = once(redis.process, 'exit');
  await disk.fill();
  const refused = writeUntilRefused(writer);
  await ended;
  expect(['redis_unavailable', 'unknown_outcome']).toContain(await refused);
  expect(follower.isClosed).toBe(false);

  await disk.free();
  await redis.restart();
  const id = await writeAgain(writer);
  await follower.until(() => follower.entries.at(-1)?.id === id);
  await expectAsTold(redis, writer);
  await Promise.all([writer.close(), follower.close()]);
});

test('the embedded Redis: writes are refused until there is room, and reads go on', async () => {
  const disk = await smallDisk();
  const gateway = await gatewayOf({ STREAMGATE_DATA_DIR: disk.folder });
  const writer = await refusesAndRecovers(gateway, disk.fill, disk.free);
  const told = writer.sent.flatMap(({ outcome, stamp }) =>
    typeof outcome === 'string' ? [`${outcome} ${stamp}`] : [],
  );
  const late = await StreamFollower.open(gateway, 'x', 'last_entry_id=0&count=1000&block=0');
  await late.until(() => late.entries.length >= told.length);
  expect(late.entries.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(told);
  await late.close();
});
