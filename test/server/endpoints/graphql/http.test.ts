/** `/graphql` over HTTP: the specification's audits, methods and types, bodies in pieces, and what is too much. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  askGraphql,
  type GraphqlFixture,
  type GraphqlProblem,
  startGraphqlFixture,
} from '../../../support/graphql.js';
import { sendRaw } from '../../../support/http.js';

const MIB = 1024 * 1024;

let fixture: GraphqlFixture;

beforeAll(async () => {
  fixture = await startGraphqlFixture();
});

afterAll(() => fixture?.stop());

const address = (query = '') => `${fixture.gateway.http}/graphql${query}`;
const JSON_TYPE = { 'content-type': 'application/json' };

describe('the audits of GraphQL over HTTP', () => {
  const audits = serverAudits({ url: () => address() });

  test('are all there', () => {
    expect(audits.length).toBeGreaterThanOrEqual(61);
  });

  test.each(audits.map((audit) => [audit.id, audit.name, audit] as const))(
    '%s %s',
    async (_id, name, audit) => {
      const result = await audit.fn();
      // What a server may do is its own affair.
      if (/^MAY/.test(name)) return;
      expect(result.status === 'ok' ? 'ok' : result.reason).toBe('ok');
    },
  );
});

describe('methods and types', () => {
  const MUTATION = 'mutation { updateStreamMeta(sid: "x", meta: {a: 1}) }';
  const param = (query: string) => `?query=${encodeURIComponent(query)}`;

  test('GET is for queries', async () => {
    const variables = encodeURIComponent('{"id": "é漢"}');
    const response = await fetch(
      address(
        `${param('query Q($id: String!) { stream(id: $id) { id } }')}&variables=${variables}&operationName=Q`,
      ),
    );
    expect(await response.json()).toEqual({ data: { stream: { id: 'é漢' } } });
    expect(response.headers.get('content-type')).toMatch(
      /^application\/(graphql-response\+)?json; charset=utf-8$/,
    );
  });

  test('a GET may have question marks in its query', async () => {
    const response = await fetch(address('?query={stream(id:"a?b"){id}}'));
    expect(await response.json()).toEqual({ data: { stream: { id: 'a?b' } } });
    const percent = await fetch(address('?query={stream(id:"a%3Fb%2Bc+d"){id}}'));
    expect(((await percent.json()) as { errors: GraphqlProblem[] }).errors[0]!.message).toMatch(
      /must not have a '\+'/,
    );
  });

  test('a mutation by GET is 405 and changes nothing', async () => {
    for (const accept of [
      'application/json',
      'application/graphql-response+json',
      'text/event-stream',
      '*/*',
    ]) {
      const response = await fetch(address(param(MUTATION)), { headers: { accept } });
      expect([accept, response.status, response.headers.get('allow')]).toEqual([accept, 405, 'POST']);
      await response.arrayBuffer();
    }
    const named = `query A { streamIds } ${MUTATION.replace('mutation', 'mutation B')}`;
    expect((await fetch(address(`${param(named)}&operationName=B`))).status).toBe(405);
    expect(await fixture.redis.client.dbsize()).toBe(0);
  });

  test('HEAD is GET without the body', async () => {
    const path = param('{ streamIds }');
    const [get, head] = [await fetch(address(path)), await fetch(address(path), { method: 'HEAD' })];
    expect(head.status).toBe(200);
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
    expect(await head.text()).toBe('');
    expect((await fetch(address(param(MUTATION)), { method: 'HEAD' })).status).toBe(405);
    expect(await fixture.redis.client.dbsize()).toBe(0);
  });

  test('HEAD of what would be a stream of events ends', async () => {
    const path = param('subscription { data(streamIds: ["x"]) { time } }');
    for (const accept of ['text/event-stream', 'text/event-stream, application/json']) {
      const response = await fetch(address(path), { method: 'HEAD', headers: { accept } });
      expect(response.headers.get('content-type')).not.toBe('text/event-stream');
    }
    expect(await fixture.gateway.metric('followed_streams')).toBe(0);
  });

  test.each(['PUT', 'DELETE', 'PATCH'])('%s is not allowed', async (method) => {
    const response = await fetch(address(), { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'OPTIONS, GET, HEAD, POST']);
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/jsonx',
    '',
  ])('a POST of type %j is 415', async (type) => {
    const response = await fetch(address(), {
      method: 'POST',
      headers: { 'content-type': type },
      body: JSON.stringify({ query: MUTATION }),
    });
    expect(response.status).toBe(415);
    expect(await response.json()).toEqual({
      code: 'unsupported_media_type',
      error: 'the Content-Type of a body must be application/json',
    });
    expect(await fixture.redis.client.dbsize()).toBe(0);
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset=UTF-8',
    'application/json ; charset=utf-8',
  ])('a POST of type %j is taken', async (type) => {
    const response = await fetch(address(), {
      method: 'POST',
      headers: { 'content-type': type },
      body: '{"query": "{ __typename }"}',
    });
    expect([response.status, await response.text()]).toEqual([200, '{"data":{"__typename":"Query"}}']);
  });

  test.each([
    ['application/json', 'application/json; charset=utf-8'],
    ['application/graphql-response+json', 'application/graphql-response+json; charset=utf-8'],
    [
      'application/graphql-response+json, application/json',
      'application/graphql-response+json; charset=utf-8',
    ],
    ['*/*', 'application/json; charset=utf-8'],
    ['application/*', 'application/json; charset=utf-8'],
  ])('Accept: %s is answered with %s', async (accept, type) => {
    const response = await fetch(address(param('{ __typename }')), { headers: { accept } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
  });

  test('Accept: image/png is 406', async () => {
    expect((await fetch(address(param('{ __typename }')), { headers: { accept: 'image/png' } })).status).toBe(
      406,
    );
  });

  test.each([
    '',
    '{',
    '[]',
    '[{"query": "{ __typename }"}]',
    '"x"',
    'null',
    '{}',
    '{"query": 1}',
    '{"query": "{__typename}", "variables": []}',
    '{"query": "{__typename}", "operationName": 1}',
  ])('the body %j is a bad request', async (body) => {
    const response = await fetch(address(), { method: 'POST', headers: JSON_TYPE, body });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { errors: GraphqlProblem[] }).errors).toHaveLength(1);
  });

  test.each(['?', '?query=', '?query={__typename}&variables={', '?query=%E9'])(
    'GET %s is a bad request',
    async (query) => {
      const response = await fetch(address(query), {
        headers: { accept: 'application/graphql-response+json' },
      });
      expect(response.status).toBe(400);
      await response.arrayBuffer();
    },
  );

  test('a subscription needs a stream of events', async () => {
    const response = await fetch(address(), {
      method: 'POST',
      headers: JSON_TYPE,
      body: JSON.stringify({ query: 'subscription { data(streamIds: ["x"]) { time } }' }),
    });
    expect(((await response.json()) as { errors: GraphqlProblem[] }).errors[0]!.message).toMatch(
      /[Ss]ubscription/,
    );
  });

  test('a trailing slash is the same address', async () => {
    expect((await fetch(`${address()}/${param('{ __typename }')}`)).status).toBe(200);
  });

  test('pages of other origins may not ask', async () => {
    const response = await fetch(address(), {
      method: 'POST',
      headers: { ...JSON_TYPE, origin: 'https://evil.example' },
      body: JSON.stringify({ query: MUTATION }),
    });
    expect(response.status).toBe(403);
    expect(await fixture.redis.client.dbsize()).toBe(0);
  });
});

describe('bodies', () => {
  /** Sends a request in pieces, each on its way before the next one follows. */
  async function sendInPieces(pieces: readonly Uint8Array[]): Promise<string> {
    const socket = connect(fixture.gateway.port, '127.0.0.1').setNoDelay(true);
    await once(socket, 'connect');
    let received = '';
    const answered = new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk) => {
        received += chunk;
        if (received.includes('\r\n\r\n') && received.endsWith('}')) resolve();
      });
      socket.on('close', () => reject(new Error(`closed after ${received}`)));
    });
    for (const piece of pieces) {
      await new Promise((resolve) => socket.write(piece, resolve));
      // The gateway has read it once it has answered another request, on another connection.
      await fetch(`${fixture.gateway.http}/healthz`).then((response) => response.text());
    }
    await answered;
    socket.destroy();
    return received.slice(received.indexOf('\r\n\r\n') + 4);
  }

  const ID = 'é漢😀';
  const body = Buffer.from(JSON.stringify({ query: `{ stream(id: "${ID}") { id } }` }));
  const head = Buffer.from(
    `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  const begin = body.indexOf('é');
  const CUTS = Array.from({ length: Buffer.byteLength(ID) + 1 }, (_, index) => begin + index);

  test.each(CUTS)('cut at byte %i, within a character or not', async (cut) => {
    const answer = await sendInPieces([head, body.subarray(0, cut), body.subarray(cut)]);
    expect(JSON.parse(answer)).toEqual({ data: { stream: { id: ID } } });
  });

  test('byte by byte', async () => {
    const bytes = Array.from(body, (byte) => Uint8Array.of(byte));
    expect(JSON.parse(await sendInPieces([head, ...bytes]))).toEqual({ data: { stream: { id: ID } } });
  });

  test('up to 1 MiB are taken, and not a byte more', async () => {
    const of = (length: number) => `{"query":"{ __typename }"${' '.repeat(length - 26)}}`;
    const send = (length: number) =>
      fetch(address(), { method: 'POST', headers: JSON_TYPE, body: of(length) });
    expect(of(100)).toHaveLength(100);
    const fits = await send(MIB);
    expect([fits.status, await fits.json()]).toEqual([200, { data: { __typename: 'Query' } }]);
    const large = await send(MIB + 1);
    expect([large.status, await large.json()]).toEqual([
      413,
      { code: 'payload_too_large', error: `the body has ${MIB + 1} bytes; at most ${MIB} are allowed` },
    ]);
  });

  test('need a length', async () => {
    const answer = await sendRaw(
      fixture.gateway.port,
      'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n',
    );
    expect(answer).toMatchObject({ status: 411 });
  });

  test('of answers may be large', async () => {
    const payload = 'é'.repeat(4 * MIB);
    await fixture.redis.client.xadd('default:large', '*', 'd', payload);
    const { data } = await askGraphql<{ stream: { lastEntryString: string } }>(
      fixture.gateway,
      '{ stream(id: "large") { lastEntryString } }',
    );
    expect(data!.stream.lastEntryString).toHaveLength(payload.length);
    await fixture.redis.client.flushdb();
  });
});

describe('what is too much', () => {
  const problem = async (query: string) => {
    const { data, errors } = await askGraphql(fixture.gateway, query);
    expect(data).toBeUndefined();
    return errors![0]!.message;
  };
  test('tokens', async () => {
    expect(await problem(`{ ${'id '.repeat(2500)} }`)).toMatch(
      /^Syntax Error: Document contains more tha[nt] 2000 tokens/,
    );
  });

  test('aliases', async () => {
    const aliases = (count: number) =>
      `{ ${Array.from({ length: count }, (_, index) => `a${index}: __typename`).join(' ')} }`;
    expect(await problem(aliases(101))).toBe('a document may have at most 100 aliases');
    expect(Object.keys(await fixture.data(aliases(100)))).toHaveLength(100);
    // Of all operations and fragments together.
    expect(await problem(`query A { ...F ${aliases(60).slice(1)} fragment F on Query ${aliases(60)}`)).toBe(
      'a document may have at most 100 aliases',
    );
  });

  test('depth, also through fragments', async () => {
    // The schema itself is three deep: only what is wrong in other ways too goes deeper.
    const deep = (levels: number) => `{ ${'device { '.repeat(levels)}id${' }'.repeat(levels)} }`;
    const messages = async (query: string) =>
      ((await askGraphql(fixture.gateway, query)).errors ?? []).map(({ message }) => message);
    expect(await messages(deep(9))).not.toContain('fields may nest at most 10 deep, not 10');
    expect(await messages(deep(10))).toContain('fields may nest at most 10 deep, not 11');
    const fragments = Array.from(
      { length: 12 },
      (_, index) => `fragment F${index} on Query { device { ...F${index + 1} } }`,
    );
    expect(
      await messages(`{ ...F0 } ${fragments.join(' ')} fragment F12 on Query { device { id } }`),
    ).toContain('fields may nest at most 10 deep, not 14');
    expect(await messages('{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }')).toEqual([
      'Cannot spread fragment "A" within itself via "B".',
    ]);
  });

  test.each([
    ['of values', `{ streams(ids: ${'['.repeat(1990)}`],
    ['of fields', `{ ${'device { '.repeat(650)}id${' }'.repeat(650)} }`],
    ['of fragments', `{ ${'... { '.repeat(650)}__typename${' }'.repeat(650)} }`],
    ['of objects', `mutation { connectDevice(id: "x", meta: ${'{a:'.repeat(390)}1${'}'.repeat(390)}`],
  ])('levels without end: %s', async (_, query) => {
    for (const accept of ['application/json', 'text/event-stream']) {
      const response = await fetch(address(), {
        method: 'POST',
        headers: { ...JSON_TYPE, accept },
        body: JSON.stringify({ query }),
      });
      expect(await response.text()).not.toMatch(/call stack|failed to answer/);
    }
  });

  test('an introspection that unfolds without end', async () => {
    const deep = `{ __schema { types { ${'fields { type { '.repeat(6)} name ${'} } '.repeat(6)} } } }`;
    expect(await problem(deep)).toBe('a document may ask for at most 250000 fields of the schema');
  });

  test("GraphiQL's introspection is not", async () => {
    for (const options of [
      {},
      {
        inputValueDeprecation: true,
        schemaDescription: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        oneOf: true,
      },
    ]) {
      const data = await fixture.data<IntrospectionQuery>(getIntrospectionQuery(options));
      expect(buildClientSchema(data).getQueryType()?.name).toBe('Query');
    }
  });

  /** The longest that the event loop stood still while `act` ran, the machine's own hiccups left out. */
  async function standstill(act: () => Promise<unknown>): Promise<number> {
    const lag = async () => {
      const text = await (await fetch(`${fixture.gateway.http}/metrics`)).text();
      return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)![1]) * 1000;
    };
    const tries: number[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      await lag();
      await act();
      tries.push(await lag());
    }
    return Math.min(...tries);
  }

  const SAME = Array.from({ length: 150 }, () => 'device { stream(streamId: "x") { id } }').join(' ');

  test.each<[string, string]>([
    [
      '20 000 aliases',
      `{ ${Array.from({ length: 20_000 }, (_, index) => `a${index}: __typename`).join(' ')} }`,
    ],
    ['100 000 braces', '{ device '.repeat(100_000)],
    ['300 000 brackets', `{ streams(ids: ${'['.repeat(300_000)}`],
    ['the same field 1990 times', `{ ${'__typename '.repeat(1990)} }`],
    ['the same nested field 150 times', `{ ${SAME} }`],
    [
      '180 fragments, each in the one before',
      `{ device { ...F0 } } ${Array.from({ length: 180 }, (_, index) => `fragment F${index} on Device { id ...F${index + 1} }`).join(' ')} fragment F180 on Device { id }`,
    ],
    ['a name of 900 kB', `{ ${'x'.repeat(900_000)} }`],
    ['a comment of 900 kB', `{ __typename } #${'x'.repeat(900_000)}`],
    ['a string of 900 kB', `{ stream(id: "${'x'.repeat(900_000)}") { id } }`],
  ])('%s do not stop the others for 100 ms', async (_, query) => {
    expect(query.length).toBeLessThan(MIB);
    const longest = await standstill(() => askGraphql(fixture.gateway, query));
    expect(longest).toBeLessThan(100);
  });
});
