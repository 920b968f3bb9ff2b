/** The description against the gateway that runs: limits of parameters, statuses, headers, bodies, samples. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { createDocument } from '../../src/openapi/document.js';
import type { Operation, Parameter, Schema } from '../../src/openapi/model.js';
import { VERSION } from '../../src/version.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { FORM_TYPE, postEntries, sendRaw } from '../support/http.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';

const description = createDocument(VERSION);

interface Located {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

const OPERATIONS: readonly Located[] = Object.entries(description.paths).flatMap(([path, item]) =>
  (Object.entries(item) as [string, Operation][]).map(([method, operation]) => ({ path, method, operation })),
);
const operationOf = (id: string) => OPERATIONS.find(({ operation }) => operation.operationId === id)!;

let redis: TestRedis;
let gateway: GatewayProcess;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGatewayProcess({ REDIS_URL: redis.url });
  await postEntries(`${gateway.http}/data/cam`, '{"n": 1}');
  await redis.client.set('default:text', 'no stream');
});

afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

/** What makes a WebSocket of a GET (RFC 6455 §4.1). */
const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** As bytes, since no client sends all of these; an answer without an end is read as far as its headers. */
async function ask({ method, path, headers = {}, body }: Asked): Promise<Answered> {
  const lines = Object.entries({
    host: '127.0.0.1',
    ...(body === undefined ? {} : { 'content-length': String(body.length) }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`;
  const answer = await sendRaw(gateway.port, request);
  if (answer === undefined) throw new Error(`no answer to ${method} ${path}`);
  return answer;
}

describe('parameters', () => {
  /** What a request needs besides, so that it is not refused, or not made to wait, for another reason. */
  const BESIDES: Record<string, Readonly<Record<string, string>>> = {
    appendEntries: {},
    readEntries: { last_entry_id: '0', block: '-1' },
    latestEntry: { block: '-1' },
    playPictures: {},
    followEvents: {},
    overview: {},
    pushEntries: { ack: '1' },
    followStreams: {},
  };
  /** What cannot be given with it. */
  const INSTEAD: Record<string, string> = { from: 'last_entry_id' };
  /** Not refused by `bad_parameter`, which is for forms, but by `bad_name`. */
  const NAMES = ['device_id', 'prefix'];

  /** Asks an operation with one parameter. */
  function askWith({ path, method, operation }: Located, name: string, value: string): Promise<Answered> {
    const query = new URLSearchParams({ ...BESIDES[operation.operationId], [name]: value });
    if (name in INSTEAD) query.delete(INSTEAD[name]!);
    return ask({
      method: method.toUpperCase(),
      path: `${path.replace('{sid}', 'cam')}?${query}`,
      ...(operation['x-websocket'] === undefined ? {} : { headers: UPGRADE }),
      ...(method === 'post' ? { body: 'x' } : {}),
    });
  }

  const fits = ({ pattern = '', minLength = 0, maxLength = Infinity }: Schema, text: string) =>
    text.length >= Number(minLength) &&
    text.length <= Number(maxLength) &&
    new RegExp(String(pattern)).test(text);
  const TEXTS = [
    ...['', 'a+b', 'a:b', 'abc', '1-2', '0', '-', '$', '1-2-3', '\n', 'x'.repeat(513)],
    ...['2026-11-22', '2026-11-22T14:00Z', '2026-11-22 14:00:00.5+01:00', '22.11.2026'],
  ];

  /** Values in the schema's own terms: at its limits, and just beyond. */
  function valuesOf(schema: Schema): { readonly good: readonly string[]; readonly bad: readonly string[] } {
    const { type, enum: words, minimum = 0, maximum } = schema;
    if (Array.isArray(words)) return { good: words.map(String), bad: ['', 'neither'] };
    if (type === 'boolean') return { good: ['true', 'false'], bad: ['', 'neither', '2'] };
    if (type === 'integer' || type === 'number') {
      const limits = [String(minimum), ...(maximum === undefined ? [] : [String(maximum)])];
      const beyond = [
        String(Number(minimum) - 1),
        ...(maximum === undefined ? [] : [String(Number(maximum) + 1)]),
      ];
      return {
        good: type === 'number' ? [...limits, '0.5'] : limits,
        bad: ['', 'x', ...beyond, ...(type === 'integer' ? ['1.5'] : [])],
      };
    }
    const texts = [
      ...TEXTS,
      ...(schema.maxLength === undefined ? [] : ['x'.repeat(Number(schema.maxLength) + 1)]),
    ];
    return {
      good: texts.filter((text) => fits(schema, text)),
      bad: texts.filter((text) => !fits(schema, text)),
    };
  }

  const all = OPERATIONS.filter(({ operation }) => operation.operationId in BESIDES).flatMap((located) =>
    located.operation
      .parameters!.filter((parameter: Parameter) => parameter.in === 'query')
      .map((parameter) => ({ id: located.operation.operationId, name: parameter.name, located, parameter })),
  );

  test.each(all)(
    '$name of $id: what its schema refuses is refused, by its name',
    async ({ located, parameter }) => {
      const { name, schema } = parameter;
      const { bad } = valuesOf(schema);
      expect(bad.length).toBeGreaterThan(0);
      for (const value of bad) {
        const { status, body } = await askWith(located, name, value);
        expect([value, status]).toEqual([value, 400]);
        if (NAMES.includes(name)) expect(JSON.parse(body).code).toBe('bad_name');
        else
          expect(JSON.parse(body)).toMatchObject({
            code: 'bad_parameter',
            error: expect.stringContaining(name),
          });
      }
    },
  );

  test.each(all)('$name of $id: what its schema allows is taken', async ({ located, parameter }) => {
    const { name, schema } = parameter;
    for (const value of valuesOf(schema).good) {
      const { status, body } = await askWith(located, name, value);
      // Nothing is stored where the name leads.
      if (status === 404) continue;
      expect([value, status === 400 ? body : '']).toEqual([value, '']);
      expect(Object.keys(located.operation.responses)).toContain(String(status));
    }
  });
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

describe('answers', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(description, 'description');

  /** A pointer into the description (RFC 6901). */
  const pointer = (...keys: readonly string[]) =>
    keys.map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');

  test.each(REQUESTS)('%s: %i', async (id, status, request) => {
    const { path, method, operation } = operationOf(id);
    const answer = await ask({ method: method.toUpperCase(), path, ...request });
    expect([answer.status, answer.status === status ? '' : answer.body]).toEqual([status, '']);
    const response = operation.responses[String(status)]!;
    expect(response).toBeDefined();

    for (const [name, { required, schema }] of Object.entries(response.headers ?? {})) {
      if (required) expect(answer.headers).toHaveProperty([name]);
      if (name in answer.headers && 'const' in schema) expect(answer.headers[name]).toBe(schema.const);
    }
    const own = Object.keys(answer.headers).filter(
      (name) => name.startsWith('x-') && !OF_HTTP.includes(name),
    );
    for (const name of own) expect(response.headers).toHaveProperty([name]);

    const type = (answer.headers['content-type'] ?? '').split(';')[0]!;
    if (type === '') return;
    const types = Object.keys(response.content ?? {});
    expect(types.includes('*/*') ? [type] : types).toContain(type);
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
    expect(OPERATIONS.map(({ operation }) => operation.operationId).filter((id) => !asked.has(id))).toEqual(
      [],
    );
  });

  test('/openapi.json is the description, asked for again each time', async () => {
    const answer = await fetch(`${gateway.http}/openapi.json`, {
      headers: { origin: 'http://localhost:5173' },
    });
    expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(description)));
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(answer.headers.get('access-control-allow-origin')).toBe('http://localhost:5173');
  });
});

describe('samples', () => {
  const run = promisify(execFile);
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sg-samples-'));
    for (const name of ['frame.jpg', 'a.jpg', 'b.jpg'])
      await writeFile(join(folder, name), `bytes of ${name}`);
    // What is refused ends curl with an error.
    await writeFile(join(folder, '.curlrc'), 'silent\nfail-with-body\nmax-time = 20\n');
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Whoever waits for the next entry gets one. */
  async function whileFed<T>(work: () => Promise<T>): Promise<T> {
    const address = `${gateway.http}/data/cam`;
    const feeding = setInterval(() => void fetch(address, { method: 'POST', body: 'x' }), 100);
    try {
      return await work();
    } finally {
      clearInterval(feeding);
    }
  }

  const sources = OPERATIONS.flatMap(({ operation }) =>
    (operation['x-codeSamples'] ?? [])
      .filter(({ lang }) => lang === 'curl')
      .map(({ source }) => source.replaceAll('http://localhost:8000', '$GATEWAY')),
  );

  test.each(sources)('%s', async (source) => {
    // Single quotes keep the shell from putting an address in.
    const command = source.replaceAll(/'([^']*\$GATEWAY[^']*)'/g, '"$1"');
    const env = { ...process.env, CURL_HOME: folder, GATEWAY: gateway.http };
    const { stdout } = await whileFed(() => run('sh', ['-c', command], { cwd: folder, env }));
    expect(stdout).not.toContain('"errors":[');
  });

  /** Runs the operation's JavaScript; what it hands to one of `told` is the result. */
  async function runScript(id: string, names: Record<string, unknown>, told: string): Promise<unknown[]> {
    const { source } = operationOf(id).operation['x-codeSamples']!.find(({ lang }) => lang === 'JavaScript')!;
    const sockets: WebSocket[] = [];
    class OwnSocket extends WebSocket {
      constructor(address: string) {
        super(address);
        sockets.push(this);
      }
    }
    const result = new Promise<unknown[]>((resolve) => {
      const tell = (...values: unknown[]) => resolve(values);
      const given = { WebSocket: OwnSocket, ...names, [told]: told === 'console' ? { log: tell } : tell };
      const here = source.replaceAll('localhost:8000', `127.0.0.1:${gateway.port}`);
      new Function(...Object.keys(given), here)(...Object.values(given));
    });
    try {
      return await whileFed(() => result);
    } finally {
      for (const socket of sockets) socket.close();
    }
  }

  test('JavaScript that pushes', async () => {
    const frame = new TextEncoder().encode('bytes').buffer;
    expect(await runScript('pushEntries', { frame }, 'console')).toEqual([
      'stored as',
      [expect.stringMatching(/^\d+-\d+$/)],
    ]);
  });

  test('JavaScript that pulls', async () => {
    const [shown] = await runScript('followStreams', {}, 'show');
    expect(Buffer.from(shown as ArrayBuffer).toString()).toBe('x');
  });
});
