/** Described answers against those of the gateway that runs: statuses, headers, media types and bodies. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { FORM_TYPE, postEntries } from '../support/http.js';
import { type Asked, ask, DESCRIPTION, OPERATIONS, operationOf, UPGRADE } from './described.js';

const { redis, gateway } = await startForFile();

beforeAll(async () => {
  await postEntries(`${gateway.http}/data/cam`, '{"n": 1}');
  await redis.client.set('default:text', 'no stream');
});

/** In which a request that is not valid has a status of its own. */
const GRAPHQL_JSON = 'application/graphql-response+json';

/** A request for each operation, and some that are refused. */
const REQUESTS: readonly (readonly [id: string, status: number, request: Partial<Asked>])[] = [
  ['readEntries', 200, { path: '/data/cam?last_entry_id=0' }],
  ['readEntries', 200, { path: '/data/cam?block=-1' }],
  ['readEntries', 200, { path: '/data/cam?last_entry_id=0', headers: { accept: 'application/msgpack' } }],
  ['readEntries', 400, { path: '/data/a%2Bb' }],
  ['readEntries', 403, { path: '/data/cam', headers: { origin: 'https://elsewhere.example' } }],
  ['readEntries', 409, { path: '/data/text?last_entry_id=0' }],
  ['readEntries', 421, { path: '/data/cam', headers: { host: 'elsewhere.example' } }],
  ['latestEntry', 200, { path: '/data/cam/latest' }],
  ['latestEntry', 204, { path: '/data/cam/latest?after=$&block=-1' }],
  ['latestEntry', 304, { path: '/data/cam/latest', headers: { 'if-none-match': '*' } }],
  ['latestEntry', 400, { path: '/data/cam/latest?at=0&after=0' }],
  ['latestEntry', 404, { path: '/data/nothing/latest' }],
  ['latestEntry', 409, { path: '/data/text/latest' }],
  ['playPictures', 200, { path: '/data/cam/mjpeg' }],
  ['playPictures', 409, { path: '/data/text/mjpeg' }],
  ['followEvents', 200, { path: '/data/cam/events' }],
  ['followEvents', 409, { path: '/data/text/events' }],
  ['overview', 200, { path: '/overview' }],
  ['appendEntries', 200, { path: '/data/cam', body: 'x' }],
  ['appendEntries', 400, { path: '/data/cam', body: 'x', headers: { 'content-type': FORM_TYPE } }],
  ['appendEntries', 403, { path: '/data/:event', body: 'x' }],
  ['appendEntries', 409, { path: '/data/text', body: 'x' }],
  ['appendEntries', 411, { path: '/data/cam' }],
  ['appendEntries', 413, { path: '/data/cam', headers: { 'content-length': '999999999' } }],
  ['appendEntries', 415, { path: '/data/cam', body: 'x', headers: { 'content-encoding': 'gzip' } }],
  ['appendEntries', 504, { path: '/data/cam?min_replicas=1', body: 'x' }],
  ['pushEntries', 101, { path: '/data/cam/push', headers: UPGRADE }],
  ['pushEntries', 403, { path: '/data/:event/push', headers: UPGRADE }],
  ['pushEntries', 426, { path: '/data/cam/push' }],
  ['followStreams', 101, { path: '/data/cam/pull', headers: UPGRADE }],
  ['followStreams', 409, { path: '/data/text/pull', headers: UPGRADE }],
  ['followStreams', 426, { path: '/data/cam/pull' }],
  ['graphqlQuery', 101, { headers: { ...UPGRADE, 'sec-websocket-protocol': 'graphql-transport-ws' } }],
  ['graphqlQuery', 200, { path: '/graphql?query={streamIds}' }],
  ['graphqlQuery', 200, { headers: { accept: 'text/html' } }],
  ['graphqlQuery', 200, { path: '/graphql?query={' }],
  ['graphqlQuery', 400, { path: '/graphql?query={', headers: { accept: GRAPHQL_JSON } }],
  ['graphqlQuery', 406, { path: '/graphql?query={streamIds}', headers: { accept: 'image/png' } }],
  [
    'graphqlRequest',
    200,
    { headers: { 'content-type': 'application/json' }, body: '{"query": "{ streamIds }"}' },
  ],
  ['graphqlRequest', 400, { headers: { 'content-type': 'application/json' }, body: '{"query": 1}' }],
  ['graphqlRequest', 415, { headers: { 'content-type': 'text/plain' }, body: '{ streamIds }' }],
  ['start', 200, {}],
  ['start', 200, { headers: { accept: 'text/html' } }],
  ['healthz', 200, {}],
  ['readyz', 200, {}],
  ['metrics', 200, {}],
  ['openapi', 200, {}],
  ['docs', 200, {}],
];

/** What any answer may have. */
const OF_HTTP = ['x-content-type-options'];

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(DESCRIPTION, 'description');

/** A pointer into the description (RFC 6901). */
const pointer = (...keys: readonly string[]) =>
  keys.map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

test.each(REQUESTS)('%s: %i', async (id, status, request) => {
  const { path, method, operation } = operationOf(id);
  const answer = await ask(gateway.port, { method, path, ...request });
  expect([answer.status, answer.status === status ? '' : answer.body]).toEqual([status, '']);
  const response = operation.responses[String(status)]!;
  expect(response).toBeDefined();

  for (const [name, { required, schema }] of Object.entries(response.headers ?? {})) {
    if (required) expect(answer.headers).toHaveProperty([name]);
    if (name in answer.headers && 'const' in schema) expect(answer.headers[name]).toBe(schema.const);
  }
  const own = Object.keys(answer.headers).filter((name) => name.startsWith('x-') && !OF_HTTP.includes(name));
  for (const name of own) expect(response.headers).toHaveProperty([name]);

  const type = (answer.headers['content-type'] ?? '').split(';')[0]!;
  if (type === '') return;
  const types = Object.keys(response.content ?? {});
  if (types.includes('*/*')) return;
  expect(types).toContain(type);
  if (!type.includes('json')) return;
  const place = pointer('paths', path, method, 'responses', String(status), 'content', type, 'schema');
  const check = ajv.compile({ $ref: `description#${place}` });
  check(JSON.parse(answer.body));
  expect(check.errors ?? []).toEqual([]);
});

test('an event of /overview is an Overview', async () => {
  const leaving = new AbortController();
  const answer = await fetch(`${gateway.http}/overview?filter=default:cam`, { signal: leaving.signal });
  let text = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (/^event: overview\ndata: .*\n\n/m.test(text)) break;
  }
  leaving.abort();
  const body = JSON.parse(/^data: (.*)$/m.exec(text)![1]!);
  expect(body.streams).toMatchObject([{ key: 'default:cam', sid: 'cam' }]);
  const check = ajv.compile({ $ref: `description#${pointer('components', 'schemas', 'Overview')}` });
  check(body);
  expect(check.errors ?? []).toEqual([]);
});

test('there is a request for each operation', () => {
  const asked = new Set(REQUESTS.map(([id]) => id));
  expect(OPERATIONS.map(({ id }) => id).filter((id) => !asked.has(id))).toEqual([]);
});

test('/openapi.json is the description, asked for again each time', async () => {
  const answer = await fetch(`${gateway.http}/openapi.json`, {
    headers: { origin: 'http://localhost:5173' },
  });
  expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(DESCRIPTION)));
  expect(answer.headers.get('cache-control')).toBe('no-cache');
  expect(answer.headers.get('content-encoding')).toBe('gzip');
  expect(answer.headers.get('access-control-allow-origin')).toBe('http://localhost:5173');
});
