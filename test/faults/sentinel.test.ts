/** A master that Sentinels watch: whoever has taken its place is written to and followed, on the same sockets. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { type Sentinels, startSentinels } from '../support/sentinels.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { storedEntries } from '../support/stored-entries.js';
import { StreamFollower } from '../support/stream-follower.js';

const WAIT = { timeout: 20_000, interval: 50 };
const LINK = ['--bind', '127.0.0.1', '--repl-diskless-sync-delay', '0'];

let master: TestRedis;
let replica: TestRedis;
let replicaPort: number;
let sentinels: Sentinels;
let gateway: GatewayProcess;

beforeEach(async () => {
  const port = await freePort();
  replicaPort = await freePort();
  master = await startRedis('--port', String(port), ...LINK);
  replica = await startRedis(
    '--port',
    String(replicaPort),
    '--replicaof',
    '127.0.0.1',
    String(port),
    ...LINK,
  );
  sentinels = await startSentinels(port);
  gateway = await startGatewayProcess({ REDIS_URL: sentinels.url });
});

afterEach(async () => {
  await gateway?.stop();
  await sentinels?.stop();
  await Promise.all([master?.stop(), replica?.stop()]);
});

interface Writer {
  /** The ids of what was acknowledged, and its stamp. */
  readonly acked: ReadonlyMap<string, string>;
  stop(): Promise<void>;
}

/** Pushes one entry after the other until told to stop. */
function startWriting(query: string): Writer {
  const acked = new Map<string, string>();
  let isDone = false;
  const write = async () => {
    const socket = await TestSocket.open(`${gateway.ws}/data/x/push?ack=1&${query}`);
    for (let entry = 0; !isDone; entry++) {
      const [answer] = (await socket.push([], stampedFrame('w', entry))) as (string | object)[];
      if (typeof answer === 'string') acked.set(answer, `w#${entry}`);
      else await delay(20);
    }
    await socket.close();
  };
  const writing = write();
  // Told by `stop`.
  writing.catch(() => {});
  return {
    acked,
    stop: () => {
      isDone = true;
      return writing;
    },
  };
}

async function expectWritesAgain(acked: ReadonlyMap<string, string>): Promise<void> {
  const before = acked.size;
  await vi.waitFor(() => expect(acked.size).toBeGreaterThan(before + 20), WAIT);
}

// Many streams are followed in another way than few.
test.each([1, 150])(
  'it is asked to give way under load, with %i streams: nothing is lost that a replica had, and all goes on with the other',
  async (streams) => {
    const others = Array.from({ length: streams - 1 }, (_, index) => `other-${index}`);
    const crowd = await StreamFollower.open(gateway, ['y', ...others].join('+'), 'block=0');
    const follower = await StreamFollower.open(gateway, 'x', 'block=0');
    const writer = startWriting('min_replicas=1');
    await expectWritesAgain(writer.acked);
    await sentinels.failOver();
    await vi.waitFor(async () => expect(await sentinels.masterPort()).toBe(replicaPort), WAIT);
    // Only once the old one follows the new one there is a replica again.
    await expectWritesAgain(writer.acked);
    await writer.stop();
    const stored = await storedEntries(replica.client, 'default:x');
    const stamps = new Map(stored.map(({ id, stamp }) => [id, stamp]));
    for (const [id, stamp] of writer.acked) expect(stamps.get(id)).toBe(stamp);
    await follower.until(() => follower.entries.at(-1)?.id === stored.at(-1)?.id);
    // Followers may also have seen what the old one took in its last moments, which the new one never had.
    const followed = new Set(follower.entries.map(({ id, stamp }) => `${id} ${stamp}`));
    for (const [id, stamp] of writer.acked) expect(followed).toContain(`${id} ${stamp}`);
    await follower.close();
    await crowd.close();
  },
);

test('it is killed: writers are told until a replica has taken its place, and go on there', async () => {
  const follower = await StreamFollower.open(gateway, 'x', 'block=0');
  const writer = startWriting('');
  await expectWritesAgain(writer.acked);
  master.process.kill('SIGKILL');
  await vi.waitFor(async () => expect(await sentinels.masterPort()).toBe(replicaPort), WAIT);
  await expectWritesAgain(writer.acked);
  await vi.waitFor(async () => expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200), WAIT);
  // Metadata goes over the control connection, which finds the new one by itself.
  const body = JSON.stringify({ query: 'mutation { connectDevice(deviceId: "cam") }' });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${gateway.http}/graphql`, { method: 'POST', headers, body });
  expect(await answer.json()).not.toHaveProperty('errors');
  expect(await replica.client.sismember(':devices:connected', 'cam')).toBe(1);
  await writer.stop();
  const last = [...writer.acked.keys()].at(-1);
  await follower.until(() => follower.entries.at(-1)?.id === last);
  await follower.close();
});
