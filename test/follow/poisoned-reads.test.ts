/** A key that cannot be read ends its own followers, and nobody else notices. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { stampedFrame } from '../support/stamped-frames.js';
import { StreamFollower } from '../support/stream-follower.js';

/** What an entry of a good stream may take to its follower, whatever others do. */
const SOON_MS = 100;
/** How often a key goes bad: one time may hit a moment at which the machine has else to do. */
const TIMES = 7;
const MANY_KEYS = 10_000;
/** As many as an address may name. */
const KEYS_A_CONNECTION = 500;

let redis: TestRedis;
let gateway: GatewayProcess;
let streams = 0;

beforeAll(async () => {
  redis = await startRedis();
  // The gateway is the default user, whose rights change; the test is one that may do all.
  await redis.client.acl('SETUSER', 'boss', 'on', '>boss', '~*', '&*', '+@all');
  await redis.client.auth('boss', 'boss');
  gateway = await startGatewayProcess({ REDIS_URL: redis.url, READER_THREADS: '1', MAX_CLIENT_SHARE: '100' });
});

beforeEach(async () => {
  await allow('allkeys', '+@all');
});

afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const freshSid = () => `stream-${streams++}`;

const add = (sid: string, seq = 0) =>
  redis.client.xadd(`default:${sid}`, '*', 'd', stampedFrame('w', seq)) as Promise<string>;

/** Sets what the gateway's user may do. */
const allow = (...rules: string[]) =>
  redis.client.acl('SETUSER', 'default', 'reset', 'on', 'nopass', ...rules);

/** Adds entries to a stream, one after the other, and measures how long each takes to its follower. */
class Probe {
  readonly sid = freshSid();
  readonly latencies: number[] = [];
  #follower!: StreamFollower;
  #isDone = false;
  #probing!: Promise<void>;

  async begin(): Promise<void> {
    this.#follower = await StreamFollower.open(gateway, this.sid, 'block=0');
    this.#probing = (async () => {
      while (!this.#isDone) {
        const begun = performance.now();
        const id = await add(this.sid, this.latencies.length);
        await this.#follower.until(() => this.#follower.entries.at(-1)?.id === id);
        this.latencies.push(performance.now() - begun);
      }
    })();
  }

  /** The longest that an entry took while `act` ran, and the next few. */
  async during(act: () => Promise<unknown>): Promise<number> {
    const from = this.latencies.length;
    await act();
    const until = this.latencies.length + 5;
    await this.#follower.until(() => this.latencies.length >= until);
    return Math.max(...this.latencies.slice(from));
  }

  async end(): Promise<void> {
    this.#isDone = true;
    await this.#probing;
    expect(this.#follower.entries.map(({ stamp }) => stamp)).toEqual(
      this.latencies.map((_, seq) => `w#${seq}`),
    );
    await this.#follower.close();
  }
}

const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

/** How a key that is followed turns bad, and what its followers are told. */
const POISONS: readonly (readonly [name: string, turn: (sid: string) => Promise<unknown>, close: object])[] =
  [
    [
      'is another type',
      (sid) => redis.client.set(`default:${sid}`, 'text'),
      { code: 4409, reason: 'the key exists and is not a stream' },
    ],
    [
      'is forbidden',
      (sid) => allow('+@all', ...without(sid)),
      { code: 1011, reason: expect.stringMatching(/NOPERM/) },
    ],
    [
      'is forbidden to XREAD, though not to others',
      (sid) => allow('+@all', ...without(sid), '(+xlen +xinfo +eval allkeys)'),
      { code: 1011, reason: expect.stringMatching(/NOPERM/) },
    ],
  ];

/** The right to all streams of the test but one. */
function without(sid: string): string[] {
  return Array.from({ length: streams }, (_, index) => `stream-${index}`)
    .filter((other) => other !== sid)
    .map((other) => `~default:${other}`);
}

describe.each(POISONS)('a key that %s', (_name, turn, close) => {
  test('is taken out at once, and told to its followers only', async () => {
    const probe = new Probe();
    await probe.begin();
    const worst: number[] = [];
    for (let time = 0; time < TIMES; time++) {
      await allow('+@all', 'allkeys');
      const sid = freshSid();
      const victims = await Promise.all([
        StreamFollower.open(gateway, sid),
        StreamFollower.open(gateway, sid, 'last_entry_id=0&latest=1', 'msgpack'),
      ]);
      worst.push(
        await probe.during(async () => {
          await turn(sid);
          for (const victim of victims) expect(await victim.closed).toEqual(close);
        }),
      );
    }
    expect(median(worst)).toBeLessThan(SOON_MS);
    await probe.end();
  });
});

test('the right to XLEN is not needed', async () => {
  const sid = freshSid();
  const [good, bad] = [freshSid(), sid];
  const [follower, victim] = await Promise.all([
    StreamFollower.open(gateway, good),
    StreamFollower.open(gateway, bad),
  ]);
  await allow('+@all', '-xlen', 'allkeys');
  await redis.client.set(`default:${bad}`, 'text');
  expect((await victim.closed).code).toBe(4409);
  const id = await add(good);
  await follower.until(() => follower.entries.at(-1)?.id === id);
  await follower.close();
});

test('all keys that go bad at once are found', async () => {
  const probe = new Probe();
  await probe.begin();
  const sids = Array.from({ length: 100 }, freshSid);
  const bad = sids.filter((_, index) => index % 3 === 0);
  const followers = await Promise.all(sids.map((sid) => StreamFollower.open(gateway, sid, 'block=0')));
  const transaction = redis.client.multi();
  for (const sid of bad) transaction.set(`default:${sid}`, 'text');
  await transaction.exec();
  const after = new Map<string, string>();
  for (const [index, sid] of sids.entries()) {
    if (bad.includes(sid)) expect((await followers[index]!.closed).code).toBe(4409);
    else after.set(sid, await add(sid));
  }
  for (const [index, sid] of sids.entries()) {
    const follower = followers[index]!;
    if (bad.includes(sid)) continue;
    await follower.until(() => follower.entries.at(-1)?.id === after.get(sid));
    await follower.close();
  }
  await probe.end();
});

test('a key that was taken out can be followed again, once it is a stream', async () => {
  const sid = freshSid();
  for (let time = 0; time < 3; time++) {
    const victim = await StreamFollower.open(gateway, sid);
    const before = await add(sid, 0);
    await victim.until(() => victim.entries.at(-1)?.id === before);
    await redis.client.set(`default:${sid}`, 'text');
    // At once, while it is being taken out: refused, or taken out too, but never silent.
    const hasty = await StreamFollower.open(gateway, sid).catch((error: Error) => error);
    if (hasty instanceof Error) expect(hasty.message).toMatch(/409/);
    else expect((await hasty.closed).code).toBe(4409);
    expect((await victim.closed).code).toBe(4409);
    await redis.client.del(`default:${sid}`);
  }
  const follower = await StreamFollower.open(gateway, sid);
  const id = await add(sid, 1);
  await follower.until(() => follower.entries.at(-1)?.id === id);
  expect(follower.entries).toHaveLength(1);
  await follower.close();
});

test('ten thousand keys that are missing, and one of them that goes bad, hold nobody up', async () => {
  const probe = new Probe();
  await probe.begin();
  const groups = Array.from({ length: MANY_KEYS / KEYS_A_CONNECTION }, (_, group) =>
    Array.from({ length: KEYS_A_CONNECTION }, (_, index) => (group * KEYS_A_CONNECTION + index).toString(36)),
  );
  const followers = await Promise.all(groups.map((sids) => StreamFollower.open(gateway, sids.join('+'))));
  await expect.poll(() => gateway.metric('followed_streams'), { timeout: 10_000 }).toBeGreaterThan(MANY_KEYS);
  const idle: number[] = [];
  for (let time = 0; time < TIMES; time++) idle.push(await probe.during(async () => {}));
  expect(median(idle)).toBeLessThan(SOON_MS);

  const worst: number[] = [];
  for (let time = 0; time < TIMES; time++) {
    worst.push(
      await probe.during(async () => {
        await redis.client.set(`default:${groups[time]![7 * time]}`, 'text');
        expect((await followers[time]!.closed).code).toBe(4409);
      }),
    );
  }
  expect(median(worst)).toBeLessThan(2 * SOON_MS);
  const id = await redis.client.xadd(`default:${groups.at(-1)!.at(-1)}`, '*', 'd', stampedFrame('w', 0));
  const last = followers.at(-1)!;
  await last.until(() => last.entries.at(-1)?.id === id);
  await Promise.all(followers.filter(({ isClosed }) => !isClosed).map((follower) => follower.close()));
  await probe.end();
});
