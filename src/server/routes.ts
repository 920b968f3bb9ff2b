/** Every address of the gateway, once. */
import uws, { type TemplatedApp } from 'uWebSockets.js';
import { Failure } from '../errors.js';
import type { GatewayContext } from './context.js';
import { getData } from './data-get.js';
import { postData } from './data-post.js';
import { pullBehavior } from './data-pull.js';
import { pushBehavior } from './data-push.js';
import { healthz, readyz } from './health.js';
import { endpoint, type HttpExchange } from './http-exchange.js';
import { createMetrics, metrics } from './metrics.js';

const DATA = '/data/:sid';
const PUSH = '/data/:sid/push';
const PULL = '/data/:sid/pull';

const GREETING = `streamgate: Redis Streams behind REST and binary WebSockets.

POST /data/{sid}           store entries: a form's parts named 'entries', or the raw body
GET  /data/{sid}           read entries after last_entry_id
WS   /data/{sid}/push      send entries
WS   /data/{sid}/pull      follow a stream
GET  /healthz /readyz /metrics
`;

export function createApp(context: GatewayContext): TemplatedApp {
  const app = uws.App();
  const registry = createMetrics(context);

  const respond = (pattern: string, methods: Partial<Record<'get' | 'post', Endpoint>>) => {
    const allowed = ['OPTIONS', ...(methods.get ? ['GET', 'HEAD'] : []), ...(methods.post ? ['POST'] : [])];
    // A trailing slash is the same address.
    for (const path of pattern === '/' ? [pattern] : [pattern, `${pattern}/`]) {
      app.any(
        path,
        endpoint(context, (exchange, req) => {
          const { method } = exchange;
          const run = method === 'head' ? methods.get : methods[method as 'get' | 'post'];
          if (run !== undefined) return run(exchange, req);
          return method === 'options'
            ? answerOptions(context, exchange, allowed)
            : refuseMethod(exchange, allowed);
        }),
      );
    }
  };

  for (const [path, behavior] of [
    [PUSH, pushBehavior(context)],
    [PULL, pullBehavior(context)],
  ] as const) {
    app.ws(path, behavior as ReturnType<typeof pullBehavior>);
    app.ws(`${path}/`, behavior as ReturnType<typeof pullBehavior>);
    respond(path, { get: refuseWithoutUpgrade });
  }
  respond(DATA, {
    get: (exchange, req) => getData(context, exchange, req),
    post: (exchange, req) => postData(context, exchange, req),
  });
  respond('/healthz', { get: (exchange) => healthz(context, exchange) });
  respond('/readyz', { get: (exchange) => readyz(context, exchange) });
  respond('/metrics', { get: (exchange) => metrics(registry, exchange) });
  respond('/', { get: (exchange) => exchange.answer({ type: 'text/plain; charset=utf-8', body: GREETING }) });
  app.any(
    '/*',
    endpoint(context, ({ path }) => {
      throw new Failure('not_found', `there is nothing at ${path.slice(0, 200)}`);
    }),
  );
  return app;
}

type Endpoint = (exchange: HttpExchange, req: Parameters<typeof getData>[2]) => void | Promise<void>;

function refuseWithoutUpgrade(exchange: HttpExchange): void {
  exchange.fail(new Failure('upgrade_required', 'this address is for WebSockets'), [
    ['upgrade', 'websocket'],
  ]);
}

function answerOptions(context: GatewayContext, exchange: HttpExchange, allowed: readonly string[]): void {
  const methods = allowed.join(', ');
  exchange.answer({
    status: 204,
    headers: [
      ['allow', methods],
      ...(exchange.header('origin') === '' ? [] : context.origins.preflightHeaders(methods)),
    ],
  });
}

function refuseMethod(exchange: HttpExchange, allowed: readonly string[]): void {
  exchange.fail(new Failure('method_not_allowed', `${exchange.method.toUpperCase()} is not allowed here`), [
    ['allow', allowed.join(', ')],
  ]);
}
