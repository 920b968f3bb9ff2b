/** Every address of the gateway, once. */
import uws, { type TemplatedApp, type WebSocketBehavior } from 'uWebSockets.js';
import { Failure } from '../errors.js';
import type { GatewayContext } from './context.js';
import { getData } from './data-get.js';
import { postData } from './data-post.js';
import { pullBehavior } from './data-pull.js';
import { pushBehavior } from './data-push.js';
import { GraphqlEndpoint } from './graphql-endpoint.js';
import { createGraphqlHandler } from './graphql-http.js';
import { graphqlBehavior } from './graphql-socket.js';
import { healthz, readyz } from './health.js';
import { endpoint, type HttpExchange } from './http-exchange.js';
import { createMetrics, metrics } from './metrics.js';
import type { Site } from './site.js';

const DATA = '/data/:sid';
const PUSH = '/data/:sid/push';
const PULL = '/data/:sid/pull';
const GRAPHQL = '/graphql';
const GRAPHIQL_ASSETS = '/graphiql/assets/:name';

const GREETING = `streamgate: Redis Streams behind REST, binary WebSockets and GraphQL.

POST /data/{sid}           store entries: a form's parts named 'entries', or the raw body
GET  /data/{sid}           read entries after last_entry_id
WS   /data/{sid}/push      send entries
WS   /data/{sid}/pull      follow a stream
GET  /graphql              GraphQL; in a browser its explorer
GET  /healthz /readyz /metrics
`;

/** @param graphiql what a browser is given at `/graphql`, and its files below `/graphiql/` */
export function createApp(context: GatewayContext, graphiql: Site): TemplatedApp {
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

  const connect = <T>(pattern: string, behavior: WebSocketBehavior<T>) => {
    app.ws(pattern, behavior);
    app.ws(`${pattern}/`, behavior);
  };

  connect(PUSH, pushBehavior(context));
  connect(PULL, pullBehavior(context));
  respond(PUSH, { get: refuseWithoutUpgrade });
  respond(PULL, { get: refuseWithoutUpgrade });
  const graphql = new GraphqlEndpoint(context);
  connect(GRAPHQL, graphqlBehavior(context, graphql));
  const answerGraphql = createGraphqlHandler(context, graphql);
  respond(GRAPHQL, {
    get: (exchange) => {
      const isBrowser = exchange.query === '' && exchange.header('accept').includes('text/html');
      return isBrowser && graphiql.hasIndex ? graphiql.answerIndex(exchange) : answerGraphql(exchange);
    },
    post: answerGraphql,
  });
  respond(GRAPHIQL_ASSETS, {
    get: (exchange, req) => {
      if (graphiql.answerFile(exchange, `assets/${req.getParameter(0)}`)) return;
      throw new Failure('not_found', 'GraphiQL has no such file');
    },
  });
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
