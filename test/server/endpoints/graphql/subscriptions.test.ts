/** Subscriptions over a WebSocket: every entry once and in order, for clients of every speed and kind. */
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { type GraphqlFixture, problemText, startGraphqlFixture } from '../../../support/graphql.js';
import { GraphqlSocket, type Operation, SUBPROTOCOL } from '../../../support/graphql-socket.js';
import { costOf } from '../../../support/redis-cost.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** The hub reads a stream on for two seconds after its last listener has left. */
const WAIT = { timeout: 10_000 };

interface Entry {
  readonly data: {
    readonly streamId: string;
    readonly time: string;
    readonly data: string;
    readonly string: string | null;
    readonly json: unknown;
  };
}

let fixture: GraphqlFixture;
let socket: GraphqlSocket;
let streams = 0;
/** A connection that never begins, and what it was told in the end: the other tests run meanwhile. */
let silent: { readonly ws: WebSocket; readonly said: string[] };

beforeAll(async () => {
  fixture = await startGraphqlFixture({ READER_THREADS: '1' });
  silent = { ws: new WebSocket(`${fixture.gateway.ws}/graphql`, SUBPROTOCOL), said: [] };
  silent.ws.on('message', (data) => silent.said.push(data.toString()));
  silent.ws.on('close', (code, reason) => silent.said.push(`closed: ${code} ${reason}`));
  await once(silent.ws, 'open');
  // A ping is no beginning.
  silent.ws.send('{"type":"ping"}');
});

afterAll(() => fixture?.stop());

beforeEach(async () => {
  socket = await GraphqlSocket.open(fixture.gateway);
  return () => socket.close();
});

const freshSid = () => `stream-${streams++}`;
const metric = (name: string) => fixture.gateway.metric(name);

/** Stores entries in a stream of the default device. @returns their ids */
async function add(sid: string, ...payloads: (string | Buffer)[]): Promise<string[]> {
  const pipeline = fixture.redis.client.pipeline();
  for (const payload of payloads)
    pipeline.xadd(sid.includes(':') ? sid : `default:${sid}`, '*', 'd', payload);
  return (await pipeline.exec())!.map(([error, id]) => {
    if (error) throw error;
    return id as string;
  });
}

const follow = (
  sids: readonly string[],
  args = '',
  fields = 'streamId time string',
  from = socket,
): Operation<Entry> =>
  from.run<Entry>(`subscription ($sids: [String!]!) { data(streamIds: $sids ${args}) { ${fields} } }`, {
    sids,
  });

/** The text of each entry that comes next. */
const texts = async (operation: Operation<Entry>, count: number) =>
  (await operation.nextOf(count)).map(({ data }) => data.string);

/**
 * Resolves once a subscription from `$` on has begun: what is stored then is after its cursor.
 * Its fields must have `time`.
 */
async function isFollowing(operation: Operation<Entry>, sid: string): Promise<void> {
  for (;;) {
    const [id] = await add(sid, 'begin');
    await socket.ping();
    if (operation.pending === 0) continue;
    // Entries of earlier attempts may have been seen too.
    while ((await operation.next()).data.time !== id) {}
    return;
  }
}

describe('what is sent', () => {
  test('an entry in every form', async () => {
    const sid = freshSid();
    const payloads = [
      '{"a":[1.5]}',
      'text',
      '',
      Buffer.from([0xff]),
      'null',
      `${'['.repeat(9999)}${']'.repeat(9999)}`,
    ];
    const ids = await add(sid, ...payloads);
    const following = follow([sid], 'lastEntryId: "0"', 'streamId time data string json __typename');
    const expected: [string | null, unknown][] = [
      ['{"a":[1.5]}', { a: [1.5] }],
      ['text', null],
      ['', null],
      [null, null],
      ['null', null],
      [payloads[5] as string, null],
    ];
    expect(await following.nextOf(payloads.length)).toEqual(
      expected.map(([string, json], index) => ({
        data: {
          __typename: 'DataPayload',
          streamId: sid,
          time: ids[index],
          data: Buffer.from(payloads[index] as string).toString('base64'),
          string,
          json,
        },
      })),
    );
  });

  test('is the same text, whoever writes it', async () => {
    const sid = freshSid();
    await add(
      sid,
      '{"b":[1e3,1.0],"a":"é"}',
      Buffer.from([0xff]),
      `"${'é"'.repeat(40_000)}`,
      'x'.repeat(300),
      ' [] ',
    );
    const fields = 'json a: string time data streamId __typename';
    const selections = [`{ ${fields} }`, `{ ... { ${fields} } }`, `{ ${fields} time }`];
    const messages = new Map<string, string[]>();
    socket.ws.on('message', (data) => {
      const { id, payload } = JSON.parse(data.toString());
      if (payload === undefined) return;
      // What differs is the id alone, which comes first.
      const text = data.toString().replace(`"${id}"`, '""');
      messages.set(id, [...(messages.get(id) ?? []), text]);
    });
    const operations = selections.map((selection) =>
      socket.run<Entry>(`subscription { data(streamIds: ["${sid}"], lastEntryId: "0") ${selection} }`),
    );
    for (const operation of operations) await operation.nextOf(5);
    const [first, ...others] = operations.map(({ id }) => messages.get(id)!);
    expect(first).toHaveLength(5);
    for (const other of others) expect(other).toEqual(first);
  });

  test('many that keep up are each sent what they asked for', async () => {
    const sid = freshSid();
    const asked = ['streamId time string', 'time a: string', 'time json', 'time string: data', 'time string'];
    const own = await Promise.all(asked.map(() => GraphqlSocket.open(fixture.gateway)));
    const operations = asked.flatMap((fields, index) => [
      follow([sid], '', fields, own[index]),
      follow([`default:${sid}`], '', fields, own[index]),
    ]);
    await isFollowing(follow([sid], '', 'time'), sid);
    for (const operation of operations) await operation.next();
    const large = JSON.stringify('x'.repeat(100_000));
    const ids = await add(sid, '1', large, '2');
    for (const [index, operation] of operations.entries()) {
      const results: Record<string, unknown>[] = [];
      while (results.at(-1)?.time !== ids[2]) results.push((await operation.next()).data as never);
      const streamId = index % 2 === 0 ? sid : `default:${sid}`;
      const expected = ['1', large, '2'].map((string, at) => {
        const data = Buffer.from(string).toString('base64');
        return [
          { streamId, time: ids[at], string },
          { time: ids[at], a: string },
          { time: ids[at], json: JSON.parse(string) },
          { time: ids[at], string: data },
          { time: ids[at], string },
        ][Math.floor(index / 2)];
      });
      expect(results.slice(-3)).toEqual(expected);
    }
    for (const socket of own) await socket.close();
  });

  test('large entries in every form', async () => {
    const sid = freshSid();
    const json = { text: 'é'.repeat(2 * MIB), list: [[], {}] };
    const bytes = Buffer.alloc(5 * MIB, 0xfe);
    await add(sid, JSON.stringify(json), bytes, 'small');
    const following = follow([sid], 'lastEntryId: "0"', 'data string json');
    const [first, second, third] = await following.nextOf(3);
    expect(first!.data.json).toEqual(json);
    expect(first!.data.string).toBe(JSON.stringify(json));
    expect(Buffer.from(first!.data.data, 'base64').toString()).toBe(JSON.stringify(json));
    expect([second!.data.string, second!.data.json]).toEqual([null, null]);
    expect(Buffer.from(second!.data.data, 'base64').equals(bytes)).toBe(true);
    expect(third!.data).toEqual({ data: 'c21hbGw=', string: 'small', json: null });
  });

  test('the same form under many names, unless that is too much', async () => {
    const sid = freshSid();
    await add(sid, 'small', Buffer.alloc(2 * MIB, 'x'));
    const fields = Array.from({ length: 90 }, (_, index) => `a${index}: string`).join(' ');
    const following = follow([sid], 'lastEntryId: "0"', fields);
    expect(Object.keys((await following.next()).data)).toHaveLength(90);
    const event = await following.event();
    if (event.type !== 'next') throw new Error(JSON.stringify(event));
    expect(problemText(event.result.errors![0]!)).toMatch(/^payload_too_large: /);
    expect(await following.event()).toEqual({ type: 'complete' });
  });

  test('only what is asked for', async () => {
    const sid = freshSid();
    await add(sid, '{}', Buffer.alloc(MIB, 0xff));
    for (const fields of ['streamId', 'time', 'json', 'string @skip(if: false)', 'alias: data']) {
      const name = fields.replace(/^alias: data$/, 'alias').split(' ')[0]!;
      const [{ data }] = (await follow([sid], 'lastEntryId: "0"', fields).nextOf(1)) as [Entry];
      expect(Object.keys(data)).toEqual([name]);
    }
    const fragments = socket.run<Entry>(
      `subscription { data(streamIds: ["${sid}"], lastEntryId: "0") { ...F ... on DataPayload { time } } }
       fragment F on DataPayload { string json @include(if: false) }`,
    );
    expect(Object.keys((await fragments.next()).data)).toEqual(['string', 'time']);
  });

  test('entries of other writers, and of system streams', async () => {
    await fixture.redis.client.xadd('plain', '*', 'temperature', '21.5');
    const [id] = await add(':event:x', '{"a":1}');
    const following = follow(['plain'], 'lastEntryId: "0"', 'streamId json');
    expect(await following.next()).toEqual({ data: { streamId: 'plain', json: { temperature: '21.5' } } });
    const events = follow([':event:x'], 'lastEntryId: "0"', 'streamId time json');
    expect(await events.next()).toEqual({ data: { streamId: ':event:x', time: id, json: { a: 1 } } });
  });

  test("the events of a device's life", async () => {
    const events = follow([':event:device.connected', ':event:device.meta']);
    await isFollowing(events, ':event:device.meta');
    await fixture.data('mutation { connectDevice(id: "cam", meta: {a: []}) }');
    const seen = (await events.nextOf(2)).map(({ data }) => [data.streamId, JSON.parse(data.string!)]);
    expect(seen.sort()).toEqual([
      [':event:device.connected', { device_id: 'cam', connected: true, meta: { a: [] } }],
      [':event:device.meta', { device_id: 'cam', meta: { a: [] } }],
    ]);
  });
});

describe('from where on', () => {
  test('from now on, where nothing is said', async () => {
    const sid = freshSid();
    await add(sid, 'before');
    for (const args of ['', 'lastEntryId: "$"']) {
      const following = follow([sid], args);
      await isFollowing(following, sid);
      await add(sid, 'after');
      expect(await texts(following, 1)).toEqual(['after']);
    }
  });

  test.each(['0', '-', '0-0', '00'])('%s: from the beginning', async (lastEntryId) => {
    const sid = freshSid();
    await add(sid, 'a', 'b');
    expect(await texts(follow([sid], `lastEntryId: "${lastEntryId}"`), 2)).toEqual(['a', 'b']);
  });

  test('an id: after that entry', async () => {
    const sid = freshSid();
    for (const [id, text] of [
      ['1000-1', 'a'],
      ['1000-2', 'b'],
      ['1001-0', 'c'],
    ] as const) {
      await fixture.redis.client.xadd(`default:${sid}`, id, 'd', text);
    }
    expect(await texts(follow([sid], 'lastEntryId: "1000-1"'), 2)).toEqual(['b', 'c']);
    expect(await texts(follow([sid], 'lastEntryId: "1000"'), 3)).toEqual(['a', 'b', 'c']);
    expect(await texts(follow([sid], 'lastEntryId: "1001"'), 0)).toEqual([]);
  });

  test('one id for several streams', async () => {
    const [one, two] = [freshSid(), freshSid()];
    await add(one, 'a', 'b');
    await add(two, 'c', 'd');
    const following = follow([one, two], 'lastEntryId: "0"');
    const seen = (await following.nextOf(4)).map(({ data }) => [data.streamId, data.string]);
    expect(seen.filter(([sid]) => sid === one)).toEqual([
      [one, 'a'],
      [one, 'b'],
    ]);
    expect(seen.filter(([sid]) => sid === two)).toEqual([
      [two, 'c'],
      [two, 'd'],
    ]);
  });

  test.each([
    '',
    'x',
    '-1',
    '1-',
    '1-x',
    '1.5',
    '$ ',
    '+',
    '99999999999999999999',
    '1-18446744073709551616',
    '0x1',
  ])('%j is refused', async (lastEntryId) => {
    const operation = socket.run(
      'subscription ($id: String!) { data(streamIds: ["x"], lastEntryId: $id) { time } }',
      { id: lastEntryId },
    );
    const event = await operation.event();
    if (event.type !== 'next') throw new Error(JSON.stringify(event));
    expect(problemText(event.result.errors![0]!)).toMatch(/^bad_parameter: lastEntryId must be /);
    expect(await operation.event()).toEqual({ type: 'complete' });
  });

  test('a stream that does not exist yet', async () => {
    const sid = freshSid();
    const following = follow([sid]);
    await isFollowing(following, sid);
    await add(sid, 'first');
    expect(await texts(following, 1)).toEqual(['first']);
  });
});

describe('which streams', () => {
  test('a bare id, a whole key, a key of another device', async () => {
    const sid = freshSid();
    await add(sid, 'mine');
    await add(`cam:${sid}`, 'of cam');
    await add(`default:cam:${sid}x`, 'named as if of cam');
    const first = async (id: string, args = '') =>
      (await follow([id], `lastEntryId: "0" ${args}`).next()).data;
    expect(await first(sid)).toMatchObject({ streamId: sid, string: 'mine' });
    expect(await first(`default:${sid}`)).toMatchObject({ streamId: `default:${sid}`, string: 'mine' });
    expect(await first(`cam:${sid}`)).toMatchObject({ streamId: `cam:${sid}`, string: 'of cam' });
    expect(await first(sid, 'deviceId: "cam"')).toMatchObject({ streamId: sid, string: 'of cam' });
    expect(await first(`cam:${sid}x`)).toMatchObject({
      streamId: `cam:${sid}x`,
      string: 'named as if of cam',
    });
    expect(await first(sid, 'deviceId: null')).toMatchObject({ string: 'mine' });
    await add(`cam:default:${sid}`, 'a name like a key');
    expect(await first(`default:${sid}`, 'deviceId: "cam"')).toMatchObject({ string: 'a name like a key' });
  });

  test('the same stream under several names, each with every entry', async () => {
    const sid = freshSid();
    await add(sid, 'a', 'b');
    const following = follow([sid, `default:${sid}`], 'lastEntryId: "0"');
    const seen = (await following.nextOf(4)).map(({ data }) => `${data.streamId} ${data.string}`);
    expect(seen.sort()).toEqual([sid, `default:${sid}`].flatMap((id) => [`${id} a`, `${id} b`]).sort());
  });

  test.each<[string, string[], string, RegExp]>([
    ['no stream', [], '', /^bad_parameter: streamIds must name 1 to 1024 streams/],
    ['too many', Array.from({ length: 1025 }, (_, index) => `s${index}`), '', /^bad_parameter: streamIds /],
    ['an empty id', ['x', ''], '', /^bad_name: /],
    ['a bad id', ['a+b'], '', /^bad_name: /],
    ['a bad device', ['x'], 'deviceId: "a:b"', /^bad_name: the device id /],
    ['an empty device', ['x'], 'deviceId: ""', /^bad_name: the device id /],
  ])('%s is refused', async (_, sids, args, refusal) => {
    const event = await follow(sids, args).event();
    if (event.type !== 'next') throw new Error(JSON.stringify(event));
    expect(problemText(event.result.errors![0]!)).toMatch(refusal);
    expect(await metric('followed_streams')).toBeGreaterThanOrEqual(0);
  });

  test('a key of another type is refused', async () => {
    await fixture.redis.client.set('default:text', 'x');
    const refused = follow(['text']);
    const event = await refused.event();
    if (event.type !== 'next') throw new Error(JSON.stringify(event));
    expect(problemText(event.result.errors![0]!)).toMatch(/^wrong_type: the key exists and is not a stream$/);
    expect(await refused.event()).toEqual({ type: 'complete' });
  });

  test('a stream that becomes a key of another type ends, told so, and others go on', async () => {
    const [bad, good] = [freshSid(), freshSid()];
    const ending = follow([bad]);
    const going = follow([good]);
    await isFollowing(ending, bad);
    await isFollowing(going, good);
    await fixture.redis.client.set(`default:${bad}`, 'x');
    await add(good, 'still here');
    expect(await texts(going, 1)).toEqual(['still here']);
    const event = await ending.event();
    if (event.type !== 'next') throw new Error(JSON.stringify(event));
    expect(event.result.data).toBeNull();
    expect(problemText(event.result.errors![0]!)).toMatch(/^wrong_type: /);
    expect(await ending.event()).toEqual({ type: 'complete' });
  });

  test('a stream that is deleted and begins again goes on', async () => {
    const sid = freshSid();
    const following = follow([sid]);
    await isFollowing(following, sid);
    await fixture.redis.client.del(`default:${sid}`);
    await add(sid, 'again');
    expect(await texts(following, 1)).toEqual(['again']);
  });
});

describe('many on one connection', () => {
  test('each has its own, and what one does leaves the others', async () => {
    const sids = Array.from({ length: 20 }, freshSid);
    const following = sids.flatMap((sid) => [
      follow([sid], 'lastEntryId: "0"'),
      follow([sid], 'lastEntryId: "0"'),
    ]);
    for (const sid of sids) await add(sid, `1 of ${sid}`);
    for (const [index, operation] of following.entries()) {
      expect(await texts(operation, 1)).toEqual([`1 of ${sids[index >> 1]}`]);
    }
    for (const operation of following.filter((_, index) => index % 2 === 1)) operation.complete();
    await socket.ping();
    for (const sid of sids) await add(sid, `2 of ${sid}`);
    for (const [index, operation] of following.entries()) {
      if (index % 2 === 0) expect(await texts(operation, 1)).toEqual([`2 of ${sids[index >> 1]}`]);
    }
    await socket.ping();
    expect(following.filter((_, index) => index % 2 === 1).map(({ pending }) => pending)).toEqual(
      sids.map(() => 0),
    );
  });

  test('at most 100 at once', async () => {
    const sid = freshSid();
    await add(sid, 'x');
    const following = Array.from({ length: 100 }, () => follow([sid], 'lastEntryId: "0"'));
    for (const operation of following) await operation.next();
    const over = follow([sid], 'lastEntryId: "0"');
    expect(await over.event()).toEqual({
      type: 'error',
      errors: [{ message: 'a connection may have at most 100 operations at once' }],
    });
    following[0]!.complete();
    expect(await texts(follow([sid], 'lastEntryId: "0"'), 1)).toEqual(['x']);
  });

  test('queries and mutations go beside them', async () => {
    const sid = freshSid();
    const following = follow([sid], 'lastEntryId: "0"');
    const asked = socket.run<object>('mutation { updateStreamMeta(sid: "beside", meta: {a: 1}) }');
    expect(await asked.next()).toEqual({ updateStreamMeta: { meta_set: true } });
    expect(await asked.event()).toEqual({ type: 'complete' });
    await add(sid, 'x');
    expect(await texts(following, 1)).toEqual(['x']);
  });
});

describe('what is let go', () => {
  test('by complete', async () => {
    const sids = [freshSid(), freshSid()];
    const following = follow(sids);
    await isFollowing(following, sids[1]!);
    following.complete();
    await socket.ping();
    // Nothing comes after it.
    await add(sids[0]!, 'late');
    await socket.ping();
    expect(following.pending).toBe(0);
  });

  test('by whatever ends its connection', async () => {
    const endings: (readonly [code: number, end: (own: GraphqlSocket) => void])[] = [
      [1005, (own) => own.ws.close()],
      [1006, (own) => own.ws.terminate()],
      [4400, (own) => own.send('no JSON')],
    ];
    for (const [code, end] of endings) {
      const own = await GraphqlSocket.open(fixture.gateway);
      const sid = freshSid();
      await add(sid, 'x');
      for (let count = 0; count < 5; count++) await follow([sid], 'lastEntryId: "0"', 'time', own).next();
      end(own);
      expect(await own.closed).toMatchObject({ code });
    }
    // And by an end that comes before they have begun.
    for (let round = 0; round < 20; round++) {
      const own = await GraphqlSocket.open(fixture.gateway);
      follow([`early-${round}`], '', 'time', own);
      if (round % 2 === 0) follow([`early-${round}`], 'lastEntryId: "0"', 'time', own).complete();
      own.ws.close();
      await own.closed;
    }
  });

  // Results of the first are written here, of the other by the library.
  test.each(['{ data }', '{ ... { data } }'])(
    'though its id is used again while it waits for a slow reader: %s',
    async (fields) => {
      const own = await GraphqlSocket.open(fixture.gateway);
      const sid = freshSid();
      await add(sid, ...Array.from({ length: 40 }, () => Buffer.alloc(MIB)));
      const document = `subscription { data(streamIds: ["${sid}"], lastEntryId: "0") ${fields} }`;
      const begun = () => metric('graphql_operations_total{type="subscription"}');
      own.pause();
      for (let round = 0; round < 5; round++) {
        const [before, entries] = [await begun(), await metric('entries_out_total')];
        own.run(document, {}, 'same');
        await expect.poll(begun, WAIT).toBeGreaterThan(before);
        // Later ones find no room.
        if (round === 0) await expect.poll(() => metric('entries_out_total'), WAIT).toBeGreaterThan(entries);
        own.send({ type: 'complete', id: 'same' });
      }
      own.run(document, {}, 'same');
      own.resume();
      await own.ping();
      own.ws.terminate();
      await own.closed;
      await fixture.redis.client.del(`default:${sid}`);
    },
  );

  test('so that nothing is followed any more', async () => {
    await expect.poll(() => metric('followed_streams'), WAIT).toBe(0);
  });

  test('by the end of the gateway, which clients are told of', async () => {
    const other = await startGraphqlFixture();
    onTestFinished(() => other.stop());
    const own = await GraphqlSocket.open(other.gateway);
    const following = follow(['x'], 'lastEntryId: "0"', 'time', own);
    await other.redis.client.xadd('default:x', '*', 'd', '1');
    await following.next();
    const stopped = other.gateway.stop();
    expect(await own.closed).toEqual({ code: 1001, reason: 'the gateway is going down' });
    expect(await stopped).toBe(0);
  });
});

test('latest: the newest only, never one older than one sent', async () => {
  const sid = freshSid();
  await add(sid, ...Array.from({ length: 500 }, (_, index) => `${index}`));
  const following = follow([sid], 'latest: true, lastEntryId: "0"');
  expect(await texts(following, 1)).toEqual(['499']);
  const numbers = [499];
  for (let round = 0; round < 20; round++) {
    await add(sid, ...Array.from({ length: 50 }, (_, index) => `${500 + 50 * round + index}`));
  }
  while (numbers.at(-1) !== 1499) numbers.push(Number((await texts(following, 1))[0]));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
});

test('latest, for one who does not read: what came between is skipped', async () => {
  const sid = freshSid();
  const frame = (index: number) => Buffer.from(`${String(index).padStart(6, '0')}${'x'.repeat(MIB)}`);
  const following = follow([sid], 'latest: true', 'time string');
  await isFollowing(following, sid);
  const read = await metric('entries_read_total');
  socket.pause();
  for (let index = 0; index < 60; index++) await add(sid, frame(index));
  await expect.poll(() => metric('entries_read_total'), WAIT).toBe(read + 60);
  socket.resume();
  const seen: number[] = [];
  while (seen.at(-1) !== 59) seen.push(Number((await texts(following, 1))[0]!.slice(0, 6)));
  expect(seen.length).toBeLessThan(40);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
});

test('100 subscribers to 10 streams get everything, and each entry is read once', async () => {
  const sids = Array.from({ length: 10 }, freshSid);
  const sockets = await Promise.all(Array.from({ length: 10 }, () => GraphqlSocket.open(fixture.gateway)));
  const ROUNDS = 50;
  // Each socket has a subscriber of each stream.
  const following = sockets.map((own) => sids.map((sid) => follow([sid], 'lastEntryId: "0"', 'string', own)));
  for (const sid of sids) await add(sid, 'begin');
  for (const each of following.flat()) expect(await texts(each, 1)).toEqual(['begin']);

  const read = await metric('entries_read_total');
  const { calls } = await costOf(fixture.redis.client, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      for (const sid of sids) await add(sid, `${round}`);
    }
    const expected = Array.from({ length: ROUNDS }, (_, round) => `${round}`);
    for (const each of following.flat()) expect(await texts(each, ROUNDS)).toEqual(expected);
  });
  expect((await metric('entries_read_total')) - read).toBe(sids.length * ROUNDS);
  // One blocked read for all, woken at most once an entry; and nobody reads for himself.
  expect(calls.xread).toBeLessThanOrEqual(sids.length * ROUNDS + 2);
  expect(calls).not.toHaveProperty('xrange');
  await Promise.all(sockets.map((own) => own.close()));
});

describe('a client that does not read', () => {
  test('costs next to nothing, and misses nothing', { timeout: 60_000 }, async () => {
    const sid = freshSid();
    const ENTRIES = 300;
    const frame = (index: number) => Buffer.from(`${String(index).padStart(6, '0')}${'x'.repeat(512 * KIB)}`);
    const fill = async (from: number, to: number) => {
      for (let index = from; index < to; index++) await add(sid, frame(index));
    };
    const following = follow([sid], 'lastEntryId: "0"', 'string');
    const numbers = async (count: number) =>
      (await texts(following, count)).map((text) => Number(text!.slice(0, 6)));
    // As much as it takes when everyone keeps up.
    await fill(0, 100);
    expect(await numbers(100)).toHaveLength(100);
    const usual = await fixture.gateway.residentBytes();
    const read = await metric('entries_read_total');

    socket.pause();
    await fill(100, ENTRIES);
    await expect.poll(() => metric('entries_read_total'), WAIT).toBe(read + ENTRIES - 100);
    const slow = await fixture.gateway.residentBytes();
    expect(slow - usual).toBeLessThan(80 * MIB);
    expect(following.pending).toBe(0);

    socket.resume();
    expect(await numbers(ENTRIES - 100)).toEqual(
      Array.from({ length: ENTRIES - 100 }, (_, index) => 100 + index),
    );
    await fixture.redis.client.del(`default:${sid}`);
  });

  test('does not hold up the others of its stream', async () => {
    const sid = freshSid();
    const slow = await GraphqlSocket.open(fixture.gateway);
    follow([sid], 'lastEntryId: "0"', 'data', slow);
    const fast = follow([sid], 'lastEntryId: "0"', 'time');
    slow.pause();
    const ids: string[] = [];
    for (let index = 0; index < 60; index++) ids.push(...(await add(sid, Buffer.alloc(512 * KIB))));
    expect((await fast.nextOf(60)).map(({ data }) => data.time)).toEqual(ids);
    slow.ws.terminate();
    await fixture.redis.client.del(`default:${sid}`);
  });

  test.each<[string, () => object]>([
    ['pings', () => ({ type: 'ping', payload: { filler: 'x'.repeat(100 * KIB) } })],
    [
      'queries',
      (() => {
        let ids = 0;
        const query = `{ __typename ${Array.from({ length: 90 }, (_, index) => `a${index}: __typename`).join(' ')} }`;
        return () => ({ type: 'subscribe', id: `${'x'.repeat(100 * KIB)}${ids++}`, payload: { query } });
      })(),
    ],
  ])('and goes on to send %s is closed', { timeout: 60_000 }, async (_, message) => {
    const own = await GraphqlSocket.open(fixture.gateway);
    const usual = await fixture.gateway.residentBytes();
    own.pause();
    let isClosed = false;
    own.ws.once('error', () => {
      isClosed = true;
    });
    void own.closed.then(() => {
      isClosed = true;
    });
    let peak = usual;
    for (let sent = 0; sent < 2000 && !isClosed; sent++) {
      // Resolves once the system has taken it: what the gateway does not read waits here.
      await new Promise<void>((resolve) => own.ws.send(JSON.stringify(message()), () => resolve()));
      if (sent % 50 === 0) peak = Math.max(peak, await fixture.gateway.residentBytes());
    }
    expect(peak - usual).toBeLessThan(120 * MIB);
    own.resume();
    const { code, reason } = await own.closed;
    // What waits before the close frame may be lost with the connection.
    if (code !== 1006) expect([code, reason]).toEqual([1013, 'too many answers wait to be read']);
  });
});

describe('a Redis that is killed', () => {
  let other: GraphqlFixture;

  beforeAll(async () => {
    other = await startGraphqlFixture({}, ['--appendonly', 'yes', '--appendfsync', 'always']);
  });

  afterAll(() => other?.stop());

  test('and comes back: the subscription goes on, without a gap or a double', async () => {
    const own = await GraphqlSocket.open(other.gateway);
    const following = follow(['x', 'y'], 'lastEntryId: "0"', 'streamId string', own);
    const store = (sid: string, text: string) => other.redis.client.xadd(`default:${sid}`, '*', 'd', text);
    const expected: Record<string, string[]> = { x: ['first'], y: [] };
    await store('x', 'first');
    // Until it is there it would be refused rather than go on.
    const results = [await following.next()];
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 50; index++) {
        for (const sid of ['x', 'y']) {
          expected[sid]!.push(`${round} ${index}`);
          await store(sid, `${round} ${index}`);
        }
      }
      const exit = once(other.redis.process, 'exit');
      other.redis.process.kill('SIGKILL');
      await exit;
      await other.redis.restart();
    }
    for (const sid of ['x', 'y']) {
      expected[sid]!.push('last');
      await store(sid, 'last');
    }
    const seen: Record<string, (string | null)[]> = { x: [], y: [] };
    results.push(...(await following.nextOf(302)));
    for (const { data } of results) seen[data.streamId]!.push(data.string);
    expect(seen).toEqual(expected);
    await own.close();
  });

  test('a new subscription meanwhile is refused, and one later is not', async () => {
    const exit = once(other.redis.process, 'exit');
    other.redis.process.kill('SIGKILL');
    await exit;
    const own = await GraphqlSocket.open(other.gateway);
    const readiness = async () => (await fetch(`${other.gateway.http}/readyz`)).status;
    await expect.poll(readiness, WAIT).toBe(503);
    const refused = await follow(['x'], 'lastEntryId: "0"', 'time', own).event();
    expect(refused).toMatchObject({
      type: 'next',
      result: { errors: [{ message: 'Redis cannot be reached', extensions: { code: 'redis_unavailable' } }] },
    });
    await other.redis.restart();
    await expect.poll(readiness, WAIT).toBe(200);
    await follow(['x'], 'lastEntryId: "0"', 'time', own).next();
    await own.close();
  });
});

test('who does not begin within ten seconds is closed', async () => {
  if (silent.ws.readyState !== WebSocket.CLOSED) await once(silent.ws, 'close');
  expect(silent.said).toEqual(['{"type":"pong"}', 'closed: 4408 Connection initialisation timeout']);
});
