/** What there is, told once a second to whoever watches. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Overview } from '../../../src/protocol/overview.js';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../../support/access.js';
import { startForFile } from '../../support/gateway-fixture.js';
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.js';
import { postEntries, refused } from '../../support/http.js';
import { nextEvent, OpenAnswer } from '../../support/open-answer.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';
import { TestSocket } from '../../support/socket.js';

const WAIT = { timeout: 10_000 };

const { redis, gateway } = await startForFile();

beforeEach(() => redis.client.flushdb());

interface Watcher {
  readonly answer: OpenAnswer;
  /** The next overview; rejects where an error is told instead. */
  next(): Promise<Overview>;
  /** The first that is so. */
  until(isSo: (overview: Overview) => boolean): Promise<Overview>;
}

async function watch(
  query = '',
  { port }: Pick<GatewayProcess, 'port'> = gateway,
  headers: Record<string, string> = {},
): Promise<Watcher> {
  const answer = await OpenAnswer.open({ port }, `/overview${query}`, headers);
  onTestFinished(() => answer.leave());
  expect(answer.response.statusCode).toBe(200);
  expect(answer.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  const next = async () => {
    const { event, data } = await nextEvent(answer);
    if (event !== 'overview') throw new Error(data);
    return JSON.parse(data) as Overview;
  };
  return {
    answer,
    next,
    until: async (isSo) => {
      for (;;) {
        const overview = await next();
        if (isSo(overview)) return overview;
      }
    },
  };
}

const keysOf = ({ streams }: Overview) => streams.map(({ key }) => key);
const streamOf = (overview: Overview, key: string) => overview.streams.find((stream) => stream.key === key);

describe('what is told', () => {
  test('devices, and streams with how they stand, the most recently written first', async () => {
    await redis.client.sadd(':devices:connected', 'cam1');
    await redis.client.sadd(':devices:seen', 'cam1', 'cam2');
    await redis.client.xadd('cam1:old', '1000-0', 'd', 'xx');
    await redis.client.xadd('cam1:a:b', '3000-0', 'd', 'xxxx');
    await redis.client.xadd('cam1:a:b', '3000-1', 'd', 'xxx');
    await redis.client.xadd('plain', '2000-0', 'a', '1');
    await redis.client.xadd(':event:device.meta', '2500-0', 'd', '{}');
    await redis.client.set('cam1:text', 'x');
    const before = Date.now();
    const overview = await (await watch()).next();
    expect(overview).toEqual({
      at: expect.any(Number),
      devices: [
        { id: 'cam1', connected: true },
        { id: 'cam2', connected: false },
      ],
      streams: [
        {
          key: 'cam1:a:b',
          device: 'cam1',
          sid: 'a:b',
          length: 2,
          entriesAdded: 2,
          lastEntryId: '3000-1',
          lastEntryBytes: 3,
          followers: 0,
        },
        expect.objectContaining({ key: ':event:device.meta', device: null, sid: ':event:device.meta' }),
        expect.objectContaining({ key: 'plain', device: null, sid: 'plain', lastEntryBytes: 1 }),
        expect.objectContaining({ key: 'cam1:old', device: 'cam1', sid: 'old' }),
      ],
      omitted: 0,
    });
    expect(overview.at).toBeGreaterThanOrEqual(before);
  });

  test('again and again: what is written, what comes and goes', async () => {
    const { next, until } = await watch();
    const first = await next();
    expect(first.streams).toEqual([]);
    const [id] = await postEntries(`${gateway.http}/data/cam`, 'frame');
    const second = await until((overview) => streamOf(overview, 'default:cam') !== undefined);
    expect(streamOf(second, 'default:cam')).toMatchObject({ lastEntryId: id, entriesAdded: 1 });
    expect(second.at - first.at).toBeGreaterThan(700);
    for (let n = 0; n < 5; n++) await postEntries(`${gateway.http}/data/cam`, 'a frame');
    const third = await until((overview) => streamOf(overview, 'default:cam')?.entriesAdded === 6);
    expect(streamOf(third, 'default:cam')).toMatchObject({ length: 6, lastEntryBytes: 7 });
    await redis.client.del('default:cam');
    await redis.client.sadd(':devices:connected', 'new');
    expect(await until(({ streams }) => streams.length === 0)).toMatchObject({
      devices: [{ id: 'new', connected: true }],
    });
  });

  test('the same over a WebSocket, a text frame each', async () => {
    await redis.client.xadd('cam1:a', '3000-0', 'd', 'xxxx');
    await redis.client.xadd('cam2:b', '3000-0', 'd', 'xxxx');
    const expected = await (await watch('?filter=cam1')).next();
    const socket = await TestSocket.open(`${gateway.ws}/overview?filter=cam1`);
    const next = async () => JSON.parse(String(await socket.receive())) as Overview;
    const first = await next();
    expect(first).toEqual({ ...expected, at: expect.any(Number) });
    expect((await next()).at).toBeGreaterThan(first.at);
    expect(await gateway.metric('connections{endpoint="overview"}')).toBeGreaterThan(0);
    await socket.close();
  });

  test('nobody over a WebSocket whose filter is too long', async () => {
    const opened = TestSocket.open(`${gateway.ws}/overview?filter=${'x'.repeat(2049)}`);
    await expect(opened).rejects.toThrow(/^400 .*"bad_parameter"/);
  });

  test('who follows', async () => {
    await redis.client.xadd('default:cam', '1-0', 'd', 'x');
    const { until } = await watch();
    const followers = (count: number) =>
      until((overview) => streamOf(overview, 'default:cam')?.followers === count);
    await followers(0);
    const sockets = await Promise.all(
      [1, 2].map(() => TestSocket.open(`${gateway.ws}/data/cam/pull?block=0`)),
    );
    const events = await OpenAnswer.open(gateway, '/data/cam/events');
    await followers(3);
    events.leave();
    for (const socket of sockets) await socket.close();
    await followers(0);
  });

  test('of streams whose keys hold a text, only', async () => {
    for (const key of ['cam1:front', 'cam2:front', 'cam1:back', 'x:[a-z]*']) {
      await redis.client.xadd(key, '*', 'd', 'x');
    }
    const told = async (filter: string) =>
      keysOf(await (await watch(`?filter=${encodeURIComponent(filter)}`)).next()).sort();
    expect(await told('front')).toEqual(['cam1:front', 'cam2:front']);
    expect(await told('cam1:')).toEqual(['cam1:back', 'cam1:front']);
    expect(await told('[a-z]*')).toEqual(['x:[a-z]*']);
    expect(await told('nothing')).toEqual([]);
    expect(await told('')).toHaveLength(4);
  });

  test('of many streams the thousand that were written to last, and how many there are besides', async () => {
    const pipeline = redis.client.pipeline();
    for (let n = 1; n <= 2500; n++) pipeline.xadd(`s:${n}`, `${n}-0`, 'd', 'x');
    await pipeline.exec();
    const all = await watch();
    const overview = await all.until(({ omitted }) => omitted === 1500);
    expect(keysOf(overview)).toEqual(Array.from({ length: 1000 }, (_, n) => `s:${2500 - n}`));
    await redis.client.xadd('s:7', '9999-0', 'd', 'x');
    const next = await all.until(({ streams }) => streams[0]!.key === 's:7');
    expect(next.streams[1]!.key).toBe('s:2500');
    const few = await (await watch('?filter=s:77')).until(({ streams }) => streams.length > 10);
    expect(keysOf(few)).toEqual(expect.arrayContaining(['s:77', 's:770', 's:779']));
  });

  test('by a Redis that runs no scripts, without the bytes', async () => {
    const other = await startRedis();
    await other.client.xadd('default:cam', '1-0', 'd', 'x');
    const others = Array.from({ length: 30 }, (_, n) => `mic:${n}`);
    for (const key of others) await other.client.xadd(key, '2-0', 'd', 'x');
    await other.client.call('ACL', 'SETUSER', 'default', '-@scripting');
    const plain = await startGatewayProcess({ REDIS_URL: other.url });
    try {
      // A few at a time, since their frames are moved.
      const { streams } = await (await watch('', plain)).until((overview) => overview.streams.length === 31);
      expect(streams.at(-1)).toEqual({
        key: 'default:cam',
        device: 'default',
        sid: 'cam',
        length: 1,
        entriesAdded: 1,
        lastEntryId: '1-0',
        lastEntryBytes: null,
        followers: 0,
      });
    } finally {
      await plain.stop();
      await other.stop();
    }
  });
});

describe('what it costs', () => {
  const commands = async () =>
    Number(/total_commands_processed:(\d+)/.exec(await redis.client.info('stats'))![1]);

  test('the same however many watch, and nothing once nobody does', async () => {
    await redis.client.xadd('default:cam', '1-0', 'd', 'x');
    const watchers = await Promise.all(Array.from({ length: 20 }, () => watch()));
    for (const { next } of watchers) await next();
    const before = await commands();
    const seen = await Promise.all(watchers.map(({ next }) => next()));
    expect(new Set(seen.map(({ at }) => at)).size).toBeLessThanOrEqual(2);
    // Each look takes four commands.
    expect((await commands()) - before).toBeLessThan(20);
    for (const { answer } of watchers) answer.leave();
    await expect.poll(() => gateway.metric('connections{endpoint="overview"}'), WAIT).toBe(0);
    // Of who does not watch any more a look may be under way.
    await expect
      .poll(
        async () => {
          const from = await commands();
          await new Promise((resolve) => setTimeout(resolve, 1500));
          // The question itself is a command.
          return (await commands()) - from;
        },
        { timeout: 10_000 },
      )
      .toBeLessThanOrEqual(1);
  });
});

describe('who may see what', () => {
  const PLANS = {
    all: { rights: allows('read') },
    some: { rights: [{ device: 'cam*', stream: 'front', actions: ['read'] as const }] },
    walled: { device: 'cam1', rights: allows('read') },
    writer: { rights: allows('write') },
  };
  let fixture: AccessFixture<keyof typeof PLANS>;

  beforeAll(async () => {
    fixture = await startAccessFixture(PLANS as never);
    const { client } = fixture.redis;
    for (const key of ['cam1:front', 'cam1:back', 'cam2:front', 'mic:front', ':event:x']) {
      await client.xadd(key, '*', 'd', 'x');
    }
    await client.sadd(':devices:seen', 'cam1', 'cam2', 'mic');
  });

  afterAll(() => fixture?.stop());

  const seenBy = async (name: keyof typeof PLANS, query = '') => {
    const { next } = await watch(query, fixture.gateway, bearer(fixture.tokens[name]));
    const { streams, devices, omitted } = await next();
    return {
      streams: streams.map(({ key, device, sid }) => `${key} ${device} ${sid}`).sort(),
      devices: devices.map(({ id }) => id),
      omitted,
    };
  };

  test.each<[keyof typeof PLANS, string[], string[]]>([
    [
      'all',
      [
        ':event:x null :event:x',
        'cam1:back cam1 back',
        'cam1:front cam1 front',
        'cam2:front cam2 front',
        'mic:front mic front',
      ],
      ['cam1', 'cam2', 'mic'],
    ],
    ['some', ['cam1:front cam1 front', 'cam2:front cam2 front'], ['cam1', 'cam2']],
    ['walled', ['back cam1 back', 'front cam1 front'], ['cam1']],
    ['writer', [], []],
  ])('%s', async (name, streams, devices) => {
    expect(await seenBy(name)).toEqual({ streams, devices, omitted: 0 });
  });

  test('each their own, while others watch', async () => {
    const all = await watch('', fixture.gateway, bearer(fixture.tokens.all));
    await all.next();
    const { streams } = await seenBy('some');
    expect(streams).toEqual(['cam1:front cam1 front', 'cam2:front cam2 front']);
    const { streams: walled } = await seenBy('walled');
    expect(walled).toEqual(['back cam1 back', 'front cam1 front']);
    expect((await all.next()).streams).toHaveLength(5);
  });

  test('by names as the client knows them', async () => {
    expect((await seenBy('walled', '?filter=cam1')).streams).toEqual([]);
    expect((await seenBy('walled', '?filter=fro')).streams).toEqual(['front cam1 front']);
  });

  test('nobody without a token, or for longer than it holds', async () => {
    const address = `${fixture.gateway.http}/overview`;
    expect(await refused(await fetch(address))).toMatchObject({ status: 401, code: 'unauthorized' });
    const { answer, next } = await watch('', fixture.gateway, bearer(fixture.tokens.writer));
    await next();
    await fixture.rewrite({ all: PLANS.all } as never);
    await answer.rest();
  });
});

describe('when something is in the way', () => {
  let own: TestRedis;
  let other: GatewayProcess;

  beforeAll(async () => {
    own = await startRedis();
    other = await startGatewayProcess({ REDIS_URL: own.url });
  });

  afterAll(async () => {
    await other?.stop();
    await own?.stop();
  });

  test('that is told, and it goes on when Redis is back; it ends with the gateway', async () => {
    const { answer, next, until } = await watch('', other);
    await next();
    own.process.kill('SIGKILL');
    let told: { code: string } | undefined;
    while (told === undefined) {
      const { event, data } = await nextEvent(answer);
      if (event === 'error') told = JSON.parse(data);
    }
    expect(told).toMatchObject({ code: 'redis_unavailable' });
    await own.restart();
    await own.client.xadd('default:cam', '1-0', 'd', 'x');
    const goOn = async (): Promise<Overview> => until(() => true).catch(goOn);
    expect(await goOn()).toBeDefined();
    other.process.kill('SIGTERM');
    await answer.rest();
  });
});

describe('requests', () => {
  test('HEAD, a slash behind, other methods, a filter that is too long', async () => {
    const address = `${gateway.http}/overview/`;
    const head = await fetch(address, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    expect((await fetch(address, { method: 'POST', body: 'x' })).status).toBe(405);
    expect(await refused(await fetch(`${address}?filter=${'x'.repeat(3000)}`))).toMatchObject({
      code: 'bad_parameter',
      error: expect.stringMatching(/^filter /),
    });
  });
});
