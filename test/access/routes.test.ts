/** Every route, by tokens that are missing, wrong, for another device, for another action, and right. */
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type AccessFixture, allows, bearer, startAccessFixture } from '../support/access.js';
import { GraphqlSocket, SUBPROTOCOL } from '../support/graphql-socket.js';
import { FORM_TYPE, formBody, sendRaw } from '../support/http.js';
import { TestSocket } from '../support/socket.js';

const JWT_SECRET = 'a secret of more than thirty-two bytes';
const DEVICE = 'cam1';

const PLANS = {
  all: { rights: allows('read', 'write', 'meta', 'admin') },
  read: { rights: allows('read') },
  write: { rights: allows('write') },
  meta: { rights: allows('meta') },
  admin: { rights: allows('admin') },
  nothing: { rights: [] },
  /** Everything, but of another device. */
  elsewhere: { rights: [{ device: 'cam2', actions: ['read', 'write', 'meta', 'admin'] as const }] },
  walled: { device: DEVICE, rights: allows('read', 'write', 'meta', 'admin') },
  walledElsewhere: { device: 'cam2', rights: allows('read', 'write', 'meta', 'admin') },
};
type Name = keyof typeof PLANS;

let fixture: AccessFixture<Name>;

beforeAll(async () => {
  fixture = await startAccessFixture(PLANS as never, { JWT_SECRET, ALLOW_FLUSH: '1' });
  await fixture.redis.client.xadd(`${DEVICE}:x`, '1-0', 'd', 'payload');
});

afterAll(() => fixture?.stop());

/** What a request came to: `200`, or a status and a code; of GraphQL, the code of its error. */
type Outcome = string;
type Ask = (headers: Record<string, string>) => Promise<Outcome>;

const GOOD = '200';

async function outcomeOf(response: Response): Promise<Outcome> {
  if (response.ok) return GOOD;
  const { code } = (await response.json()) as { code: string };
  if (response.status === 401) expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /);
  if (code === 'forbidden') expect(response.headers.get('www-authenticate')).toMatch(/insufficient_scope/);
  return `${response.status} ${code}`;
}

const http =
  (
    method: string,
    path: string,
    body?: NonNullable<RequestInit['body']>,
    extra: Record<string, string> = {},
  ): Ask =>
  async (headers) =>
    outcomeOf(
      await fetch(`${fixture.gateway.http}${path}`, {
        method,
        headers: { ...extra, ...headers },
        ...(body === undefined ? {} : { body }),
      }),
    );

/** An answer that has no end: it is left once it has begun. */
const view =
  (path: string): Ask =>
  async (headers) => {
    const leaving = new AbortController();
    const response = await fetch(`${fixture.gateway.http}${path}`, { headers, signal: leaving.signal });
    const outcome = await outcomeOf(response);
    leaving.abort();
    return outcome;
  };

/** Of who has the entry already: that it has not changed is for those alone who may read it. */
const known =
  (path: string): Ask =>
  async (headers) => {
    const response = await fetch(`${fixture.gateway.http}${path}`, {
      headers: { ...headers, 'if-none-match': '*' },
    });
    return response.status === 304 ? GOOD : outcomeOf(response);
  };

/** Before the upgrade: a client that is let in is not thrown out again. */
const socket =
  (path: string): Ask =>
  async (headers) => {
    try {
      await (await TestSocket.open(`${fixture.gateway.ws}${path}`, headers)).close();
      return GOOD;
    } catch (error) {
      const [, status, body] = /^(\d+) (.*)$/.exec((error as Error).message)!;
      return `${status} ${(JSON.parse(body!) as { code: string }).code}`;
    }
  };

const graphql =
  (query: string): Ask =>
  async (headers) => {
    const response = await fetch(`${fixture.gateway.http}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query }),
    });
    if (!response.ok) return outcomeOf(response);
    const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] };
    return errors === undefined ? GOOD : errors[0]!.extensions.code;
  };

/** Once connected, what an operation comes to. */
const graphqlSocket =
  (query: string): Ask =>
  async (headers) => {
    try {
      const connection = await GraphqlSocket.open(fixture.gateway, { headers });
      const operation = connection.run(query);
      const event = await operation.event();
      await connection.close();
      if (event.type === 'next') {
        const { errors } = event.result;
        return errors === undefined ? GOOD : String(errors[0]!.extensions?.code);
      }
      return event.type === 'error' ? String(event.errors[0]!.extensions?.code) : event.type;
    } catch (error) {
      return (error as Error).message;
    }
  };

const D = `device_id=${DEVICE}`;
const subscription = `subscription { data(streamIds: ["x"], deviceId: "${DEVICE}", lastEntryId: "0") { time } }`;
const form = formBody(['form-data; name="entries"; filename="x"', 'y']);

/** What is asked, and the one token, beside that for all, that must be let in. */
const ROUTES: readonly (readonly [name: string, ask: Ask, allowed: Name, refusal: string])[] = [
  ['GET /data/x', http('GET', `/data/x?last_entry_id=0&${D}`), 'read', '403 forbidden'],
  ['GET /data/x/', http('GET', `/data/x/?last_entry_id=0&${D}`), 'read', '403 forbidden'],
  ['GET /data/x waiting', http('GET', `/data/x?block=1&${D}`), 'read', '403 forbidden'],
  ['GET latest', http('GET', `/data/x/latest?${D}`), 'read', '403 forbidden'],
  ['GET latest/', http('GET', `/data/x/latest/?${D}`), 'read', '403 forbidden'],
  ['GET latest at', http('GET', `/data/x/latest?at=1&${D}`), 'read', '403 forbidden'],
  ['GET latest after', http('GET', `/data/x/latest?after=0&${D}`), 'read', '403 forbidden'],
  ['GET latest that is known', known(`/data/x/latest?${D}`), 'read', '403 forbidden'],
  ['GET mjpeg', view(`/data/x/mjpeg?${D}`), 'read', '403 forbidden'],
  ['GET mjpeg/', view(`/data/x/mjpeg/?${D}`), 'read', '403 forbidden'],
  ['GET events', view(`/data/x/events?${D}`), 'read', '403 forbidden'],
  ['GET events/', view(`/data/x/events/?${D}`), 'read', '403 forbidden'],
  ['GET events of many', view(`/data/y+x/events?${D}`), 'read', '403 forbidden'],
  ['POST /data/x', http('POST', `/data/x?${D}`, 'y'), 'write', '403 forbidden'],
  [
    'POST /data/x form',
    http('POST', `/data/x?${D}`, form, { 'content-type': FORM_TYPE }),
    'write',
    '403 forbidden',
  ],
  [
    'POST /data/*',
    http('POST', `/data/*?${D}`, form, { 'content-type': FORM_TYPE }),
    'write',
    '403 forbidden',
  ],
  ['WS push', socket(`/data/x/push?${D}`), 'write', '403 forbidden'],
  ['WS push/', socket(`/data/x/push/?${D}`), 'write', '403 forbidden'],
  ['WS push of many', socket(`/data/x+y/push?${D}`), 'write', '403 forbidden'],
  ['WS push *', socket(`/data/*/push?${D}`), 'write', '403 forbidden'],
  ['WS push raw', socket(`/data/x/push?header=0&${D}`), 'write', '403 forbidden'],
  ['WS pull', socket(`/data/x/pull?${D}`), 'read', '403 forbidden'],
  ['WS pull/', socket(`/data/x/pull/?${D}`), 'read', '403 forbidden'],
  ['WS pull of many', socket(`/data/y+x/pull?${D}`), 'read', '403 forbidden'],
  [
    'graphql stream',
    graphql(`{ device(id: "${DEVICE}") { stream(streamId: "x") { length } } }`),
    'read',
    'forbidden',
  ],
  ['graphql device', graphql(`{ device(id: "${DEVICE}") { meta } }`), 'read', 'forbidden'],
  ['graphql devices', graphql(`{ devices(ids: ["${DEVICE}"]) { streamIds } }`), 'read', 'forbidden'],
  [
    'graphql connectDevice',
    graphql(`mutation { connectDevice(deviceId: "${DEVICE}") }`),
    'meta',
    'forbidden',
  ],
  [
    'graphql updateDeviceMeta',
    graphql(`mutation { updateDeviceMeta(deviceId: "${DEVICE}", meta: {a: 1}) }`),
    'meta',
    'forbidden',
  ],
  [
    'graphql disconnectDevice',
    graphql(`mutation { disconnectDevice(deviceId: "${DEVICE}") }`),
    'meta',
    'forbidden',
  ],
  [
    'graphql updateStreamMeta',
    graphql(`mutation { updateStreamMeta(streamId: "x", deviceId: "${DEVICE}", meta: {a: 1}) }`),
    'meta',
    'forbidden',
  ],
  [
    'graphql merge',
    graphql(
      `mutation { updateStreamMeta(streamId: "x", deviceId: "${DEVICE}", meta: {a: 1}, update: true) }`,
    ),
    'meta',
    'forbidden',
  ],
  [
    'graphql deleteStream',
    graphql(`mutation { deleteStream(streamId: "gone", deviceId: "${DEVICE}") }`),
    'admin',
    'forbidden',
  ],
  ['graphql subscription', graphqlSocket(subscription), 'read', 'forbidden'],
];

const WRONG: Record<'read' | 'write' | 'meta' | 'admin', Name[]> = {
  read: ['write', 'meta', 'admin'],
  write: ['read', 'meta', 'admin'],
  meta: ['read', 'write', 'admin'],
  admin: ['read', 'write', 'meta'],
};

describe.each(ROUTES)('%s', (name, ask, allowed, refusal) => {
  const by = (token: Name) => ask(bearer(fixture.tokens[token]));
  const isSocketOfGraphql = name === 'graphql subscription';

  test('without a token, or with one that is wrong, nobody gets in', async () => {
    expect(await ask({})).toBe(isSocketOfGraphql ? 'closed: 4401' : '401 unauthorized');
    const { all } = fixture.tokens;
    const wrong = [
      ...['x', '', 'null', all.slice(0, -1), `${all}x`, all.toUpperCase(), all.replace('_all_', '_read_')],
      ...[all.slice(0, -43) + 'A'.repeat(43), 'a.b.c', 'x'.repeat(3000)],
    ];
    for (const token of wrong) {
      const isNone = token === '';
      const expected = isSocketOfGraphql
        ? isNone
          ? 'closed: 4401'
          : 'Unexpected server response: 401'
        : isNone
          ? '401 unauthorized'
          : '401 invalid_token';
      expect(await ask(bearer(token)), token).toBe(expected);
    }
    for (const authorization of [`Basic ${all}`, all, `Bearer`, `Bearer${all}`, `Bearer ${all} ${all}`]) {
      expect(await ask({ authorization })).toBe(isSocketOfGraphql ? 'closed: 4401' : '401 unauthorized');
    }
  });

  test('a token for another device or another action is not enough', async () => {
    const wrong: Name[] = ['nothing', 'elsewhere', 'walledElsewhere', ...WRONG[allowed as 'read']];
    for (const token of wrong) expect(await by(token), token).toBe(refusal);
  });

  test('the right one is', async () => {
    for (const token of ['all', allowed, 'walled'] as const) expect(await by(token), token).toBe(GOOD);
  });
});

describe('what concerns all devices', () => {
  const METRICS = http('GET', '/metrics');
  const FLUSH = graphql('mutation { flush }');

  test.each<[string, Ask, Name[], string]>([
    ['GET /metrics', METRICS, ['all', 'read', 'admin'], '403 forbidden'],
    // Last: it takes everything away.
    ['graphql flush', FLUSH, ['walled', 'all', 'admin'], 'forbidden'],
  ])('%s', async (_, ask, allowed, refusal) => {
    expect(await ask({})).toBe('401 unauthorized');
    expect(await ask(bearer('x'))).toBe('401 invalid_token');
    for (const name of Object.keys(PLANS) as Name[]) {
      const isAllowed = allowed.includes(name) || (ask === FLUSH && name === 'walledElsewhere');
      expect(await ask(bearer(fixture.tokens[name])), name).toBe(isAllowed ? GOOD : refusal);
    }
  });
});

describe('what is for everybody', () => {
  test.each([
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
    ['GET', '/', 200],
    ['GET', '/docs', 200],
    ['GET', '/openapi.json', 200],
    ['OPTIONS', '/data/x', 204],
    ['OPTIONS', '/graphql', 204],
    ['OPTIONS', '/data/x/latest', 204],
    ['OPTIONS', '/data/x/mjpeg', 204],
    ['OPTIONS', '/data/x/events', 204],
    ['OPTIONS', '/overview', 204],
    ['PUT', '/data/x', 405],
    ['GET', '/nothing', 404],
  ])('%s %s: %i, with a token or without, right or wrong', async (method, path, status) => {
    for (const headers of [{}, bearer('x'), bearer(fixture.tokens.nothing)]) {
      const response = await fetch(`${fixture.gateway.http}${path}`, { method, headers });
      expect(response.status).toBe(status);
    }
  });

  test('GraphiQL is, but not what it asks for', async () => {
    const page = await fetch(`${fixture.gateway.http}/graphql`, { headers: { accept: 'text/html' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const asset = /\/graphiql\/assets\/[^"]+/.exec(await page.text())![0];
    expect((await fetch(`${fixture.gateway.http}${asset}`)).status).toBe(200);
    expect(await graphql('{ __schema { queryType { name } } }')({})).toBe('401 unauthorized');
    const byGet = http('GET', '/graphql?query={streamIds}', undefined, { accept: 'text/html' });
    expect(await byGet({})).toBe('401 unauthorized');
  });
});

describe('where a token may stand', () => {
  const { OPEN } = WebSocket;

  function connect(path: string, subprotocols: string[]): Promise<WebSocket> {
    const ws = new WebSocket(`${fixture.gateway.ws}${path}`, subprotocols);
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(ws));
      ws.once('error', reject);
    });
  }

  test('among the subprotocols, of which another is chosen', async () => {
    const offered = [`bearer.${fixture.tokens.all}`, 'streamgate', 'other'];
    for (const path of ['/data/x/push', '/data/x/pull', '/data/x/pull?header=0']) {
      for (const [protocols, chosen] of [
        [offered, 'streamgate'],
        [[...offered].reverse(), 'other'],
      ] as const) {
        const ws = await connect(path, [...protocols]);
        expect([ws.readyState, ws.protocol]).toEqual([OPEN, chosen]);
        ws.terminate();
      }
    }
    const ws = await connect('/graphql', [`bearer.${fixture.tokens.all}`, SUBPROTOCOL]);
    expect(ws.protocol).toBe(SUBPROTOCOL);
    ws.terminate();
    const bad = ['bearer.x', 'streamgate'];
    await expect(connect('/data/x/pull', bad)).rejects.toThrow('401');
    await expect(connect('/graphql', ['bearer.x', SUBPROTOCOL])).rejects.toThrow('401');
    await expect(connect('/data/x/pull', ['bearer.', 'streamgate'])).rejects.toThrow('401');
  });

  test('it is never said back, though nothing else was offered', async () => {
    const { port } = fixture.gateway;
    const answer = await sendRaw(
      port,
      `GET /data/x/pull HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
        `Sec-WebSocket-Protocol: bearer.${fixture.tokens.all}\r\n\r\n`,
    );
    expect(answer!.status).toBe(101);
    expect(JSON.stringify(answer)).not.toContain('bearer');
    expect(answer!.headers).not.toHaveProperty('sec-websocket-protocol');
  });

  test('in connection_init, under any of its names', async () => {
    const { all, nothing } = fixture.tokens;
    const query = 'query { streamIds }';
    for (const init of [
      { token: all },
      { Token: all },
      { authorization: `Bearer ${all}` },
      { Authorization: `bearer ${all}` },
      { authorization: all },
      { other: 1, token: all },
    ]) {
      const connection = await GraphqlSocket.open(fixture.gateway, { init });
      expect(await connection.run(query).next()).toEqual({ streamIds: expect.any(Array) });
      await connection.close();
    }
    for (const init of [
      undefined,
      {},
      { token: 1 },
      { token: '' },
      { token: 'x' },
      { authorization: 'Basic x' },
    ]) {
      await expect(GraphqlSocket.open(fixture.gateway, init === undefined ? {} : { init })).rejects.toThrow(
        'closed: 4401',
      );
    }
    // What comes with connection_init goes before what came with the request.
    const headers = bearer(all);
    const weaker = await GraphqlSocket.open(fixture.gateway, { headers, init: { token: nothing } });
    expect(await weaker.run<{ streamIds: string[] }>(query).next()).toEqual({ streamIds: [] });
    await weaker.close();
    await expect(GraphqlSocket.open(fixture.gateway, { headers, init: { token: 'x' } })).rejects.toThrow(
      '4401',
    );
  });

  test('not in the query', async () => {
    const { all } = fixture.tokens;
    expect(await http('GET', `/data/x?block=-1&token=${all}`)({})).toBe('401 unauthorized');
    expect(await socket(`/data/x/pull?token=${all}`)({})).toBe('401 unauthorized');
  });

  test('a request with two is closed, and non-ASCII is none', async () => {
    const { port } = fixture.gateway;
    const send = (headers: string) =>
      sendRaw(port, `GET /data/x?block=-1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}\r\n`);
    const good = `Authorization: Bearer ${fixture.tokens.all}\r\n`;
    expect(await send(good)).toMatchObject({ status: 200 });
    expect(await send(`${good}Authorization: Bearer x\r\n`)).not.toMatchObject({ status: 200 });
    const strange = await send('Authorization: Bearer é漢\r\n');
    if (strange !== undefined) expect([400, 401]).toContain(strange.status);
  });
});

describe('JWTs', () => {
  const sign = (claim: unknown, secret = JWT_SECRET) =>
    new SignJWT({ streamgate: claim, sub: 'somebody' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(secret));

  test.each<[string, unknown, Outcome, Outcome]>([
    ['all', { rights: [{ actions: ['read', 'write'] }] }, GOOD, GOOD],
    ['one action', { rights: [{ actions: ['write'] }] }, '403 forbidden', GOOD],
    [
      'another device',
      { rights: [{ device: 'cam2', actions: ['read', 'write'] }] },
      '403 forbidden',
      '403 forbidden',
    ],
    ['a wall', { device: DEVICE, rights: [{ actions: ['read', 'write'] }] }, GOOD, GOOD],
    [
      'another wall',
      { device: 'cam2', rights: [{ actions: ['read', 'write'] }] },
      '403 forbidden',
      '403 forbidden',
    ],
    ['nothing', undefined, '403 forbidden', '403 forbidden'],
    ['what is no claim', 'all', '403 forbidden', '403 forbidden'],
    [
      'a misspelt wall',
      { devices: DEVICE, rights: [{ actions: ['read'] }] },
      '403 forbidden',
      '403 forbidden',
    ],
  ])('that allow %s', async (_, claim, read, write) => {
    const headers = bearer(await sign(claim));
    expect(await http('GET', `/data/x?last_entry_id=0&${D}`)(headers)).toBe(read);
    expect(await socket(`/data/x/pull?${D}`)(headers)).toBe(read);
    expect(await http('POST', `/data/x?${D}`, 'y')(headers)).toBe(write);
    // One whose body comes in many pieces, and is read before it is known whether it may be.
    expect(await http('POST', `/data/big?${D}`, 'y'.repeat(1_000_000))(headers)).toBe(write);
    expect(await socket(`/data/x/push?${D}`)(headers)).toBe(write);
  });

  test('by another secret are refused, whatever the body', async () => {
    const headers = bearer(await sign({ rights: [{ actions: ['read', 'write'] }] }, `${JWT_SECRET}!`));
    const before = await fixture.redis.client.dbsize();
    expect(await http('POST', '/data/refused', 'y')(headers)).toBe('401 invalid_token');
    expect(await http('POST', '/data/refused', 'y'.repeat(1_000_000))(headers)).toBe('401 invalid_token');
    expect(await http('GET', '/data/x?block=-1')(headers)).toBe('401 invalid_token');
    expect(await socket('/data/x/push')(headers)).toBe('401 invalid_token');
    expect(await graphql('{ streamIds }')(headers)).toBe('401 invalid_token');
    expect(await fixture.redis.client.dbsize()).toBe(before);
  });

  test('what they post is stored whole, though they are checked meanwhile', async () => {
    const headers = bearer(await sign({ rights: [{ actions: ['read', 'write'] }] }));
    for (const size of [0, 1, 100, 100_000, 3_000_000]) {
      const body = Buffer.alloc(size, String(size));
      const response = await fetch(`${fixture.gateway.http}/data/jwt-${size}`, {
        method: 'POST',
        headers,
        body,
      });
      expect(response.status).toBe(200);
      const [[, fields]] = (await fixture.redis.client.callBuffer(
        'XRANGE',
        `default:jwt-${size}`,
        '-',
        '+',
      )) as [[Buffer, Buffer[]]];
      expect(fields[1]!.equals(body)).toBe(true);
    }
  });
});
