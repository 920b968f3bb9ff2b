/** What is described is what the gateway listens at, and the other way round. */
import type { TemplatedApp } from 'uWebSockets.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GatewayContext } from '../../src/server/context.js';
import type { Pages } from '../../src/server/endpoints/pages.js';
import { createRoutes } from '../../src/server/routes.js';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { startRedis, type TestRedis } from '../support/redis-server.js';
import { DESCRIPTION } from './described.js';

const { paths } = DESCRIPTION;

/** Is whatever is asked of it: the routes need parts only once a request comes. */
function anything(): object {
  const whatever: object = new Proxy(() => {}, {
    get: (_target, name) => (name === Symbol.toPrimitive ? () => 0 : whatever),
    apply: () => whatever,
    construct: () => whatever,
  });
  return whatever;
}

/** The addresses that an app is given, `:name` written `{name}`; a trailing slash is the same address. */
function registered(): { readonly http: string[]; readonly sockets: string[] } {
  const http = new Set<string>();
  const sockets = new Set<string>();
  const note = (into: Set<string>) => (pattern: string) => {
    into.add(pattern.replace(/(?<=.)\/$/, '').replace(/:(\w+)/g, '{$1}'));
  };
  const app = { any: note(http), ws: note(sockets) } as unknown as TemplatedApp;
  const pages = Object.fromEntries(['live', 'graphiql', 'docs'].map((name) => [name, { name }]));
  createRoutes(anything() as GatewayContext, pages as unknown as Pages)(app);
  return { http: [...http].sort(), sockets: [...sockets].sort() };
}

/** What the pages load, and what answers all else. */
const NOT_DESCRIBED = /\/assets\/\{name\}$|^\/\*$/;

test('every address is described, and none besides', () => {
  const { http } = registered();
  expect(http.length).toBeGreaterThan(10);
  expect(Object.keys(paths).sort()).toEqual(http.filter((path) => !NOT_DESCRIBED.test(path)));
});

test('every WebSocket is described, and none besides', () => {
  const described = Object.entries(paths).filter(([, { get }]) => get?.['x-websocket'] !== undefined);
  expect(described.map(([path]) => path).sort()).toEqual(registered().sockets);
  for (const [, { get }] of described) expect(get!.responses).toHaveProperty('101');
});

describe('the methods', () => {
  let redis: TestRedis;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    redis = await startRedis();
    gateway = await startGatewayProcess({ REDIS_URL: redis.url });
  });

  afterAll(async () => {
    await gateway?.stop();
    await redis?.stop();
  });

  test.each(Object.entries(paths))('of %s', async (path, item) => {
    const answer = await fetch(`${gateway.http}${path.replace('{sid}', 'cam')}`, { method: 'OPTIONS' });
    const described = Object.keys(item).flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : ['POST']));
    expect(answer.status).toBe(204);
    expect(answer.headers.get('allow')!.split(', ').sort()).toEqual(['OPTIONS', ...described].sort());
  });
});
