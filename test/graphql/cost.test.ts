/** What queries cost Redis: a fixed number of commands for any number of streams, and no more bytes than asked for. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../support/free-port.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { askGraphql, type GraphqlFixture, problemText, startGraphqlFixture } from '../support/graphql.js';
import { costOf } from '../support/redis-cost.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const MIB = 1024 * 1024;

let fixture: GraphqlFixture;

beforeAll(async () => {
  // One worker: the next one's connection would be among what is counted.
  fixture = await startGraphqlFixture({ POOL_THREADS: '1' });
});

afterAll(() => fixture?.stop());

beforeEach(() => fixture.redis.client.flushdb());

const cost = (document: string) => costOf(fixture.redis.client, () => fixture.data(document));

/** Devices with streams that have an entry and metadata each. */
async function fill(devices: number, streams: number): Promise<void> {
  const pipeline = fixture.redis.client.pipeline();
  for (let device = 0; device < devices; device++) {
    pipeline.sadd(':devices:connected', `device-${device}`);
    pipeline.set(`:devices:meta:device-${device}`, '{"a":1}');
    for (let stream = 0; stream < streams; stream++) {
      const key = `device-${device}:stream-${stream}`;
      pipeline.xadd(key, '*', 'd', '{"a":1}');
      pipeline.set(`:stream:meta:${key}`, '{"a":1}');
    }
  }
  await pipeline.exec();
}

/** Calls that a listing may make, where it lists so many keys out of so many. */
const steps = (keys: number) => Math.ceil(keys / 1000);
const scripts = (streams: number) => Math.ceil(streams / 100);

describe.each([
  [5, 20],
  [50, 20],
])('a listing of %i devices × %i streams', (devices, streams) => {
  const count = devices * streams;
  const keys = 2 * count + devices + 1;

  beforeEach(() => fill(devices, streams));

  test('with what the script tells and metadata', async () => {
    const { calls } = await cost(
      '{ devices { id meta streams { id length firstEntryId lastEntryTime meta error } } }',
    );
    // XINFO runs within the script.
    expect(calls).toEqual({
      smembers: 1,
      scan: expect.any(Number),
      mget: 1 + scripts(count),
      eval: scripts(count),
      'xinfo|stream': count,
    });
    // Two walks, each of a step more at most than the keys need.
    expect(calls.scan).toBeLessThanOrEqual(2 * (steps(keys) + 1));
  });

  test('with entries', async () => {
    const { calls } = await cost('{ devices { streams { lastEntryString } } }');
    expect(calls).toEqual({ smembers: 1, scan: expect.any(Number), xrevrange: count });
    const all = await cost('{ devices { streams { length lastEntryString } } }');
    expect(all.calls).toEqual({ smembers: 1, scan: expect.any(Number), 'xinfo|stream': count });
  });

  test('with lengths', async () => {
    const { calls } = await cost('{ devices { streams { id length } } }');
    expect(calls).toEqual({ smembers: 1, scan: expect.any(Number), xlen: count });
  });

  test('with ids alone', async () => {
    const { calls } = await cost('{ devices { streamIds sids streams { id __typename } } }');
    expect(calls).toEqual({ smembers: 1, scan: expect.any(Number) });
    expect(calls.scan).toBeLessThanOrEqual(2 * (steps(keys) + 1));
  });

  test('of all streams at once', async () => {
    const { calls } = await cost('{ streams { id lastEntryId meta } }');
    expect(calls).toEqual({
      scan: expect.any(Number),
      mget: scripts(count),
      eval: scripts(count),
      xlen: count,
      xrevrange: count,
    });
  });

  test('asked for in several ways is listed once', async () => {
    const { calls } = await cost(`{
      a: streams { id } b: streams { id } c: streamIds d: streamIds(searchMeta: true) device { streamIds }
      devices { streamIds }
    }`);
    expect(calls).toEqual({ smembers: 1, scan: expect.any(Number) });
    expect(calls.scan).toBeLessThanOrEqual(2 * (steps(keys) + 1));
  });
});

test('streams by name, however they are nested, go together', async () => {
  await fill(10, 10);
  const fields = 'id lastEntryId meta';
  const { calls } = await cost(`{
    ${Array.from({ length: 30 }, (_, index) => `s${index}: stream(id: "device-1:stream-${index % 10}") { ${fields} }`).join(' ')}
    ${Array.from({ length: 10 }, (_, index) => `d${index}: device(id: "device-${index}") { stream(streamId: "stream-1") { ${fields} } meta }`).join(' ')}
  }`);
  // Once for each level of the document, or twice where what came before it is answered in two pieces.
  expect(calls.eval).toBeLessThanOrEqual(4);
  expect(calls.mget).toBeLessThanOrEqual(6);
  expect(calls.xrevrange).toBeLessThanOrEqual(21);
});

test('what is not asked for is not moved', async () => {
  const frame = Buffer.alloc(MIB, 'x');
  for (let stream = 0; stream < 10; stream++) {
    await fixture.redis.client.xadd(`cam:${stream}`, '*', 'd', frame);
    await fixture.redis.client.xadd(`cam:${stream}`, '*', 'd', frame);
  }
  await fixture.data('mutation { connectDevice(id: "cam") }');
  for (const fields of [
    'id',
    'length',
    'firstEntryId firstEntryTime lastEntryId lastEntryTime entriesAdded error meta',
    'id lastEntryData @include(if: false)',
    'id ... @skip(if: true) { lastEntryJson }',
  ]) {
    const documents = [
      `{ streams { ${fields} } }`,
      `{ streams(ids: ["cam:1", "cam:2"]) { ${fields} } }`,
      `{ stream(id: "cam:1") { ${fields} } }`,
      `{ devices { streams { ${fields} } } }`,
      `{ device(id: "cam") { stream(streamId: "1") { ${fields} } } }`,
    ];
    for (const document of documents) expect((await cost(document)).bytes).toBeLessThan(50_000);
  }
  // One who asks for one stream's data does not move the others'.
  const one = await cost('{ streams { lastEntryId } stream(id: "cam:1") { lastEntryData } }');
  expect(one.bytes).toBeGreaterThan(MIB);
  expect(one.bytes).toBeLessThan(MIB + 50_000);
});

test('the newest entry of a stream that is known to be small comes with what its name means', async () => {
  const { client } = fixture.redis;
  await client.xadd('default:small', '*', 'd', '[1]');
  const document = '{ stream(id: "small") { lastEntryJson } }';
  await fixture.data(document);
  const { calls } = await cost(document);
  // Of what the name may mean.
  expect(calls).toEqual({ type: 1, exists: 1, xrevrange: 2 });
  // What it means has changed.
  await client.xadd('small', '*', 'd', '[2]');
  expect(await fixture.data(document)).toEqual({ stream: { lastEntryJson: [2] } });
});

test('only the forms that are asked for are answered', async () => {
  await fixture.redis.client.xadd('cam:1', '*', 'd', Buffer.alloc(MIB, '"'));
  const answerBytes = async (fields: string) =>
    JSON.stringify(await fixture.data(`{ stream(id: "cam:1") { ${fields} } }`)).length;
  expect(await answerBytes('lastEntryJson')).toBeLessThan(100);
  expect(await answerBytes('lastEntryData')).toBeLessThan(1.4 * MIB);
});

describe('a document that asks for more than anybody can read', () => {
  const REFUSAL =
    'payload_too_large: the answer would have more than 64 MiB of entries, metadata and ids: ask for fewer at once';

  test('of many streams is refused, and costs little', async () => {
    const pipeline = fixture.redis.client.pipeline();
    for (let stream = 0; stream < 60; stream++)
      pipeline.xadd(`cam:${stream}`, '*', 'd', Buffer.alloc(4 * MIB, 'x'));
    await pipeline.exec();
    const usual = await fixture.gateway.residentBytes();
    const asking = fixture.refusal(
      '{ streams { firstEntryData firstEntryString lastEntryData lastEntryString } }',
    );
    expect(await asking).toBe(REFUSAL);
    expect((await fixture.gateway.residentBytes()) - usual).toBeLessThan(400 * MIB);
    const { streams } = await fixture.data('{ streams(match: "cam:1*") { lastEntryString } }');
    expect(streams).toHaveLength(11);
  });

  test('of one stream again and again is refused', async () => {
    await fixture.redis.client.xadd('cam:1', '*', 'd', Buffer.alloc(MIB, 'x'));
    const aliases = (count: number) =>
      `{ ${Array.from({ length: count }, (_, index) => `a${index}: stream(id: "cam:1") { lastEntryString }`).join(' ')} }`;
    expect(Object.keys(await fixture.data(aliases(60)))).toHaveLength(60);
    const { data, errors } = await fixture.ask(aliases(90));
    expect(data).toBeNull();
    expect(problemText(errors![0]!)).toBe(REFUSAL);
  });

  test('of one field again and again is refused', async () => {
    await fixture.redis.client.xadd('cam:1', '*', 'd', Buffer.alloc(MIB, 'x'));
    const fields = Array.from({ length: 90 }, (_, index) => `a${index}: lastEntryString`).join(' ');
    expect(await fixture.refusal(`{ stream(id: "cam:1") { ${fields} } }`)).toBe(REFUSAL);
  });
});

describe('a Redis that runs no scripts for the gateway', () => {
  let redis: TestRedis;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    const port = await freePort();
    // A Unix socket's address has no place for a user.
    redis = await startRedis('--port', String(port));
    await redis.client.call('ACL', 'SETUSER', 'plain', 'on', '>pw', '~*', '&*', '+@all', '-@scripting');
    gateway = await startGatewayProcess({
      REDIS_URL: `redis://plain:pw@127.0.0.1:${port}`,
      POOL_THREADS: '2',
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await redis?.stop();
  });

  test('is asked in another way, and the log says so once', async () => {
    for (const { client } of [redis, fixture.redis]) await client.xadd('default:s', '5-0', 'd', 'x');
    const document =
      '{ stream(id: "s") { length firstEntryId lastEntryTime error } none: stream(id: "n") { lastEntryId error } }';
    const expected = await fixture.data(document);
    expect(expected.stream.lastEntryTime).toBe('1970-01-01T00:00:00.005Z');
    // Often enough that each worker has met the refusal.
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => askGraphql(gateway, document)));
      for (const answer of answers) expect(answer).toEqual({ data: expected });
    }
    const told = gateway.log.filter(({ msg }) => String(msg).startsWith('Redis does not allow scripts'));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ level: 40 });
  });

  test('says of what needs one that it is refused', async () => {
    const { errors } = await askGraphql(gateway, 'mutation { connectDevice(id: "cam") }');
    expect(errors![0]).toMatchObject({
      message: expect.stringMatching(/^Redis refused: NOPERM /),
      extensions: { code: 'redis_denied' },
    });
  });
});
