/** What an ack means on disk, as Redis tells it and as the gateway passes it on. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Durability, DurabilityWatch, readDurability, weakest } from '../../src/append/durability.js';
import { ServerControl } from '../../src/redis/control.js';
import { createLogger } from '../../src/system/logger.js';
import { freePort } from '../support/free-port.js';
import { startGatewayProcess } from '../support/gateway-process.js';
import { startRedis } from '../support/redis-server.js';

const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function redisWith(...settings: string[]) {
  const redis = await startRedis(...settings);
  ending.push(() => redis.stop());
  return redis;
}

describe('what Redis is set to', () => {
  test.each([
    [['--appendonly', 'yes', '--appendfsync', 'always'], 'yes', 'always', /on the disk$/],
    [
      ['--appendonly', 'yes', '--appendfsync', 'everysec'],
      'yes',
      'everysec',
      /^a killed Redis loses nothing.*last second$/,
    ],
    [['--appendonly', 'yes', '--appendfsync', 'no'], 'yes', 'no', /^a killed Redis loses nothing.*system/],
    [['--save', '60 1'], 'no', 'everysec', /since its last snapshot/],
    [['--save', ''], 'no', 'everysec', /^nothing .* outlives Redis$/],
  ])('%j', async (settings, appendonly, appendfsync, meaning) => {
    const { client } = await redisWith(...settings);
    expect(await readDurability(client, false)).toEqual({
      appendonly,
      appendfsync,
      meaning: expect.stringMatching(meaning),
    });
  });

  test('is unknown where it may not be asked, as far as it is not told otherwise', async () => {
    const { client } = await redisWith('--appendonly', 'yes', '--appendfsync', 'always');
    await client.acl('SETUSER', 'default', '-info');
    expect(await readDurability(client, false)).toMatchObject({ appendonly: 'yes', appendfsync: 'always' });
    await client.acl('SETUSER', 'default', '+info', '-config');
    expect(await readDurability(client, false)).toMatchObject({ appendonly: 'yes', appendfsync: 'unknown' });
    await client.acl('SETUSER', 'default', '-info');
    expect(await readDurability(client, false)).toEqual({
      appendonly: 'unknown',
      appendfsync: 'unknown',
      meaning: expect.stringMatching(/does not report/),
    });
  });

  test('may be to write snapshots where that may not be asked', async () => {
    const { client } = await redisWith('--save', '');
    await client.acl('SETUSER', 'default', '-config');
    expect(await readDurability(client, false)).toEqual({
      appendonly: 'no',
      appendfsync: 'unknown',
      meaning: expect.stringMatching(/since its last snapshot/),
    });
  });
});

test('a file that the gateway has written to the disk is so every second, whatever Redis does', async () => {
  const { client } = await redisWith('--appendonly', 'yes', '--appendfsync', 'no');
  expect(await readDurability(client, true)).toMatchObject({
    appendfsync: 'everysec',
    meaning: expect.stringMatching(/last second$/),
  });
});

describe('of several servers', () => {
  const server = (
    appendonly: Durability['appendonly'],
    appendfsync: Durability['appendfsync'],
    meaning: string,
  ) => ({
    appendonly,
    appendfsync,
    meaning,
  });

  test('the one counts that loses most', async () => {
    const settings = [
      ['--appendonly', 'yes', '--appendfsync', 'always'],
      ['--appendonly', 'yes', '--appendfsync', 'everysec'],
      ['--appendonly', 'yes', '--appendfsync', 'no'],
      ['--save', '60 1'],
      ['--save', ''],
    ];
    const falling: Durability[] = [];
    for (const one of settings) falling.push(await readDurability((await redisWith(...one)).client, false));
    falling.forEach((one, index) => {
      expect(weakest(falling.slice(0, index + 1))).toBe(one);
      expect(weakest(falling.slice(0, index + 1).reverse())).toBe(one);
    });
  });

  test('one that does not tell may lose more than one that is known to write its file', () => {
    const silent = server(
      'unknown',
      'unknown',
      'Redis does not report what it keeps of what is acknowledged',
    );
    const written = server('yes', 'always', 'what is acknowledged is on the disk');
    const kept = server('no', 'everysec', 'nothing that is acknowledged outlives Redis');
    expect(weakest([written, silent])).toBe(silent);
    expect(weakest([silent, kept])).toBe(kept);
  });
});

describe('the watch', () => {
  const READ_AGAIN_MS = 60_000;

  async function newWatch(isSyncedHere = false) {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { client } = await redisWith('--appendonly', 'yes', '--appendfsync', 'always');
    const connection = client.duplicate({ lazyConnect: true });
    connection.on('error', () => {});
    const logger = createLogger('silent');
    const told = vi.spyOn(logger, 'info').mockImplementation(() => {});
    const timers = vi.getTimerCount();
    const watch = new DurabilityWatch(new ServerControl(connection), isSyncedHere, logger);
    ending.push(async () => {
      watch.close();
      connection.disconnect();
      expect([connection.listenerCount('ready'), vi.getTimerCount()]).toEqual([0, timers]);
      vi.useRealTimers();
    });
    return { client, connection, told, watch };
  }

  test('logs what an ack means once, and again when that has changed', async () => {
    const { client, connection, told, watch } = await newWatch();
    expect(watch.current).toEqual({
      appendonly: 'unknown',
      appendfsync: 'unknown',
      meaning: 'Redis does not report what it keeps of what is acknowledged',
    });
    await connection.connect();
    await vi.waitFor(() => expect(watch.current).toMatchObject({ appendfsync: 'always' }));
    const always = [
      { appendonly: 'yes', appendfsync: 'always' },
      'durability of acks: what is acknowledged is on the disk',
    ];
    expect(told.mock.calls).toEqual([always]);
    const readAgain = async (appendfsync: string) => {
      const last = watch.current;
      await client.config('SET', 'appendfsync', appendfsync);
      vi.advanceTimersByTime(READ_AGAIN_MS);
      await vi.waitFor(() => expect(watch.current).not.toBe(last));
    };
    await readAgain('always');
    expect(told.mock.calls).toEqual([always]);
    await readAgain('no');
    expect(told.mock.calls).toEqual([
      always,
      [{ appendonly: 'yes', appendfsync: 'no' }, expect.stringMatching(/had not written yet$/)],
    ]);
    await client.config('SET', 'appendonly', 'no');
    await readAgain('no');
    expect(told).toHaveBeenCalledTimes(3);
  });

  test('says what the gateway does itself', async () => {
    const { connection, watch } = await newWatch(true);
    await connection.connect();
    await vi.waitFor(() => expect(watch.current).toMatchObject({ appendfsync: 'everysec' }));
  });

  test('keeps what it knew while Redis is away', async () => {
    const { connection, told, watch } = await newWatch();
    await connection.connect();
    await vi.waitFor(() => expect(told).toHaveBeenCalledOnce());
    const known = watch.current;
    // Lost while it asks, and before it asks.
    vi.advanceTimersByTime(READ_AGAIN_MS);
    connection.disconnect();
    await vi.waitFor(() => expect(connection.status).toBe('end'));
    vi.advanceTimersByTime(READ_AGAIN_MS);
    await new Promise((resolve) => setImmediate(resolve));
    expect([watch.current, told.mock.calls.length]).toEqual([known, 1]);
  });
});

describe('the gateway', () => {
  const durabilityOf = async ({ http }: { http: string }) =>
    ((await (await fetch(`${http}/readyz`)).json()) as { durability: Record<string, string> }).durability;

  test('says it at the start and in /readyz, and again when another Redis answers', async () => {
    const port = await freePort();
    const first = await redisWith('--port', String(port), '--appendonly', 'yes', '--appendfsync', 'always');
    const gateway = await startGatewayProcess({ REDIS_URL: `redis://127.0.0.1:${port}` });
    ending.push(() => gateway.stop());
    const told = () =>
      gateway.log
        .filter(({ msg }) => String(msg).startsWith('durability of acks: '))
        .map(({ appendonly, appendfsync }) => [appendonly, appendfsync]);
    await vi.waitFor(() => expect(told()).toEqual([['yes', 'always']]));
    expect(await durabilityOf(gateway)).toMatchObject({ appendonly: 'yes', appendfsync: 'always' });

    await first.stop();
    await redisWith('--port', String(port));
    await vi.waitFor(
      () =>
        expect(told()).toEqual([
          ['yes', 'always'],
          ['no', 'everysec'],
        ]),
      { timeout: 10_000 },
    );
    expect(await durabilityOf(gateway)).toMatchObject({ appendonly: 'no' });
  });

  test('with the embedded Redis syncs its file itself, and says so', async () => {
    const gateway = await startGatewayProcess();
    ending.push(() => gateway.stop());
    await vi.waitFor(async () => {
      expect(await durabilityOf(gateway)).toEqual({
        appendonly: 'yes',
        appendfsync: 'everysec',
        meaning: 'a killed Redis loses nothing that is acknowledged, a power cut about the last second',
      });
    });
  });

  test('with a Redis that does not tell says unknown', async () => {
    const redis = await redisWith();
    await redis.client.acl('SETUSER', 'default', '-config', '-info');
    const gateway = await startGatewayProcess({ REDIS_URL: redis.url });
    ending.push(() => gateway.stop());
    expect(await durabilityOf(gateway)).toMatchObject({ appendonly: 'unknown', appendfsync: 'unknown' });
  });
});
