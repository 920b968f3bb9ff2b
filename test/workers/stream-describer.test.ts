import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/protocol/errors.js';
import { ServerReads } from '../../src/redis/key-reads.js';
import { type RedisTarget, unixTarget } from '../../src/redis/target.js';
import { StreamDescriber } from '../../workers/stream-describer.js';
import {
  type DescribeRequest,
  decodeEntry,
  type EntryForm,
  type StreamDescription,
} from '../../workers/stream-description.js';
import { type Answer, politely, startFakeRedis } from '../support/fake-redis.js';
import { costOf } from '../support/redis-cost.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { array, bulk, encodeReply, type Reply, text } from '../support/replies.js';

const FORMS: readonly EntryForm[] = ['data', 'json', 'string'];
const MIB = 1024 * 1024;

let redis: TestRedis;
let describer: StreamDescriber;

const describerOf = (target: RedisTarget) => new StreamDescriber(new ServerReads(target, 'test'));

const request = (keys: readonly string[], wanted: Partial<DescribeRequest> = {}): DescribeRequest => ({
  keys,
  info: 'all',
  first: [],
  last: [],
  meta: false,
  ...wanted,
});

beforeAll(async () => {
  redis = await startRedis();
  describer = describerOf(unixTarget(redis.path));
});

afterAll(() => redis?.stop());

beforeEach(() => redis.client.flushdb());

const cost = (act: () => Promise<unknown>) => costOf(redis.client, act);

describe('what is told of a stream', () => {
  test('what XINFO STREAM tells, with the entries or without', async () => {
    const { client } = redis;
    const ids: string[] = [];
    for (let entry = 0; entry < 5; entry++) ids.push((await client.xadd('s', '*', 'd', `${entry}`))!);
    await client.xdel('s', ids[0]!, ids[2]!);
    await client.xgroup('CREATE', 's', 'g1', '0');
    await client.xgroup('CREATE', 's', 'g2', '$');
    await client.set(':stream:meta:s', '{"a":1}');
    const expected = {
      length: 3,
      radixTreeKeys: 1,
      radixTreeNodes: 2,
      lastGeneratedId: ids[4],
      maxDeletedEntryId: ids[2],
      entriesAdded: 5,
      recordedFirstEntryId: ids[1],
      groups: 2,
      firstEntryId: ids[1],
      lastEntryId: ids[4],
      error: '',
    };
    const bare = await describer.describe(request(['s']));
    expect(bare.streams).toEqual([
      { ...expected, first: undefined, last: undefined, meta: null, answerBytes: 0, largestBytes: 0 },
    ]);
    const full = await describer.describe(request(['s'], { first: FORMS, last: ['string'], meta: true }));
    expect(full.streams).toEqual([
      {
        ...expected,
        first: { data: 'MQ==', string: '1', json: 1 },
        last: { string: '4' },
        meta: '{"a":1}',
        answerBytes: 11,
        largestBytes: 7,
      },
    ]);
    expect(full.scriptsRefused).toBe(false);
  });

  test.each<[string, Partial<DescribeRequest>]>([
    ['by the script', {}],
    ['by XINFO', { first: FORMS, last: FORMS }],
  ])('no key, a key of another type, an empty stream, %s', async (_, wanted) => {
    await redis.client.set('string', '1');
    const id = (await redis.client.xadd('empty', '*', 'd', '1'))!;
    await redis.client.xdel('empty', id);
    const { streams } = await describer.describe(request(['none', 'string', 'empty'], wanted));
    expect(streams).toMatchObject([
      { error: 'no such key', length: 0, firstEntryId: '', lastEntryId: '', lastGeneratedId: '' },
      {
        error: 'WRONGTYPE Operation against a key holding the wrong kind of value',
        length: 0,
        firstEntryId: '',
      },
      {
        error: '',
        length: 0,
        entriesAdded: 1,
        firstEntryId: '',
        lastEntryId: '',
        lastGeneratedId: id,
        maxDeletedEntryId: id,
        recordedFirstEntryId: '0-0',
      },
    ]);
    for (const { first, last } of streams) expect([first, last]).toEqual([undefined, undefined]);
  });

  test('counts beyond 2^31, with the entries or without', async () => {
    await redis.client.xadd('s', '5-0', 'd', '1');
    await redis.client.call('XSETID', 's', '9-0', 'ENTRIESADDED', '9007199254740991', 'MAXDELETEDID', '4-0');
    for (const first of [[], FORMS]) {
      const { streams } = await describer.describe(request(['s'], { first }));
      expect(streams[0]).toMatchObject({ entriesAdded: 2 ** 53 - 1, lastGeneratedId: '9-0' });
    }
  });

  test('ids of the greatest times', async () => {
    await redis.client.xadd('s', '18446744073709551615-18446744073709551614', 'd', '1');
    const { streams } = await describer.describe(request(['s']));
    expect(streams[0]).toMatchObject({ lastEntryId: '18446744073709551615-18446744073709551614' });
  });

  test('entries of other writers', async () => {
    const { client } = redis;
    await client.xadd('s', '*', 'temperature', '21.5', 'raw', Buffer.from([0xff]));
    await client.xadd('s', '*', 'other', 'x', 'd', 'payload', 'd', 'second');
    const { streams } = await describer.describe(request(['s'], { first: FORMS, last: ['string'] }));
    const fields = { temperature: '21.5', raw: { base64: '/w==' } };
    expect(streams[0]).toMatchObject({
      first: { json: fields, string: JSON.stringify(fields) },
      last: { string: 'payload' },
    });
  });

  test('of many keys each its own, in order, doubles too', async () => {
    const keys = Array.from({ length: 350 }, (_, index) => `k${index}`);
    for (const [index, key] of keys.entries()) {
      for (let entry = 0; entry <= index % 3; entry++) await redis.client.xadd(key, '*', 'd', key);
      if (index % 2 === 0) await redis.client.set(`:stream:meta:${key}`, `{"of":"${key}"}`);
    }
    const asked = [...keys.toReversed(), 'none', 'k0'];
    for (const wanted of [{}, { last: FORMS }, { info: 'length' as const }]) {
      const { streams } = await describer.describe(request(asked, { meta: true, ...wanted }));
      expect(streams.map(({ length }) => length)).toEqual([
        ...keys.map((_, index) => (index % 3) + 1).toReversed(),
        0,
        1,
      ]);
      expect(streams.map(({ meta }) => meta)).toEqual(
        asked.map((key) => (Number(key.slice(1)) % 2 === 0 ? `{"of":"${key}"}` : null)),
      );
      if ('last' in wanted) {
        expect(streams.slice(0, 350).map(({ last }) => last?.string)).toEqual(keys.toReversed());
      }
    }
  });

  test('the newest entry alone', async () => {
    await redis.client.xadd('s', '1-0', 'd', 'x'.repeat(MIB));
    await redis.client.xadd('s', '2-0', 'd', '[1]');
    await redis.client.set('string', '1');
    const wanted = request(['s', 'none', 'string'], { info: 'newest', last: ['json'] });
    let streams: readonly StreamDescription[] = [];
    const { calls, bytes } = await cost(async () => {
      ({ streams } = await describer.describe(wanted));
    });
    expect(streams).toMatchObject([
      { lastEntryId: '2-0', last: { json: [1] }, answerBytes: 3, largestBytes: 3, error: '' },
      { lastEntryId: '', last: undefined, largestBytes: 0, error: '' },
      { lastEntryId: '', last: undefined, error: expect.stringMatching(/^WRONGTYPE /) },
    ]);
    expect(calls).toEqual({ xrevrange: 3 });
    expect(bytes).toBeLessThan(10_000);
  });

  test.each([
    ['', 'no such user'],
    ['with scripts refused', '-@scripting'],
  ])('newest ids and lengths alone, %s', async (_, refused) => {
    let asked = describer;
    if (refused.startsWith('-')) {
      await redis.client.call('ACL', 'SETUSER', 'plain', 'on', '>pw', '~*', '+@all', refused);
      asked = describerOf({ ...unixTarget(redis.path), username: 'plain', password: 'pw' });
    }
    await redis.client.xadd('s', '1-0', 'd', 'x');
    await redis.client.xadd('s', '2-0', 'd', 'x');
    await redis.client.xdel('s', '2-0');
    await redis.client.xadd('empty', '3-0', 'd', 'x');
    await redis.client.xdel('empty', '3-0');
    await redis.client.set('string', '1');
    const wanted = request(['s', 'none', 'empty', 'string'], { info: 'newest-id' });
    const { streams } = await asked.describe(wanted);
    expect(streams.map(({ length, lastEntryId }) => [length, lastEntryId])).toEqual([
      [1, '1-0'],
      [0, ''],
      [0, ''],
      [0, ''],
    ]);
  });

  test('no keys at all', async () => {
    for (const info of ['none', 'length', 'all'] as const) {
      expect(await describer.describe(request([], { info, meta: true }))).toMatchObject({ streams: [] });
    }
  });

  test('nothing but metadata', async () => {
    await redis.client.set(':stream:meta:s', 'é漢');
    await redis.client.lpush(':stream:meta:list', 'x');
    const asked = request(['s', 'none', 'list'], { info: 'none', meta: true });
    const { streams } = await describer.describe(asked);
    expect(streams.map(({ meta, error }) => [meta, error])).toEqual([
      ['é漢', ''],
      [null, ''],
      [null, ''],
    ]);
  });
});

describe('what it costs', () => {
  test('ids and counts do not move entries', async () => {
    const frame = Buffer.alloc(MIB, 'x');
    const keys = Array.from({ length: 10 }, (_, index) => `large${index}`);
    for (const key of keys) {
      await redis.client.xadd(key, '*', 'd', frame);
      await redis.client.xadd(key, '*', 'd', frame);
    }
    const all = await cost(() => describer.describe(request(keys, { meta: true })));
    expect(all.bytes).toBeLessThan(20_000);
    expect(all.calls).toMatchObject({ eval: 3, mget: 1, 'xinfo|stream': 10 });
    const lengths = await cost(() => describer.describe(request(keys, { info: 'length' })));
    expect(lengths.bytes).toBeLessThan(5000);
    expect(lengths.calls).not.toHaveProperty('xinfo|stream');
    const nothing = await cost(() => describer.describe(request(keys, { info: 'none' })));
    expect(Object.keys(nothing.calls).filter((name) => /^(xinfo|xlen|eval|mget)/.test(name))).toEqual([]);
  });

  test.each([
    ['all', 'xinfo|stream', 6],
    ['newest-id', 'xrevrange', 3],
  ] as const)('Redis copies about 8 MiB in one call: %s', async (info, command, scripts) => {
    const keys = Array.from({ length: 20 }, (_, index) => `large${index}`);
    for (const key of keys) {
      for (const id of ['1-0', '2-0']) await redis.client.xadd(key, id, 'd', Buffer.alloc(MIB, 'x'));
    }
    const asked = ['none', ...keys, 'last'];
    await redis.client.xadd('last', '9-0', 'd', '1');
    let ends: unknown[] = [];
    const { calls, bytes } = await cost(async () => {
      const { streams } = await describer.describe(request(asked, { info }));
      ends = streams.map(({ length, lastEntryId }) => [length, lastEntryId]);
    });
    expect(ends).toEqual([[0, ''], ...keys.map(() => [2, '2-0']), [1, '9-0']]);
    // A call ends with the stream that exceeds it.
    expect([calls.eval, calls[command]]).toEqual([scripts, asked.length]);
    expect(bytes).toBeLessThan(20_000);
  });

  test('a script call has at most 100 keys', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `none${index}`);
    const { calls } = await cost(() => describer.describe(request(keys, { meta: true })));
    expect(calls).toMatchObject({ eval: 3, mget: 3 });
  });
});

describe('what is too much for one answer', () => {
  const fill = async (streams: number, bytes: number) => {
    const keys = Array.from({ length: streams }, (_, index) => `large${index}`);
    for (const key of keys) await redis.client.xadd(key, '*', 'd', Buffer.alloc(bytes, 'x'));
    return keys;
  };
  const refusal = {
    code: 'payload_too_large',
    message: 'the answer would have more than 64 MiB of entries, metadata and ids: ask for fewer at once',
  };

  test('entries', async () => {
    const keys = await fill(20, 4 * MIB);
    const { streams } = await describer.describe(request(keys.slice(0, 17), { last: ['data'] }));
    expect(streams.map(({ answerBytes }) => answerBytes)).toEqual(Array(17).fill(4 * MIB));
    for (const wanted of [{ last: ['data'] }, { first: ['string'] }] as const) {
      const asking = describer.describe(request(keys, wanted));
      await expect(asking).rejects.toMatchObject(refusal);
    }
    // Each form counts.
    const forms = describer.describe(request(keys.slice(0, 10), { last: ['data', 'string'] }));
    await expect(forms).rejects.toMatchObject(refusal);
    // The connection is as good as before.
    expect((await describer.describe(request(keys))).streams).toHaveLength(20);
  });

  test('and Redis is not asked for the rest', async () => {
    const keys = await fill(60, 4 * MIB);
    const { bytes } = await cost(() => describer.describe(request(keys, { last: ['data'] })).catch(() => {}));
    // The first and the last entry are the same here, and both are sent.
    expect(bytes).toBeLessThan(60 * 2 * 4 * MIB * 0.5);
  });

  test('metadata', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => `s${index}`);
    for (const key of keys) await redis.client.set(`:stream:meta:${key}`, 'x'.repeat(MIB / 2));
    const asking = describer.describe(request(keys, { info: 'none', meta: true }));
    await expect(asking).rejects.toMatchObject(refusal);
  });

  test('is not a single stream, however large', async () => {
    await fill(1, 70 * MIB);
    const { streams } = await describer.describe(request(['large0', 'none'], { last: ['string'] }));
    expect(streams[0]!.last!.string).toHaveLength(70 * MIB);
  });
});

describe('where a command may name one key only', () => {
  /** Refuses what a cluster would, and has no server for keys that begin with `away`. */
  function oneKeyDescriber(target: RedisTarget): StreamDescriber {
    const reads = new ServerReads(target, 'test');
    return new StreamDescriber({
      takesManyKeys: false,
      send: async (key, command, take) => {
        const words = command.toString().split('\r\n');
        expect(words).not.toContain('MGET');
        if (words.includes('EVAL')) expect(words[words.indexOf('EVAL') + 4]).toBe('1');
        if (key.includes('away')) throw new Failure('redis_unavailable', 'not served');
        return reads.send(key, command, take);
      },
    });
  }

  beforeEach(async () => {
    for (const key of ['a', 'b', 'c']) await redis.client.xadd(key, '1-0', 'd', key);
    await redis.client.set(':stream:meta:a', '{"of":"a"}');
    await redis.client.sadd(':stream:meta:b', 'no text');
  });

  test.each<[string, Partial<DescribeRequest>]>([
    ['all of XINFO', {}],
    ['newest ids', { info: 'newest-id' }],
    ['lengths', { info: 'length' }],
    ['entries', { last: ['string'] }],
    ['the newest entries', { info: 'newest', last: ['string'] }],
  ])('each is described as by commands of many keys: %s', async (_, wanted) => {
    const asked = request(['c', 'none', 'a', 'b'], { meta: true, ...wanted });
    const { streams } = await oneKeyDescriber(unixTarget(redis.path)).describe(asked);
    expect(streams).toEqual((await describer.describe(asked)).streams);
    expect(streams.map(({ meta }) => meta)).toEqual([null, null, '{"of":"a"}', null]);
  });

  test('with scripts refused', async () => {
    await redis.client.call('ACL', 'SETUSER', 'plain', 'on', '>pw', '~*', '+@all', '-@scripting');
    const refused = oneKeyDescriber({ ...unixTarget(redis.path), username: 'plain', password: 'pw' });
    const { streams, scriptsRefused } = await refused.describe(request(['a', 'b']));
    expect(streams).toMatchObject([{ lastEntryId: '1-0' }, { lastEntryId: '1-0' }]);
    expect(scriptsRefused).toBe(true);
  });

  test('a server that is away is the matter of its keys alone, unless all are away', async () => {
    const asked = oneKeyDescriber(unixTarget(redis.path));
    const { streams } = await asked.describe(request(['away', 'a'], { meta: true }));
    expect(streams).toMatchObject([
      { error: 'not served', length: 0 },
      { error: '', length: 1 },
    ]);
    await expect(asked.describe(request(['away', 'away too']))).rejects.toMatchObject({
      code: 'redis_unavailable',
    });
  });
});

describe('where Redis runs no scripts for us', () => {
  test('entries are moved instead, and it is not asked again', async () => {
    const { client } = redis;
    await client.call('ACL', 'SETUSER', 'plain', 'on', '>pw', '~*', '+@all', '-@scripting');
    const target = { ...unixTarget(redis.path), username: 'plain', password: 'pw' };
    const refused = describerOf(target);
    await client.xadd('s', '*', 'd', '1');
    const expected = await describer.describe(request(['s', 'none']));
    const first = await refused.describe(request(['s', 'none']));
    const [moved, ...none] = expected.streams;
    // The entry, which nobody asked for, is its largest part.
    expect(first).toEqual({ streams: [{ ...moved, largestBytes: 2 }, ...none], scriptsRefused: true });
    const { calls } = await cost(async () => {
      expect(await refused.describe(request(['s', 'none']))).toEqual(first);
    });
    expect(calls).not.toHaveProperty('eval');
    expect(calls['xinfo|stream']).toBe(2);
  });

  test('a key that one may not read spoils only its own answer', async () => {
    const { client } = redis;
    await client.call('ACL', 'SETUSER', 'some', 'on', '>pw', '~cam:*', '+@all');
    const target = { ...unixTarget(redis.path), username: 'some', password: 'pw' };
    const restricted = describerOf(target);
    await client.xadd('cam:s', '*', 'd', '1');
    await client.xadd('other:s', '*', 'd', '1');
    const { streams, scriptsRefused } = await restricted.describe(request(['cam:s', 'other:s']));
    expect(streams).toMatchObject([
      { length: 1, error: '' },
      { length: 0, error: expect.stringMatching(/^NOPERM /) },
    ]);
    // Scripts as such were not refused.
    expect(scriptsRefused).toBe(false);
    const { calls } = await cost(() => restricted.describe(request(['cam:s'])));
    expect(calls).toHaveProperty('eval');
  });
});

describe('a Redis that refuses', () => {
  const describeAt = async (answer: Answer, wanted: Partial<DescribeRequest> = {}) => {
    const fake = await startFakeRedis(answer);
    try {
      const asked = describerOf(fake.target);
      const outcome = await asked.describe(request(['s'], wanted)).catch((error: unknown) => error);
      return { outcome, asked, commands: fake.commands.map(([name]) => name) };
    } finally {
      await fake.close();
    }
  };

  const answering =
    (name: string, reply: string): Answer =>
    (command, client) =>
      command[0] === name ? reply : politely(command, client);

  test.each([
    ['-LOADING Redis is loading the dataset in memory\r\n', 'redis_loading'],
    ['-MASTERDOWN Link with MASTER is down\r\n', 'redis_unavailable'],
    ['-NOAUTH Authentication required.\r\n', 'redis_denied'],
  ])('the metadata: %j is not taken for none', async (reply, code) => {
    const { outcome } = await describeAt(answering('MGET', reply), { info: 'none', meta: true });
    expect(outcome).toMatchObject({ code });
  });

  test.each([
    ['-LOADING Redis is loading the dataset in memory\r\n', 'redis_loading'],
    ['-BUSY Redis is busy running a script.\r\n', 'redis_unavailable'],
    ['-MASTERDOWN Link with MASTER is down\r\n', 'redis_unavailable'],
  ])('the script: %j passes, and is not taken for a refusal of scripts', async (reply, code) => {
    const { outcome, commands } = await describeAt(answering('EVAL', reply));
    expect(outcome).toMatchObject({ code });
    expect(commands).not.toContain('XINFO');
  });

  test.each([
    "-NOPERM this user has no permissions to run the 'eval' command\r\n",
    "-ERR unknown command 'EVAL', with args beginning with: \r\n",
    '-ERR unknown command `EVAL`, with args beginning with: \r\n',
  ])('the script: %j is a refusal of scripts', async (reply) => {
    const info: Reply = array(bulk('length'), { type: 'number', value: 3 });
    const { outcome } = await describeAt((command, client) => {
      if (command[0] === 'EVAL') return reply;
      return command[0] === 'XINFO' ? encodeReply(info) : politely(command, client);
    });
    expect(outcome).toMatchObject({ scriptsRefused: true, streams: [{ length: 3 }] });
  });

  test('an older Redis, which tells less', async () => {
    const info = array(
      ...[bulk('length'), { type: 'number', value: 2 } as const],
      ...[bulk('last-generated-id'), bulk('2-0')],
      ...[bulk('first-entry'), array(bulk('1-0'), array(bulk('d'), bulk('a')))],
      ...[bulk('something-new'), array(text('x'), array(bulk('y')))],
      ...[bulk('last-entry'), bulk(null)],
    );
    const { outcome } = await describeAt(
      (command, client) => (command[0] === 'XINFO' ? encodeReply(info) : politely(command, client)),
      { first: ['string'] },
    );
    expect(outcome).toMatchObject({
      streams: [
        {
          length: 2,
          lastGeneratedId: '2-0',
          firstEntryId: '1-0',
          first: { string: 'a' },
          lastEntryId: '',
          last: undefined,
          entriesAdded: 0,
          maxDeletedEntryId: '',
        },
      ],
    });
  });

  test('that is not there', async () => {
    await expect(describerOf(unixTarget('/nowhere/s')).describe(request(['s']))).rejects.toMatchObject({
      code: 'redis_unavailable',
    });
  });
});

describe('decodeEntry', () => {
  const decode = (payload: string | Uint8Array, forms = FORMS) =>
    decodeEntry(Buffer.from(payload as string), forms);

  test.each<[text: string, json: unknown]>([
    ['', null],
    ['text', null],
    ['5', 5],
    ['null', null],
    ['"é漢😀"', 'é漢😀'],
    ['{"a": [1.5, {}, []]}', { a: [1.5, {}, []] }],
    ['{"__proto__": 1}', JSON.parse('{"__proto__": 1}')],
    ['{"a": 1', null],
    ['NaN', null],
    ['\ufeff{}', {}],
    ['\u0000', null],
  ])('the text %j', (string, json) => {
    const data = Buffer.from(string).toString('base64');
    expect(decode(string)).toStrictEqual({ data, string, json });
  });

  test.each([
    [0xff, 0xfe],
    [0xe6, 0xbc],
    [0xed, 0xa0, 0x80],
    [0x22, 0xc3, 0x22],
    [0xc0, 0x80],
  ])('bytes that are no text: %i %i', (...bytes) => {
    const data = Buffer.from(bytes).toString('base64');
    expect(decode(Buffer.from(bytes))).toEqual({ data, string: null, json: null });
  });

  test('only what is asked for', () => {
    expect(decode('1', [])).toEqual({});
    for (const form of FORMS) expect(Object.keys(decode('1', [form]))).toEqual([form]);
  });

  test('JSON that nests deeper than anybody can print is none', () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    expect(JSON.stringify(decode(nested(500), ['json']).json)).toBe(nested(500));
    for (const depth of [20_000, 1_000_000]) {
      expect(decode(nested(depth), ['json']).json === null).toBe(true);
      const objects = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
      expect(decode(objects, ['json']).json === null).toBe(true);
    }
  });
});
