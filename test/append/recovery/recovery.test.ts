/** What the append pipe finds out after a lost connection, in a real Redis behind a bad network. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Receipt } from '../../../src/append/batch.js';
import { AppendPipe, type AppendPipeOptions } from '../../../src/append/pipe.js';
import type { Failure } from '../../../src/protocol/errors.js';
import type { ReplyCursor } from '../../../src/redis/resp.js';
import { parseRedisUrl } from '../../../src/redis/target.js';
import { createLogger } from '../../../src/system/logger.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { startRedis, type TestRedis } from '../../support/redis-server.js';

const MIB = 1024 * 1024;
const WAIT = { timeout: 15_000, interval: 5 };
const ID = expect.stringMatching(/^\d+-\d+$/);
const UNKNOWN = expect.objectContaining({ code: 'unknown_outcome' });

/** What the receipts of a producer's entries say, in their order; each may be told once. */
class Ledger implements Receipt {
  readonly results: (string | Failure)[] = [];
  told = 0;
  readonly sendsAgain: boolean;

  constructor(sendsAgain = false) {
    this.sendsAgain = sendsAgain;
  }

  stored(token: number, reply: ReplyCursor): void {
    this.#tell(token, reply.text());
  }

  refused(token: number, failure: Failure): void {
    this.#tell(token, failure);
  }

  #tell(token: number, result: string | Failure): void {
    expect(this.results[token]).toBeUndefined();
    this.results[token] = result;
    this.told++;
  }
}

let redis: TestRedis;
let proxy: FaultProxy;
let pipe: AppendPipe;

beforeEach(async () => {
  redis = await startRedis();
  proxy = await FaultProxy.start(redis);
});

afterEach(async () => {
  pipe.close();
  await proxy.stop();
  await redis.stop();
});

async function connect(options: Partial<AppendPipeOptions> = {}): Promise<void> {
  pipe = new AppendPipe({
    target: parseRedisUrl(proxy.url),
    logger: createLogger('silent'),
    budget: { usedBytes: 0, maxBytes: 256 * MIB },
    maxLength: 1_000_000,
    maxOutageMs: 10_000,
    ...options,
  });
  await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
}

/** Sends entries of a stream; with ids of their own as `id payload`. */
function send(ledger: Ledger, key: string, ...payloads: (string | Buffer)[]): void {
  for (const payload of payloads) {
    const [, id = '*'] = /^(\d+-[\d*]+) /.exec(payload.toString().slice(0, 30)) ?? [];
    pipe.append(pipe.streams.get(key), id, Buffer.from(payload as string), ledger, ledger.results.length++);
  }
}

async function told(ledger: Ledger): Promise<void> {
  await vi.waitFor(() => expect(ledger.told).toBe(ledger.results.length), WAIT);
}

async function store(key: string, ...payloads: (string | Buffer)[]): Promise<string[]> {
  const ledger = new Ledger();
  send(ledger, key, ...payloads);
  await told(ledger);
  return ledger.results as string[];
}

/** Redis carries out what is sent, and its answers are lost with the connection. */
async function loseAnswers(ledger: Ledger, sending: () => void): Promise<void> {
  const cut = proxy.cutAfter(0, 'toClient');
  proxy.isRefusing = true;
  sending();
  await cut;
  expect(ledger.told).toBe(0);
}

/** The connection is lost with what is sent, before Redis has any of it. */
async function loseRequests(sending: () => void): Promise<void> {
  const cut = proxy.cutAfter(0, 'toServer');
  proxy.isRefusing = true;
  sending();
  await cut;
}

function reconnect(): void {
  proxy.isRefusing = false;
}

const held = async (key: string) =>
  (await redis.client.xrangeBuffer(key, '-', '+')).map(([id, fields]) => [String(id), String(fields![1])]);
const payloadsIn = async (key: string) => (await held(key)).map(([, payload]) => payload);

const other = (key: string, ...payloads: string[]) =>
  Promise.all(payloads.map((payload) => redis.client.xadd(key, '*', 'd', payload)));

describe('an entry without an answer', () => {
  beforeEach(() => connect());

  test('that is stored is found, and told with its id', async () => {
    const [first] = await store('k', 'first');
    const ledger = new Ledger();
    await loseAnswers(ledger, () => send(ledger, 'k', 'lost', 'too'));
    reconnect();
    await told(ledger);
    expect(await held('k')).toEqual([
      [first, 'first'],
      [ledger.results[0], 'lost'],
      [ledger.results[1], 'too'],
    ]);
  });

  test('that is not stored is sent, in order, and before what is newer', async () => {
    await store('k', 'first');
    const ledger = new Ledger();
    await loseRequests(() => send(ledger, 'k', 'a', 'b'));
    send(ledger, 'k', 'c');
    reconnect();
    await told(ledger);
    expect(await payloadsIn('k')).toEqual(['first', 'a', 'b', 'c']);
    expect((await held('k')).slice(1).map(([id]) => id)).toEqual(ledger.results);
  });

  test.each([1, 40, 100, 1000, 20_000, 70_000, 150_000, 200_000])(
    'is stored once, wherever the connection is cut: after %i bytes',
    async (bytes) => {
      await store('a', 'first');
      const ledger = new Ledger();
      const sizes = [10, 1000, 20_000, 5, 60_000, 30_000];
      const sent = Array.from({ length: 12 }, (_, index) => randomBytes(sizes[index % 6]!));
      const cut = proxy.cutAfter(bytes, 'toServer');
      sent.forEach((payload, index) => send(ledger, index % 2 ? 'a' : 'b', payload));
      await cut;
      await told(ledger);
      for (const [offset, key] of ['b', 'a'].entries()) {
        const rows = await redis.client.xrangeBuffer(key, '-', '+');
        const mine = rows.slice(offset);
        expect(mine.map(([id]) => String(id))).toEqual(
          ledger.results.filter((_, index) => index % 2 === offset),
        );
        const payloads = sent.filter((_, index) => index % 2 === offset);
        expect(mine.every(([, fields], index) => fields![1]!.equals(payloads[index]!))).toBe(true);
        expect(mine).toHaveLength(payloads.length);
      }
    },
  );

  test('is stored once, wherever the search for it is cut off', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const key of keys) await store(key, 'first');
    for (let bytes = 400; bytes < 6000; bytes += 200) {
      const ledger = new Ledger();
      await loseAnswers(ledger, () => {
        for (const key of keys) send(ledger, key, `${bytes}`, `${bytes} too`);
      });
      const cut = proxy.cutAfter(bytes, 'toClient');
      reconnect();
      // Where the search is over before, the cut comes later.
      await Promise.race([cut, told(ledger)]);
      await told(ledger);
      expect(ledger.results).toEqual(keys.flatMap(() => [ID, ID]));
    }
    for (const key of keys) {
      const payloads = await payloadsIn(key);
      expect(new Set(payloads).size).toBe(payloads.length);
    }
  });

  test('is not sent again if it is among thousands of others, and behind large ones', async () => {
    await store('k', 'first');
    const ledger = new Ledger();
    await other('k', ...Array.from({ length: 1500 }, (_, index) => `other ${index}`));
    await loseAnswers(ledger, () => send(ledger, 'k', 'lost'));
    await other('k', ...Array.from({ length: 1500 }, (_, index) => `more ${index}`));
    for (let index = 0; index < 3; index++) await redis.client.xadd('k', '*', 'd', randomBytes(3 * MIB));
    await redis.client.xadd('k', '*', 'not', 'ours', 'd', 'lost');
    reconnect();
    await told(ledger);
    // Another writer may have stored it as well.
    expect(ledger.results).toEqual([UNKNOWN]);
    expect((await payloadsIn('k')).filter((payload) => payload === 'lost')).toHaveLength(1);
    const missing = new Ledger();
    await loseRequests(() => send(missing, 'k', 'not yet'));
    for (let index = 0; index < 3; index++) await redis.client.xadd('k', '*', 'd', randomBytes(3 * MIB));
    reconnect();
    await told(missing);
    expect((await held('k')).at(-1)).toEqual([missing.results[0], 'not yet']);
  });

  test('is not mistaken for an earlier one with the same bytes', async () => {
    const before = await store('k', 'on', 'on', 'on');
    const stored = new Ledger();
    await loseAnswers(stored, () => send(stored, 'k', 'on', 'on'));
    reconnect();
    await told(stored);
    expect((await held('k')).map(([id]) => id)).toEqual([...before, ...stored.results]);
    const missing = new Ledger();
    await loseRequests(() => send(missing, 'k', 'on'));
    reconnect();
    await told(missing);
    expect((await held('k')).map(([id]) => id)).toEqual([...before, ...stored.results, ...missing.results]);
  });

  test.each(['before', 'after'])(
    'is not mistaken for another writer’s with the same bytes, stored %s it was sent',
    async (when) => {
      await store('k', 'first');
      if (when === 'before') await other('k', 'on');
      // Times are compared by the ms.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const ledger = new Ledger();
      await loseRequests(() => send(ledger, 'k', 'on'));
      if (when === 'after') await other('k', 'on', 'on');
      reconnect();
      await told(ledger);
      expect(ledger.results).toEqual([UNKNOWN]);
      expect(await payloadsIn('k')).toEqual(['first', 'on', ...(when === 'after' ? ['on'] : [])]);
    },
  );

  test('is looked for by its own time, if it has one', async () => {
    const ledger = new Ledger();
    await store('k', '5-1 first');
    await loseAnswers(ledger, () => send(ledger, 'k', '5-7 a', '6-* b', '6-* b', '7-7 c'));
    reconnect();
    await told(ledger);
    expect(ledger.results).toEqual(['5-7', '6-0', '6-1', '7-7']);
    expect(await payloadsIn('k')).toEqual(['5-1 first', '5-7 a', '6-* b', '6-* b', '7-7 c']);

    const late = new Ledger();
    await loseRequests(() => send(late, 'k', '8-8 mine', '9-* mine', '10-1 mine', '2-2 never'));
    await redis.client.xadd('k', '9-9', 'd', 'of another');
    reconnect();
    await told(late);
    expect(late.results).toEqual([
      expect.objectContaining({ code: 'id_not_increasing' }),
      '9-10',
      '10-1',
      expect.objectContaining({ code: 'id_not_increasing' }),
    ]);
  });

  test('of a key that is no stream is sent again, and refused', async () => {
    await redis.client.set('text', 'x');
    const ledger = new Ledger();
    await loseAnswers(ledger, () => send(ledger, 'text', 'x'));
    reconnect();
    await told(ledger);
    expect(ledger.results).toEqual([expect.objectContaining({ code: 'wrong_type' })]);
  });

  test('is found though the next connections are lost as well, while it is looked for', async () => {
    await store('k', 'x'.repeat(20_000));
    const ledger = new Ledger();
    await loseAnswers(ledger, () => send(ledger, 'k', 'lost'));
    reconnect();
    // Within the login, the introduction, the fence, the search.
    for (const bytes of [6, 60, 300, 400, 600, 10_000]) await proxy.cutAfter(bytes, 'toClient');
    await told(ledger);
    expect(await held('k')).toEqual([
      [ID, 'x'.repeat(20_000)],
      [ledger.results[0], 'lost'],
    ]);
  });

  test('is not sent to a Redis that has a stream of the same name without it', async () => {
    await store('k', 'first');
    const ledger = new Ledger();
    await loseAnswers(ledger, () => send(ledger, 'k', 'lost'));
    await redis.client.flushall();
    reconnect();
    await told(ledger);
    // It went with the rest, unacknowledged.
    expect(await held('k')).toEqual([[ledger.results[0], 'lost']]);
  });
});

describe('a producer without acks, whose entries look alike to the pipe,', () => {
  let results: (string | Failure)[];
  const alike: Receipt = {
    stored: (_, reply) => results.push(reply.text()),
    refused: (_, failure) => results.push(failure),
  };

  beforeEach(async () => {
    results = [];
    await connect();
    await store('k', 'first');
  });

  const withEntry = (sending: () => void) => loseRequests(sending);
  const withAnswer = (sending: () => void) => loseAnswers(new Ledger(), sending);

  test.each([
    ['the entry, which is sent again and answered', [withEntry, withEntry, withEntry, withEntry]],
    ['the answer, and the entry is found', [withAnswer, withAnswer, withEntry, withEntry]],
  ])('has none refused since several times a connection was lost with %s', async (_, losses) => {
    for (const [index, lose] of losses.entries()) {
      await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
      await lose(() => pipe.append(pipe.streams.get('k'), '*', Buffer.from(`${index}`), alike, 1));
      reconnect();
      await vi.waitFor(() => expect(results).toHaveLength(index + 1), WAIT);
    }
    expect(results).toEqual(losses.map(() => ID));
    expect(await payloadsIn('k')).toEqual(['first', '0', '1', '2', '3']);
  });
});

describe('the first entries of a stream', () => {
  test('are looked for from the time on at which the connection began', async () => {
    await other('k', 'on');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await connect();
    const missing = new Ledger();
    await loseRequests(() => send(missing, 'k', 'on'));
    reconnect();
    await told(missing);
    expect(await payloadsIn('k')).toEqual(['on', 'on']);
    expect((await held('k'))[1]![0]).toBe(missing.results[0]);

    const stored = new Ledger();
    await loseAnswers(stored, () => send(stored, 'new', 'on'));
    reconnect();
    await told(stored);
    expect(await held('new')).toEqual([[stored.results[0], 'on']]);
  });

  test('with times of their own are looked for there', async () => {
    await connect();
    const stored = new Ledger();
    const sent = [
      '5-7 a',
      ...new Array(20).fill('6-* b'),
      '7-7 c',
      'now',
      '9999999999999-0 d',
      '9999999999999-0 no',
    ];
    await loseAnswers(stored, () => send(stored, 'k', ...sent));
    reconnect();
    await told(stored);
    expect(await held('k')).toEqual(
      sent.slice(0, -1).map((payload, index) => [stored.results[index], payload]),
    );
    expect(stored.results.at(-1)).toMatchObject({ code: 'id_not_increasing' });

    // The stream goes on from a time ahead of the clock.
    const ahead = Date.now() + 5000;
    const same = new Ledger();
    const pair = [`${ahead}-*`, '*'];
    await loseAnswers(same, () => {
      for (const id of pair) {
        pipe.append(pipe.streams.get('same'), id, Buffer.from('on'), same, same.results.length++);
      }
    });
    reconnect();
    await told(same);
    expect(same.results).toEqual([`${ahead}-0`, `${ahead}-1`]);
    expect(await payloadsIn('same')).toEqual(['on', 'on']);

    const missing = new Ledger();
    await loseRequests(() => send(missing, 'other', '5-7 a', '6-* b', 'now'));
    reconnect();
    await told(missing);
    expect(await held('other')).toEqual([
      ['5-7', '5-7 a'],
      ['6-0', '6-* b'],
      [missing.results[2], 'now'],
    ]);
  });
});

describe('what cannot be known', () => {
  beforeEach(() => connect());

  /** Both kinds of producers, one after the other. */
  const both = async (payloads: string[], meanwhile: (key: string) => Promise<unknown>) => {
    const outcomes: unknown[] = [];
    for (const sendsAgain of [false, true]) {
      const key = `${sendsAgain}`;
      await store(key, 'first');
      const ledger = new Ledger(sendsAgain);
      await loseAnswers(ledger, () => send(ledger, key, ...payloads));
      await meanwhile(key);
      reconnect();
      await told(ledger);
      outcomes.push(ledger.results, await payloadsIn(key));
    }
    return outcomes;
  };

  test('since all was trimmed: told to those with acks, sent again for those without', async () => {
    const trim = (key: string) => redis.client.xtrim(key, 'MAXLEN', 0);
    expect(await both(['a', 'b'], trim)).toEqual([[UNKNOWN, UNKNOWN], [], [ID, ID], ['a', 'b']]);
  });

  test('but what is left after trimming shows that what was sent before it was stored', async () => {
    const trim = (key: string) => redis.client.xtrim(key, 'MAXLEN', 1);
    expect(await both(['a', 'b', 'c'], trim)).toEqual([
      [UNKNOWN, UNKNOWN, ID],
      ['c'],
      // Stored, and not sent again.
      ['', '', ID],
      ['c'],
    ]);
  });

  test('since others send the same bytes', async () => {
    const copy = (key: string) => other(key, 'on');
    expect(await both(['on'], copy)).toEqual([
      [UNKNOWN],
      ['first', 'on', 'on'],
      [ID],
      ['first', 'on', 'on', 'on'],
    ]);
  });
});

describe('the old connection', () => {
  /** The old connection hangs with what was sent on it, while others pass. */
  const hang = async (ledger: Ledger): Promise<void> => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    await connect();
    await store('k', 'first');
    proxy.only = new RegExp(proxy.names[0]!);
    proxy.stall();
    send(ledger, 'k', 'late');
    await vi.waitFor(() => {
      vi.advanceTimersByTime(250);
      expect(pipe.disconnects).toBe(1);
    }, WAIT);
    await told(ledger);
  };

  afterEach(() => {
    vi.useRealTimers();
  });

  test('brings nothing more, once another has taken its place', async () => {
    const ledger = new Ledger();
    await hang(ledger);
    const old = proxy.names[0];
    proxy.resume();
    await vi.waitFor(() => expect(proxy.names).not.toContain(old), WAIT);
    expect(await held('k')).toEqual([
      [ID, 'first'],
      [ledger.results[0], 'late'],
    ]);
  });

  test('may bring something yet where Redis does not let it be ended: then nothing is known', async () => {
    await redis.client.call('ACL', 'SETUSER', 'default', '-client|kill');
    const ledger = new Ledger();
    await hang(ledger);
    expect(ledger.results).toEqual([UNKNOWN]);
    proxy.resume();
    await vi.waitFor(async () => expect(await payloadsIn('k')).toEqual(['first', 'late']), WAIT);
  });
});

test('a Redis that is stopped for too long: what it may have is unknown, what it cannot have is refused', async () => {
  await connect({ maxOutageMs: 3000 });
  await store('k', 'first');
  redis.process.kill('SIGSTOP');
  const ledger = new Ledger();
  const sent = Array.from({ length: 400 }, (_, index) => Buffer.alloc(50_000, `${index} `));
  const begun = performance.now();
  send(ledger, 'k', ...sent);
  await told(ledger);
  expect(performance.now() - begun).toBeLessThan(5000);
  const codes = ledger.results.map((result) => (result as Failure).code);
  const unknown = codes.lastIndexOf('unknown_outcome') + 1;
  expect(unknown).toBeGreaterThan(0);
  expect(unknown).toBeLessThan(sent.length);
  expect(codes).toEqual(codes.map((_, index) => (index < unknown ? 'unknown_outcome' : 'redis_unavailable')));
  const refused = new Ledger();
  send(refused, 'k', 'at once');
  expect(refused.results).toEqual([expect.objectContaining({ code: 'redis_unavailable' })]);

  redis.process.kill('SIGCONT');
  await vi.waitFor(() => expect(pipe.isReady).toBe(true), WAIT);
  const [id] = await store('k', 'last');
  const stored = await held('k');
  // Nothing is stored late, behind what came after it.
  expect(stored.at(-1)).toEqual([id, 'last']);
  const numbers = stored.slice(1, -1).map(([, payload]) => Number.parseInt(payload!, 10));
  expect(numbers).toEqual([...numbers.keys()]);
  expect(numbers.length).toBeLessThanOrEqual(unknown);
});
