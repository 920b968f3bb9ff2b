/** Redis ends connections, or becomes a replica of another: followers go on, without gap or double. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';

const WAIT = { timeout: 10_000, interval: 20 };
/** Replication without its pauses: they are for networks and disks of a size that there is not here. */
const HASTY = ['--repl-diskless-sync-delay', '0', '--repl-backlog-size', '1mb'];

let first: TestRedis;
let second: TestRedis;
let ports: number[];
let gateway: GatewayProcess;

beforeAll(async () => {
  ports = [await freePort(), await freePort()];
  [first, second] = (await Promise.all(
    ports.map((port) => startRedis('--port', String(port), '--bind', '127.0.0.1', ...HASTY)),
  )) as [TestRedis, TestRedis];
});

afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
});

let written = 0;

async function write(redis: TestRedis, entries: number): Promise<void> {
  for (let entry = 0; entry < entries; entry++) {
    await redis.client.xadd('default:x', '*', 'd', stampedFrame('w', written++));
  }
}

const linked = (replica: TestRedis) =>
  vi.waitFor(
    async () => expect(await replica.client.info('replication')).toMatch(/master_link_status:up/),
    WAIT,
  );

async function expectAll(follower: StreamFollower): Promise<void> {
  await follower.until(() => follower.entries.at(-1)?.stamp === `w#${written - 1}`);
  const stored = await storedEntries(first.client, 'default:x');
  expect(follower.entries.map(({ id, stamp }) => `${id} ${stamp}`)).toEqual(
    stored.map(({ id, stamp }) => `${id} ${stamp}`),
  );
}

/** A gateway whose connections were lost just now refuses new followers until it has new ones. */
async function openFollower(query: string): Promise<StreamFollower> {
  await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), WAIT);
  return StreamFollower.open(gateway, 'x', query);
}

// Many streams are followed in another way than few.
describe.each([1, 150])('of %i followed streams', (streams) => {
  let crowd: StreamFollower;

  beforeAll(async () => {
    for (const redis of [first, second]) {
      await redis.client.replicaof('NO', 'ONE');
      await redis.client.flushall();
    }
    written = 0;
    gateway = await startGatewayProcess({ REDIS_URL: first.url, READER_THREADS: '1' });
    const others = Array.from({ length: streams }, (_, index) => `other-${index}`);
    crowd = await StreamFollower.open(gateway, others.join('+'), 'block=0');
  });

  afterAll(async () => {
    await crowd.close();
    await gateway.stop();
  });

  test('every connection is killed, again and again', async () => {
    const follower = await StreamFollower.open(gateway, 'x', 'block=0');
    for (let time = 0; time < 5; time++) {
      await write(first, 20);
      await first.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await write(first, 20);
      await expectAll(follower);
    }
    await follower.close();
  });

  test('a master that becomes a replica of its own replica is followed on', async () => {
    const follower = await openFollower('block=0&last_entry_id=0');
    await expectAll(follower);
    await second.client.replicaof('127.0.0.1', ports[0]!);
    await linked(second);
    await write(first, 10);
    await expectAll(follower);
    await first.client.call('WAIT', 1, 5000);
    // The other way round.
    await second.client.replicaof('NO', 'ONE');
    await first.client.replicaof('127.0.0.1', ports[1]!);
    await linked(first);
    await write(second, 10);
    await expectAll(follower);
    // And back.
    await second.client.call('WAIT', 1, 5000);
    await first.client.replicaof('NO', 'ONE');
    await write(first, 10);
    await expectAll(follower);
    expect(await gateway.metric('stream_resets_total')).toBe(0);
    await follower.close();
  });

  test('a master that is given the data of another is followed on there', async () => {
    const follower = await openFollower('block=0');
    await write(first, 1);
    await follower.until(() => follower.entries.length === 1);
    await second.client.replicaof('NO', 'ONE');
    await second.client.flushall();
    for (const id of ['1-0', '2-0']) await second.client.xadd('default:x', id, 'd', stampedFrame(id, 0));
    await first.client.replicaof('127.0.0.1', ports[1]!);
    await follower.until(() => follower.entries.length === 3);
    await second.client.xadd('default:x', '3-0', 'd', stampedFrame('3-0', 0));
    await follower.until(() => follower.entries.length === 4);
    expect(follower.entries.slice(1).map(({ id }) => id)).toEqual(['1-0', '2-0', '3-0']);
    await follower.close();
  });
});
