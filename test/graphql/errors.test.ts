/** What a client is told when something fails, and what the log is told. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type FakeRedis, politely, startFakeRedis } from '../support/fake-redis.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { askGraphql, type GraphqlFixture, startGraphqlFixture } from '../support/graphql.js';
import { GraphqlSocket } from '../support/graphql-socket.js';

const WAIT = { timeout: 15_000 };

/** A Redis that hangs, and what was told of it: begun first, since it takes as long as a client may wait. */
let hanging: GraphqlFixture;
let refusals: Promise<string[]>;

beforeAll(async () => {
  hanging = await startGraphqlFixture();
  hanging.redis.process.kill('SIGSTOP');
  const documents = ['{ devices { id } }', '{ streamIds }', 'mutation { disconnectDevice(id: "x") }'];
  refusals = Promise.all(documents.map((document) => hanging.refusal(document)));
});

afterAll(() => hanging?.stop());

/** An error as a log record has it. */
interface ToldError {
  readonly stack: string;
  readonly cause?: ToldError;
}

describe('what nobody has foreseen', () => {
  let fake: FakeRedis;
  let gateway: GatewayProcess;

  /** A Redis that answers some commands with what no Redis would. */
  const oddly: Answer = (command, client) => {
    const name = command[0]!.toUpperCase();
    if (name === 'SMEMBERS') return ':5\r\n';
    if (name === 'TYPE') return '+stream\r\n';
    if (name === 'EXISTS') return ':0\r\n';
    if (name === 'XINFO' || name === 'MGET') return '+secret of the gateway\r\n';
    if (name === 'EVAL' || name === 'EVALSHA') return ':7\r\n';
    if (name === 'INFO') return '$0\r\n\r\n';
    return politely(command, client);
  };

  beforeAll(async () => {
    fake = await startFakeRedis(oddly);
    gateway = await startGatewayProcess({ REDIS_URL: `unix://${fake.target.path}` });
  });

  afterAll(async () => {
    await gateway?.stop();
    await fake?.close();
  });

  test.each([
    ['on the main thread', '{ devices { id } }', /sort is not a function/],
    ['in the pool', '{ stream(id: "x") { meta } }', /Redis sent a reply of type/],
    ['in the pool, of a reply', '{ stream(id: "x") { lastEntryString } }', /Redis sent a reply of type/],
  ])('%s is told by an id alone, under which the log has it', async (_, document, cause) => {
    const { data, errors } = await askGraphql(gateway, document);
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
    const { message, extensions, path } = errors![0]!;
    expect(path).toHaveLength(1);
    expect(extensions).toEqual({ code: 'internal', id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(message).toBe(`the gateway failed to answer this field (error ${extensions!.id})`);
    const record = await expect
      .poll(() => gateway.log.find(({ id }) => id === extensions!.id))
      .toBeDefined()
      .then(() => gateway.log.find(({ id }) => id === extensions!.id)!);
    expect(record).toMatchObject({ msg: 'a GraphQL field failed', level: 50 });
    // What went wrong, and where.
    expect(JSON.stringify(record.err)).toMatch(cause);
    let told = record.err as ToldError;
    while (told.cause !== undefined) told = told.cause;
    expect(told.stack).toMatch(/\n +at .*\.js:\d+/);
  });

  // Where a stream ends is asked over the control connection, which is not ready with such a server.
  test('a subscription is told that Redis cannot be used', async () => {
    const socket = await GraphqlSocket.open(gateway);
    const following = socket.run('subscription { data(streamIds: ["x"]) { time } }');
    const event = await following.event();
    expect(event).toMatchObject({
      type: 'next',
      result: { errors: [{ extensions: { code: 'redis_unavailable' } }] },
    });
    await expect(following.event()).resolves.toEqual({ type: 'complete' });
    await socket.close();
  });
});

describe('a document that is wrong', () => {
  let fixture: GraphqlFixture;

  beforeAll(async () => {
    fixture = await startGraphqlFixture();
  });

  afterAll(() => fixture?.stop());

  test.each([
    ['{', /Syntax Error: Expected Name, found <EOF>/],
    ['', /Syntax Error: Unexpected <EOF>/],
    ['{ nothing }', /Cannot query field "nothing" on type "Query"/],
    ['{ stream { id } }', /argument "id" of type "String!" is required/],
    ['{ stream(id: 5) { id } }', /String cannot represent a non string value: 5/],
    ['{ streams }', /must have a selection of subfields/],
    [
      'query ($x: String!) { stream(id: $x) { id } }',
      /Variable "\$x" of required type "String!" was not provided/,
    ],
    ['query A { streamIds } query B { streamIds }', /operation/],
  ])('%s', async (document, message) => {
    const response = await fetch(`${fixture.gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query: document }),
    });
    const { data, errors } = (await response.json()) as { data?: unknown; errors: { message: string }[] };
    expect(data).toBeUndefined();
    expect(errors.map((error) => error.message).join('\n')).toMatch(message);
    expect(response.status).toBe(400);
  });
});

describe('Redis goes away and comes back', () => {
  let fixture: GraphqlFixture;

  beforeAll(async () => {
    fixture = await startGraphqlFixture({}, ['--appendonly', 'yes', '--appendfsync', 'always']);
  });

  afterAll(() => fixture?.stop());

  const readiness = async () => (await fetch(`${fixture.gateway.http}/readyz`)).status;

  const DOCUMENTS = [
    '{ devices { id } }',
    '{ device { meta } }',
    '{ device { streamIds } }',
    '{ streamIds }',
    '{ streams { id } }',
    '{ stream(id: "x") { length } }',
    '{ streams(ids: ["x"]) { lastEntryString } }',
    'mutation { connectDevice(id: "cam") }',
    'mutation { disconnectDevice(id: "cam") }',
    'mutation { updateDeviceMeta(id: "cam", meta: {}) }',
    'mutation { updateStreamMeta(sid: "x", meta: {}) }',
    'mutation { updateStreamMeta(sid: "x", meta: {}, update: true) }',
    'mutation { deleteStream(streamId: "x") }',
  ];

  test('each field says so at once, and answers again', async () => {
    await fixture.redis.client.xadd('default:x', '*', 'd', 'kept');
    const exit = once(fixture.redis.process, 'exit');
    fixture.redis.process.kill('SIGKILL');
    await exit;
    await expect.poll(readiness, WAIT).toBe(503);
    const began = Date.now();
    await Promise.all(
      DOCUMENTS.map(async (document) => {
        expect(await fixture.refusal(document)).toBe('redis_unavailable: Redis cannot be reached');
      }),
    );
    // Far below any timeout: nobody waited for Redis.
    expect(Date.now() - began).toBeLessThan(3000);

    await fixture.redis.restart();
    await expect.poll(readiness, WAIT).toBe(200);
    expect(await fixture.data('{ stream(id: "x") { lastEntryString } }')).toEqual({
      stream: { lastEntryString: 'kept' },
    });
    for (const document of DOCUMENTS) await fixture.data(document);
  });

  test('while it loads, or is a replica, its own words are told', async () => {
    await fixture.redis.client.call('REPLICAOF', '127.0.0.1', '1');
    try {
      expect(await fixture.refusal('mutation { connectDevice(id: "cam") }')).toMatch(
        /^redis_read_only: Redis refused: READONLY /,
      );
    } finally {
      await fixture.redis.client.call('REPLICAOF', 'NO', 'ONE');
    }
    await fixture.redis.client.config('SET', 'maxmemory', '1');
    try {
      expect(await fixture.refusal('mutation { updateStreamMeta(sid: "x", meta: {}) }')).toMatch(
        /^redis_out_of_memory: Redis refused: OOM /,
      );
    } finally {
      await fixture.redis.client.config('SET', 'maxmemory', '0');
    }
  });
});

test('a Redis that hangs is not waited for without end', async () => {
  expect(await refusals).toEqual(Array(3).fill('redis_unavailable: Redis cannot be reached'));
  hanging.redis.process.kill('SIGCONT');
  await expect.poll(() => hanging.ask('{ devices { id } }'), WAIT).toEqual({ data: { devices: [] } });
});
