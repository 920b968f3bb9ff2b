/** GraphQL as server-sent events: for networks that let no WebSocket through. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EventStream } from '../../../support/event-stream.js';
import { type GraphqlFixture, problemText, startGraphqlFixture } from '../../../support/graphql.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const WAIT = { timeout: 10_000 };

interface Entry {
  readonly data: { readonly streamId: string; readonly time: string; readonly string: string };
}

let fixture: GraphqlFixture;
let streams = 0;

beforeAll(async () => {
  fixture = await startGraphqlFixture();
});

afterAll(() => fixture?.stop());

const freshSid = () => `stream-${streams++}`;
const add = async (sid: string, payload: string | Buffer) =>
  (await fixture.redis.client.xadd(`default:${sid}`, '*', 'd', payload))!;
const open = <T = Entry>(query: string, options?: Parameters<typeof EventStream.open>[2]) =>
  EventStream.open<T>(fixture.gateway, query, options);
const follow = (sid: string, fields = 'streamId time string') =>
  open(`subscription { data(streamIds: ["${sid}"], lastEntryId: "0") { ${fields} } }`);
const none = () => expect.poll(() => fixture.gateway.metric('followed_streams'), WAIT).toBe(0);

describe('what ends by itself', () => {
  test.each(['GET', 'POST'] as const)('a query by %s', async (method) => {
    const stream = await open('query ($id: String!) { stream(id: $id) { id } }', {
      method,
      variables: { id: 'é漢' },
    });
    expect(stream.response.statusCode).toBe(200);
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
    });
    expect(await stream.rest()).toEqual([
      { event: 'next', data: { data: { stream: { id: 'é漢' } } } },
      { event: 'complete', data: undefined },
    ]);
  });

  test('a mutation by POST', async () => {
    const stream = await open('mutation { updateStreamMeta(sid: "x", meta: {a: 1}) }');
    expect(await stream.rest()).toEqual([
      { event: 'next', data: { data: { updateStreamMeta: { meta_set: true } } } },
      { event: 'complete', data: undefined },
    ]);
  });

  test('a large answer', async () => {
    const payload = 'é'.repeat(4 * MIB);
    await add('large', payload);
    const stream = await open<{ stream: object }>('{ stream(id: "large") { lastEntryString } }');
    expect(await stream.rest()).toEqual([
      { event: 'next', data: { data: { stream: { lastEntryString: payload } } } },
      { event: 'complete', data: undefined },
    ]);
    await fixture.redis.client.del('default:large');
  });

  test('a field that fails', async () => {
    const [next, complete] = await (await open('{ devices(ids: ["a:b"]) { id } }')).rest();
    expect(problemText(next!.data!.errors![0]!)).toMatch(/^bad_name: /);
    expect(complete).toEqual({ event: 'complete', data: undefined });
  });

  test('a subscription that is refused', async () => {
    const [next, complete] = await (await open('subscription { data(streamIds: []) { time } }')).rest();
    expect(problemText(next!.data!.errors![0]!)).toMatch(/^bad_parameter: streamIds /);
    expect(complete!.event).toBe('complete');
  });

  test.each([
    ['{', /Syntax Error/],
    ['{ nothing }', /Cannot query field/],
    ['', /Syntax Error/],
  ])('the document %j is a bad request', async (document, message) => {
    const stream = await open(document);
    expect(stream.response.statusCode).toBe(400);
    expect(JSON.parse(await stream.text()).errors[0].message).toMatch(message);
  });

  test.each(['{', '[]', '{}', '{"query": 1}'])('the body %j is a bad request', async (body) => {
    const response = await fetch(`${fixture.gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body,
    });
    expect([response.status, await response.json()]).toEqual([
      400,
      { code: 'bad_body', error: expect.any(String) },
    ]);
  });

  test('a body of another type is 415', async () => {
    const response = await fetch(`${fixture.gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', accept: 'text/event-stream' },
      body: '{"query": "{ __typename }"}',
    });
    expect(response.status).toBe(415);
  });
});

describe('who is answered so', () => {
  const SUBSCRIPTION = 'subscription { data(streamIds: []) { time } }';
  const URQL =
    'application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed';

  test.each<[document: string, accept: string, isEvents: boolean]>([
    ['{ __typename }', 'text/event-stream', true],
    ['{ __typename }', 'text/event-stream, application/json', true],
    ['{ __typename }', 'TEXT/Event-Stream;q=0.9', true],
    ['{ __typename }', 'application/json, text/event-stream', false],
    ['{ __typename }', URQL, false],
    ['{ __typename }', '*/*', false],
    [SUBSCRIPTION, 'text/event-stream', true],
    [SUBSCRIPTION, 'text/event-stream, multipart/mixed', true],
    [SUBSCRIPTION, URQL, true],
    [SUBSCRIPTION, 'application/json, text/event-stream', true],
    [SUBSCRIPTION, 'application/json', false],
  ])('%s with Accept: %s: %s', async (document, accept, isEvents) => {
    const { response } = await open(document, { accept });
    expect(response.headers['content-type']!.startsWith('text/event-stream')).toBe(isEvents);
    response.resume();
    await once(response, 'end');
  });
});

describe('a subscription', () => {
  // Far less than until the next comment, with which the library would send what it holds back.
  test('gets each entry as it comes', { timeout: 6000 }, async () => {
    const sid = freshSid();
    const stream = await follow(sid);
    for (const text of ['a', 'é漢😀\n\n\r\nevent: complete', '', 'x'.repeat(5 * MIB)]) {
      const time = await add(sid, text);
      expect(await stream.next()).toEqual({
        event: 'next',
        data: { data: { data: { streamId: sid, time, string: text } } },
      });
    }
    stream.leave();
  });

  test('as a browser asks for it', async () => {
    const sid = freshSid();
    const time = await add(sid, 'x');
    const stream = await open(
      'subscription ($sids: [String!]!) { data(streamIds: $sids, lastEntryId: "0") { time } }',
      {
        method: 'GET',
        variables: { sids: [sid] },
      },
    );
    expect(await stream.next()).toEqual({ event: 'next', data: { data: { data: { time } } } });
    stream.leave();
  });

  test('ends, told why, where its stream becomes another key', async () => {
    const sid = freshSid();
    const stream = await follow(sid);
    await add(sid, 'x');
    await stream.next();
    await fixture.redis.client.set(`default:${sid}`, 'text');
    const [next, complete] = await stream.rest();
    expect(problemText(next!.data!.errors![0]!)).toMatch(/^wrong_type: /);
    expect(complete).toEqual({ event: 'complete', data: undefined });
  });

  test('of one who leaves is let go, whatever it was about to send', async () => {
    const sid = freshSid();
    for (let entry = 0; entry < 30; entry++) await add(sid, Buffer.alloc(300 * KIB, 'x'));
    for (let round = 0; round < 20; round++) {
      const stream = await follow(sid, round % 2 === 0 ? 'data string json' : 'time');
      if (round % 4 < 2) await stream.next();
      stream.leave();
    }
    await none();
    await fixture.redis.client.del(`default:${sid}`);
  });

  test('of one who does not read costs next to nothing, and misses nothing', {
    timeout: 60_000,
  }, async () => {
    const sid = freshSid();
    const ENTRIES = 300;
    const fill = async (from: number, to: number) => {
      for (let index = from; index < to; index++) {
        await add(sid, `${String(index).padStart(6, '0')}${'x'.repeat(512 * KIB)}`);
      }
    };
    const stream = await follow(sid, 'string');
    const numbers = async (count: number) => {
      const seen: number[] = [];
      while (seen.length < count)
        seen.push(Number((await stream.next())!.data!.data!.data.string.slice(0, 6)));
      return seen;
    };
    // As much as it takes when everyone keeps up.
    await fill(0, 100);
    expect(await numbers(100)).toHaveLength(100);
    const usual = await fixture.gateway.residentBytes();
    const read = await fixture.gateway.metric('entries_read_total');

    await fill(100, ENTRIES);
    await expect.poll(() => fixture.gateway.metric('entries_read_total'), WAIT).toBe(read + ENTRIES - 100);
    expect((await fixture.gateway.residentBytes()) - usual).toBeLessThan(80 * MIB);
    expect(await numbers(ENTRIES - 100)).toEqual(
      Array.from({ length: ENTRIES - 100 }, (_, index) => 100 + index),
    );
    stream.leave();
    await fixture.redis.client.del(`default:${sid}`);
  });

  test('ends with the gateway, read or not', async () => {
    const other = await startGraphqlFixture();
    onTestFinished(() => other.stop());
    const subscribe = () =>
      EventStream.open<Entry>(
        other.gateway,
        'subscription { data(streamIds: ["x"], lastEntryId: "0") { string } }',
      );
    const reading = await subscribe();
    await other.redis.client.xadd('default:x', '*', 'd', 'first');
    await reading.next();
    const stuck = await subscribe();
    for (let entry = 0; entry < 40; entry++)
      await other.redis.client.xadd('default:y', '*', 'd', Buffer.alloc(MIB));
    const full = await EventStream.open(
      other.gateway,
      'subscription { data(streamIds: ["y"], lastEntryId: "0") { data } }',
    );
    await full.next();
    const stopped = other.gateway.stop();
    expect(await reading.rest()).toEqual([{ event: 'complete', data: undefined }]);
    expect(await stopped).toBe(0);
    for (const stream of [stuck, full]) stream.leave();
  });
});
