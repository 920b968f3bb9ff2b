/** The graphql-transport-ws protocol, message for message, with graphql-ws's own server as the measure. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { useServer } from 'graphql-ws/use/ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type GraphqlFixture, startGraphqlFixture } from '../../../support/graphql.js';
import { type ProtocolMessage, SUBPROTOCOL } from '../../../support/graphql-socket.js';
import { sendRaw } from '../../../support/http.js';

// Vite would load another copy of the library than graphql-ws has, and each refuses what the other made.
const { buildSchema, GraphQLError } = createRequire(import.meta.url)('graphql') as typeof import('graphql');

const REFUSAL = 'streamIds must name 1 to 1024 streams';

let fixture: GraphqlFixture;
let reference: Server;
let stopReference: () => void | Promise<void>;

/** A schema that answers the scripts' documents as the gateway does. */
function referenceSchema() {
  const schema = buildSchema(`
    type Query { stream(id: String!): Stream! }
    type Stream { id: String! length: Int! }
    type Mutation { flush: Int! }
    type Subscription { data(streamIds: [String!]!, lastEntryId: String): DataPayload! }
    type DataPayload { streamId: String! string: String }
  `);
  const fields = schema.getSubscriptionType()!.getFields();
  schema.getQueryType()!.getFields().stream!.resolve = (_, { id }) => ({ id, length: 3 });
  schema.getMutationType()!.getFields().flush!.resolve = () => {
    throw new GraphQLError('flush is not allowed; set ALLOW_FLUSH=1 to allow it', {
      extensions: { code: 'not_allowed' },
    });
  };
  fields.data!.subscribe = (_, { streamIds }) => {
    if (streamIds.length === 0) throw new GraphQLError(REFUSAL, { extensions: { code: 'bad_parameter' } });
    return threeEntries(streamIds[0]);
  };
  return schema;
}

/** Three entries, and then none for ever. */
function threeEntries(streamId: string): AsyncIterableIterator<unknown> {
  let sent = 0;
  let end = () => {};
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => {
      if (sent < 3) return { value: { data: { streamId, string: `${sent++}` } }, done: false };
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      return { value: undefined, done: true };
    },
    return: async () => {
      end();
      return { value: undefined, done: true };
    },
  };
}

/** A conversation with a server: what it said, in order, and how it ended. */
class Conversation {
  readonly said: (ProtocolMessage | string)[] = [];
  readonly ws: WebSocket;
  #wake = () => {};

  private constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data) => this.#hear(JSON.parse(data.toString()) as ProtocolMessage));
    ws.on('close', (code, reason) => this.#hear(`closed: ${code} ${reason}`));
    ws.on('error', () => {});
  }

  static async open(port: number): Promise<Conversation> {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/graphql`, SUBPROTOCOL);
    const conversation = new Conversation(ws);
    await once(ws, 'open');
    return conversation;
  }

  async until(isEnough: (said: readonly (ProtocolMessage | string)[]) => boolean): Promise<void> {
    while (!isEnough(this.said) && !this.isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  get isClosed(): boolean {
    return typeof this.said.at(-1) === 'string';
  }

  #hear(message: ProtocolMessage | string): void {
    this.said.push(message);
    this.#wake();
  }
}

/** A message to send as it is or as JSON; a number: wait for so many messages of the server in all. */
type Script = readonly (string | number | object)[];

const LAST = { type: 'ping', payload: { last: true } };

/** What a server says to a script, until it closes or has answered a last ping. */
async function play(port: number, script: Script): Promise<unknown[]> {
  const conversation = await Conversation.open(port);
  for (const step of [...script, LAST]) {
    if (typeof step === 'number') await conversation.until((said) => said.length >= step);
    else if (!conversation.isClosed)
      conversation.ws.send(typeof step === 'string' ? step : JSON.stringify(step));
  }
  await conversation.until((said) => said.some((message) => JSON.stringify(message).includes('"last":true')));
  const said = [...conversation.said];
  conversation.ws.close();
  return said;
}

beforeAll(async () => {
  fixture = await startGraphqlFixture();
  for (let entry = 0; entry < 3; entry++)
    await fixture.redis.client.xadd('default:three', '*', 'd', `${entry}`);
  reference = createServer().listen(0, '127.0.0.1');
  await once(reference, 'listening');
  const sockets = new WebSocketServer({ server: reference, path: '/graphql' });
  const { dispose } = useServer({ schema: referenceSchema(), isProd: false }, sockets);
  stopReference = dispose;
});

afterAll(async () => {
  await stopReference?.();
  reference?.close();
  await fixture?.stop();
});

const INIT = { type: 'connection_init' };
const subscribe = (id: string, query: string, more = {}) => ({
  type: 'subscribe',
  id,
  payload: { query, ...more },
});
const FOLLOW = 'subscription { data(streamIds: ["three"], lastEntryId: "0") { streamId string } }';
const QUERY = 'query ($id: String!) { stream(id: $id) { id length } }';
const three = { variables: { id: 'three' } };

const SCRIPTS: Record<string, Script> = {
  'nothing but a ping': [],
  'a beginning': [INIT],
  'a beginning with a payload': [{ ...INIT, payload: { token: 'x' } }],
  'a beginning with a payload that is none': [{ ...INIT, payload: 'x' }],
  'a beginning with a null payload': [{ ...INIT, payload: null }],
  'two beginnings': [INIT, 1, INIT],
  'an operation before the beginning': [subscribe('1', FOLLOW)],
  'an operation before the beginning, and then that': [subscribe('1', FOLLOW), INIT],
  'a completion before the beginning': [{ type: 'complete', id: '1' }],
  pings: [{ type: 'ping' }, { type: 'ping', payload: { a: [1] } }, { type: 'ping', payload: {} }, 3, INIT],
  pongs: [{ type: 'pong' }, { type: 'pong', payload: { a: 1 } }, INIT],
  'a ping with a payload that is none': [{ type: 'ping', payload: 'x' }],
  'a query': [INIT, 1, subscribe('1', QUERY, three), 3],
  'a query with a name for each operation': [
    INIT,
    1,
    subscribe('1', 'query A { __typename } query B { b: __typename }', { operationName: 'B' }),
    3,
  ],
  'a query whose operation is not there': [
    INIT,
    1,
    subscribe('1', '{ __typename }', { operationName: 'B' }),
    2,
  ],
  'a query that does not say which operation': [
    INIT,
    1,
    subscribe('1', 'query A { __typename } query B { __typename }'),
    2,
  ],
  'a query that is not valid': [INIT, 1, subscribe('1', '{ stream(id: "x") }'), 2],
  'a query without its variables': [INIT, 1, subscribe('1', QUERY), 3],
  'a query with null for all that may be missing': [
    INIT,
    1,
    subscribe('1', '{ __typename }', { variables: null, operationName: null, extensions: null }),
    3,
  ],
  'a query with extensions': [INIT, 1, subscribe('1', '{ __typename }', { extensions: { a: 1 } }), 3],
  'queries one after the other under the same id': [
    INIT,
    1,
    subscribe('1', '{ __typename }'),
    3,
    subscribe('1', '{ again: __typename }'),
    5,
  ],
  'a mutation that fails': [INIT, 1, subscribe('1', 'mutation { flush }'), 3],
  'a subscription': [INIT, 1, subscribe('1', FOLLOW), 4],
  'a subscription that is refused': [
    INIT,
    1,
    subscribe('1', 'subscription { data(streamIds: []) { string } }'),
    3,
  ],
  'a subscription that is completed': [INIT, 1, subscribe('1', FOLLOW), 4, { type: 'complete', id: '1' }],
  'a completion twice': [
    INIT,
    1,
    subscribe('1', FOLLOW),
    4,
    { type: 'complete', id: '1' },
    { type: 'complete', id: '1' },
  ],
  'a completion of what never was': [INIT, 1, { type: 'complete', id: 'x' }],
  'a subscription again under the same id': [
    INIT,
    1,
    subscribe('1', FOLLOW),
    4,
    { type: 'complete', id: '1' },
    // Within one turn of its loop the reference takes the new one for the old.
    { type: 'ping' },
    5,
    subscribe('1', FOLLOW),
    8,
  ],
  'a second operation of a live id': [INIT, 1, subscribe('1', FOLLOW), 4, subscribe('1', '{ __typename }')],
  'two subscriptions, one after the other': [INIT, 1, subscribe('1', FOLLOW), 4, subscribe('2', FOLLOW), 7],
  'a query beside a subscription': [INIT, 1, subscribe('1', FOLLOW), 4, subscribe('2', '{ __typename }'), 6],
  'ids that are names of objects': [
    INIT,
    1,
    subscribe('__proto__', FOLLOW),
    4,
    subscribe('constructor', '{ __typename }'),
    6,
    { type: 'complete', id: '__proto__' },
    { type: 'ping' },
    7,
    subscribe('__proto__', '{ __typename }'),
    9,
  ],
  'a second operation of the live id __proto__': [
    INIT,
    1,
    subscribe('__proto__', FOLLOW),
    4,
    subscribe('__proto__', FOLLOW),
  ],
  'no JSON': ['x'],
  'an empty message': [''],
  'no JSON after the beginning': [INIT, 1, '{'],
  'a list': ['[]'],
  'a number': ['5'],
  'JSON null': ['null'],
  'no type': ['{}'],
  'a type that is none': [{ type: 'start' }],
  'a type that is no text': [{ type: 1 }],
  'an operation without an id': [INIT, 1, { type: 'subscribe', payload: { query: '{ __typename }' } }],
  'an operation with an empty id': [INIT, 1, subscribe('', '{ __typename }')],
  'an operation with a number for an id': [
    INIT,
    1,
    { type: 'subscribe', id: 1, payload: { query: '{ __typename }' } },
  ],
  'an operation without a payload': [INIT, 1, { type: 'subscribe', id: '1' }],
  'an operation without a query': [INIT, 1, { type: 'subscribe', id: '1', payload: {} }],
  'an operation whose query is no text': [INIT, 1, { type: 'subscribe', id: '1', payload: { query: 1 } }],
  'an operation whose variables are a list': [INIT, 1, subscribe('1', '{ __typename }', { variables: [] })],
  'an operation whose name is no text': [INIT, 1, subscribe('1', '{ __typename }', { operationName: 1 })],
  'a completion without an id': [INIT, 1, { type: 'complete' }],
};

describe('the same words as the reference', () => {
  test.each(Object.entries(SCRIPTS))('%s', async (_, script) => {
    const { port } = reference.address() as AddressInfo;
    const [expected, said] = await Promise.all([play(port, script), play(fixture.gateway.port, script)]);
    expect(said).toEqual(expected);
  });
});

describe('where the reference says less', () => {
  test.each(['connection_ack', 'next', 'error'])(
    "a client that sends '%s', which is a server's word",
    async (type) => {
      const payloads: Record<string, object> = {
        next: { id: '1', payload: { data: {} } },
        error: { id: '1', payload: [{ message: 'x' }] },
      };
      const said = await play(fixture.gateway.port, [INIT, 1, { type, ...payloads[type] }]);
      expect(said.at(-1)).toMatch(/^closed: 4400 /);
      expect(fixture.gateway.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);
    },
  );

  test.each(['', '{', '{ stream(ids: ['])('a document that does not parse: %j', async (query) => {
    const said = await play(fixture.gateway.port, [INIT, 1, subscribe('1', query), 2]);
    expect(said.slice(1)).toEqual([
      {
        type: 'error',
        id: '1',
        payload: [expect.objectContaining({ message: expect.stringMatching(/^Syntax Error: /) })],
      },
      { ...LAST, type: 'pong' },
    ]);
  });

  test('a binary frame', async () => {
    const conversation = await Conversation.open(fixture.gateway.port);
    conversation.ws.send(Buffer.from(JSON.stringify(INIT)));
    await conversation.until(() => false);
    expect(conversation.said).toEqual(['closed: 4400 a message must be a text frame, not a binary frame']);
  });

  test('a message over 1 MiB', async () => {
    const conversation = await Conversation.open(fixture.gateway.port);
    conversation.ws.send(JSON.stringify({ ...INIT, payload: { a: 'x'.repeat(1024 * 1024) } }));
    await conversation.until(() => false);
    expect(conversation.said).toEqual([expect.stringMatching(/^closed: 1009 ./)]);
  });

  test.each([
    ['none', undefined],
    ['an older one', 'graphql-ws'],
    ['another case', 'GRAPHQL-TRANSPORT-WS'],
  ])('a subprotocol that is not spoken: %s', async (_, protocol) => {
    const ws = new WebSocket(`${fixture.gateway.ws}/graphql`, protocol === undefined ? [] : [protocol]);
    const [, response] = (await once(ws, 'unexpected-response')) as [
      unknown,
      import('node:http').IncomingMessage,
    ];
    let body = '';
    for await (const chunk of response) body += chunk;
    expect([response.statusCode, JSON.parse(body)]).toEqual([
      400,
      { code: 'bad_parameter', error: 'the subprotocol must be graphql-transport-ws' },
    ]);
  });

  test('ours is chosen of several', async () => {
    const ws = new WebSocket(`${fixture.gateway.ws}/graphql`, ['graphql-ws', SUBPROTOCOL, 'x']);
    await once(ws, 'open');
    expect(ws.protocol).toBe(SUBPROTOCOL);
    ws.close();
  });

  test('pages of other origins may not connect', async () => {
    const answer = await sendRaw(
      fixture.gateway.port,
      [
        'GET /graphql HTTP/1.1',
        `Host: 127.0.0.1:${fixture.gateway.port}`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
        'Origin: https://evil.example',
        '\r\n',
      ].join('\r\n'),
    );
    expect(answer).toMatchObject({ status: 403 });
  });
});
