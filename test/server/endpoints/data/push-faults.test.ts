/** `/data/{sid}/push` while Redis cannot store: producers are told, reads go on, and it passes. */
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ask } from '../../../../src/embedded/unix-socket.js';
import type { FailureCode } from '../../../../src/protocol/errors.js';
import { freePort } from '../../../support/free-port.js';
import {
  type Ack,
  codesOf,
  idsIn,
  type PushFixture,
  startPushFixture,
  textsIn,
} from '../../../support/push-fixture.js';
import { TestSocket } from '../../../support/socket.js';

const WAIT = { timeout: 15_000, interval: 5 };
const ID = expect.stringMatching(/^\d+-\d+$/);

describe('Redis refuses', () => {
  let fixture: PushFixture;
  let freshSid: PushFixture['freshSid'];
  let push: PushFixture['push'];

  beforeAll(async () => {
    fixture = await startPushFixture({}, ['--dbfilename', 'dump']);
    ({ freshSid, push } = fixture);
  });

  afterAll(() => fixture.stop());

  const configure = (...words: string[]) =>
    fixture.redis.client.config('SET', ...(words as [string, string]));

  test('a key of another type: its entries only', async () => {
    const [wrong, good] = [freshSid(), freshSid()];
    await fixture.redis.client.set(`default:${wrong}`, 'text');
    const socket = await push('*', 'ack=1');
    const acks = await socket.push(
      [
        [good, 1],
        [wrong, 2],
        [good, 3],
      ],
      'abc',
    );
    expect(acks).toEqual([ID, { code: 'wrong_type', error: 'the key exists and is not a stream' }, ID]);
    expect(await textsIn(fixture.redis.client, `default:${good}`)).toEqual(['a', 'c']);
    expect(await fixture.redis.client.get(`default:${wrong}`)).toBe('text');
    await socket.close();

    const silent = await push(wrong);
    silent.send('[]', Buffer.from('x'));
    expect(await silent.closed).toEqual({ code: 4409, reason: 'the key exists and is not a stream' });
  });

  interface Fault {
    readonly name: string;
    readonly code: FailureCode;
    readonly told: string;
    begin(): Promise<unknown>;
    end(): Promise<unknown>;
  }

  const faults: Fault[] = [
    {
      name: 'for want of memory',
      code: 'redis_out_of_memory',
      told: 'OOM',
      begin: () => configure('maxmemory', '1', 'maxmemory-policy', 'noeviction'),
      end: () => configure('maxmemory', '0'),
    },
    {
      name: 'as a replica',
      code: 'redis_read_only',
      told: 'READONLY',
      begin: async () => fixture.redis.client.replicaof('127.0.0.1', await freePort()),
      end: () => fixture.redis.client.replicaof('NO', 'ONE'),
    },
    {
      name: 'since it cannot save',
      code: 'redis_read_only',
      told: 'MISCONF',
      begin: async () => {
        // A folder in the snapshot's place lets saving fail.
        await mkdir(join(dirname(fixture.redis.path), 'dump'));
        await configure('save', '3600 1');
        await fixture.redis.client.bgsave();
        await vi.waitFor(async () => {
          expect(await fixture.redis.client.info('persistence')).toContain('rdb_last_bgsave_status:err');
        }, WAIT);
      },
      end: async () => {
        await rm(join(dirname(fixture.redis.path), 'dump'), { recursive: true });
        await configure('save', '');
      },
    },
  ];

  describe.each(faults)('$name', ({ code, told, begin, end }) => {
    let isOver: boolean;

    beforeEach(() => {
      isOver = false;
    });

    afterEach(async () => {
      if (!isOver) await end();
    });

    test('producers are told, followers and readers are served', async () => {
      const sid = freshSid();
      const socket = await push(sid, 'ack=1');
      await socket.push([], 'before');
      await begin();

      const acks = await socket.push([1, 2], 'ab');
      const refused = { code, error: expect.stringContaining(told) };
      expect(acks).toEqual([refused, refused]);
      const silent = await push(sid);
      silent.send('[]', Buffer.from('x'));
      expect(await silent.closed).toEqual({ code: 1013, reason: expect.stringContaining(told) });

      const address = `${fixture.gateway.http}/data/${sid}`;
      expect(await (await fetch(`${address}?last_entry_id=0`)).text()).toBe('before');
      const late = await fetch(`${address}?last_entry_id=$&block=-1`);
      expect([late.status, await late.text()]).toEqual([200, '']);
      const pull = (cursor: string) =>
        TestSocket.open(`${fixture.gateway.ws}/data/${sid}/pull?header=0&last_entry_id=${cursor}`);
      const [follower, newest] = await Promise.all([pull('0'), pull('$')]);
      expect(String(await follower.receive())).toBe('before');

      await end();
      isOver = true;
      expect(await socket.push([], 'after')).toEqual([ID]);
      expect(await textsIn(fixture.redis.client, `default:${sid}`)).toEqual(['before', 'after']);
      expect(String(await follower.receive())).toBe('after');
      expect(String(await newest.receive())).toBe('after');
      await Promise.all([socket, follower, newest].map((client) => client.close()));
    });
  });
});

describe('Redis is away', () => {
  let fixture: PushFixture;
  let push: PushFixture['push'];

  // A second for a data set of a few hundred keys, and word of it meanwhile.
  const SLOW_LOADING = ['--key-load-delay', '4000', '--loading-process-events-interval-bytes', '1024'];

  beforeEach(async () => {
    fixture = await startPushFixture({}, SLOW_LOADING);
    ({ push } = fixture);
  });

  afterEach(() => fixture.stop());

  test('and comes back: what was sent meanwhile is stored, in order', async () => {
    const { redis } = fixture;
    const socket = await push('s', 'ack=1');
    await socket.push([], 'lost with the Redis that forgets');
    redis.process.kill('SIGKILL');
    for (let index = 0; index < 100; index++) socket.send('[]', Buffer.from(String(index)));
    await redis.restart();
    const acks: string[] = [];
    for (let index = 0; index < 100; index++) acks.push(...(await socket.receiveJson<string[]>()));
    expect(acks).toEqual(await idsIn(redis.client, 'default:s'));
    expect(await textsIn(redis.client, 'default:s')).toEqual(
      Array.from({ length: 100 }, (_, index) => String(index)),
    );
    await socket.close();
  });

  test('while it loads its data: what is sent waits', async () => {
    const { redis } = fixture;
    const pipeline = redis.client.pipeline();
    for (let index = 0; index < 300; index++) pipeline.set(`key ${index}`, 'x'.repeat(100));
    await pipeline.exec();
    const socket = await push('s', 'ack=1');
    await socket.push([], 'before');
    await redis.client.save();
    redis.process.kill('SIGKILL');
    const restarted = redis.restart();
    await vi.waitFor(
      async () => expect(await ask(redis.path, 'PING\r\nQUIT\r\n', 1000)).toMatch(/^-LOADING/),
      WAIT,
    );
    socket.send('[]', Buffer.from('meanwhile'));
    expect(await ask(redis.path, 'PING\r\nQUIT\r\n', 1000)).toMatch(/^-LOADING/);
    expect(await socket.receiveJson()).toEqual([ID]);
    await restarted;
    expect(await textsIn(redis.client, 'default:s')).toEqual(['before', 'meanwhile']);
    await socket.close();
  });

  test('for long: producers are refused, until it is back', async () => {
    const { redis } = fixture;
    const socket = await push('s', 'ack=1');
    const silent = await push('s');
    await socket.push([], 'before');
    redis.process.kill('SIGKILL');
    // What a dying Redis might have taken yet would be unknown.
    await once(redis.process, 'exit');
    socket.send('[]', Buffer.from('waits'));
    silent.send('[]', Buffer.from('waits'));
    expect(await socket.receiveJson()).toEqual([
      { code: 'redis_unavailable', error: 'Redis cannot be reached' },
    ]);
    expect(await silent.closed).toEqual({ code: 1013, reason: 'Redis cannot be reached' });
    // From now on at once.
    expect(codesOf(await socket.push([1, 2], 'ab'))).toEqual(['redis_unavailable', 'redis_unavailable']);
    await redis.restart();
    await vi.waitFor(async () => expect(codesOf(await socket.push([], 'back'))).toEqual([ID]), WAIT);
    expect(await textsIn(redis.client, 'default:s')).toEqual(['back']);
    await socket.close();
  });
});

describe('more waits for Redis than may', () => {
  let fixture: PushFixture;
  let push: PushFixture['push'];
  const payload = Buffer.alloc(10_000, 'x');

  beforeEach(async () => {
    // Each connection is a client of its own.
    fixture = await startPushFixture({ MAX_BUFFERED_BYTES: '100000', MAX_CONNECTIONS_PER_ADDRESS: '0' });
    ({ push } = fixture);
    const warm = await push('warm', 'ack=1');
    await warm.push([], 'x');
    await warm.close();
    fixture.redis.process.kill('SIGSTOP');
  });

  afterEach(() => fixture.stop());

  const overloaded = { code: 'overloaded', error: expect.any(String) };

  test('of one producer: half of it may, the rest is told in its acks', async () => {
    const socket = await push('s', 'ack=1');
    for (let index = 0; index < 10; index++) socket.send('[]', payload);
    const refused = (entries: number) =>
      vi.waitFor(async () => {
        expect(await fixture.gateway.metric('entries_refused_total')).toBe(entries);
      }, WAIT);
    await refused(5);
    // One message of which a part is taken.
    const other = await push('t', 'ack=1');
    other.send(
      JSON.stringify(Array.from({ length: 6 }, (_, index) => (index + 1) * 10_000)),
      Buffer.alloc(60_000),
    );
    await refused(5 + 2);
    expect([socket.pending, other.pending]).toEqual([0, 0]);
    fixture.redis.process.kill('SIGCONT');
    const acks: Ack[] = [];
    for (let index = 0; index < 10; index++) acks.push(...(await socket.receiveJson<Ack[]>()));
    expect(acks).toEqual([...new Array(5).fill(ID), ...new Array(5).fill(overloaded)]);
    // What the first producer had waiting left it less than its half.
    expect(await other.receiveJson()).toEqual([...new Array(4).fill(ID), overloaded, overloaded]);
    expect(await idsIn(fixture.redis.client, 'default:s')).toEqual(acks.slice(0, 5));
    // It has passed.
    expect(await socket.push([], payload)).toEqual([ID]);
    await Promise.all([socket.close(), other.close()]);
  });

  test('without acks the producer is closed, with 1013 and the numbers', async () => {
    const socket = await push('s');
    for (let index = 0; index < 10; index++) socket.send('[]', payload);
    expect(await socket.closed).toEqual({
      code: 1013,
      reason: expect.stringMatching(
        /^this connection uses 50000 and wants 10000 more; one connection may use 50000 of MAX_BUFFERED_BYTES/,
      ),
    });
    fixture.redis.process.kill('SIGCONT');
    await vi.waitFor(
      async () => expect((await idsIn(fixture.redis.client, 'default:s')).length).toBe(5),
      WAIT,
    );
  });

  test('of all producers together', async () => {
    const sockets = await Promise.all(['a', 'b', 'c'].map((sid) => push(sid)));
    for (const socket of sockets) for (let index = 0; index < 4; index++) socket.send('[]', payload);
    const { code, reason } = await Promise.race(sockets.map(({ closed }) => closed));
    expect(code).toBe(1013);
    expect(reason).toMatch(/^\d+ bytes already wait for Redis \(MAX_BUFFERED_BYTES=100000\)$/);
    expect(await fixture.gateway.metric('append_queue_bytes')).toBeLessThanOrEqual(100_000 + 12 * 200);
  });
});
