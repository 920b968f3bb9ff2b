/** Every address of the gateway, once. */
import type { TemplatedApp, WebSocketBehavior } from 'uWebSockets.js';
import type { Registry } from 'prom-client';
import type { Grant } from '../access/grant.js';
import type { Rights } from '../access/rights.js';
import { Failure } from '../errors.js';
import { Overview } from '../streams/overview.js';
import { type Handler, withBody, withGrant } from './authorize.js';
import type { ClientSocket } from './client-socket.js';
import type { GatewayContext } from './context.js';
import { getEvents } from './data-events.js';
import { getData } from './data-get.js';
import { getLatest } from './data-latest.js';
import { getMjpeg } from './data-mjpeg.js';
import { postData } from './data-post.js';
import { preparePull, pullBehavior } from './data-pull.js';
import { preparePush, pushBehavior } from './data-push.js';
import { GraphqlEndpoint } from './graphql-endpoint.js';
import { createGraphqlHandlers } from './graphql-http.js';
import { graphqlBehavior } from './graphql-socket.js';
import { healthz, readyz } from './health.js';
import { type Duty, endpoint, type Header, type HttpExchange } from './http-exchange.js';
import { createMetrics, metrics } from './metrics.js';
import { getOverview } from './overview.js';
import { type Pages, wantsPage } from './pages.js';
import { refuseWithoutUpgrade } from './socket-upgrade.js';

const DATA = '/data/:sid';
const PUSH = '/data/:sid/push';
const PULL = '/data/:sid/pull';
const LATEST = '/data/:sid/latest';
const MJPEG = '/data/:sid/mjpeg';
const EVENTS = '/data/:sid/events';
const GRAPHQL = '/graphql';

/** A browser is given a page there. */
const VARIES: Header = ['vary', 'accept'];

const GREETING = `streamgate: Redis Streams behind REST, binary WebSockets and GraphQL.

POST /data/{sid}           store entries: a form's parts named 'entries', or the raw body
GET  /data/{sid}           read entries after last_entry_id
WS   /data/{sid}/push      send entries
GET  /data/{sid}/latest    the newest entry under its own media type
GET  /data/{sid}/mjpeg     a stream's pictures as they come, for <img>
GET  /data/{sid}/events    entries as server-sent events
WS   /data/{sid}/pull      follow a stream
GET  /graphql              GraphQL; in a browser its explorer
GET  /                     this; in a browser the live page
GET  /overview             devices and streams once a second, as server-sent events
GET  /healthz /readyz /metrics
`;

/**
 * What all apps of the gateway share: with new certificates there is a new one.
 * @param pages what a browser is given, and its files below `/NAME/assets/`
 * @returns gives an app its routes
 */
export function createRoutes(context: GatewayContext, pages: Pages): (app: TemplatedApp) => void {
  const registry = createMetrics(context);
  const graphql = new GraphqlEndpoint(context);
  const devicePrefixing = !context.config.DISABLE_MULTI_DEVICE_PREFIXING;
  const overview = new Overview({ ...context, devicePrefixing });
  return (app) => addRoutes(app, context, { pages, registry, graphql, overview });
}

/** What every WebSocket has, once it is open. */
interface OpenedSocket {
  socket?: ClientSocket;
  /** Whose connection it is: `upgradeSocket` notes it. */
  readonly address?: string;
}

/** Answers with what a stream holds. */
type View = (context: GatewayContext, exchange: HttpExchange, grant: Grant, sid: string) => Promise<void>;

interface Shared {
  readonly pages: Pages;
  readonly registry: Registry;
  readonly graphql: GraphqlEndpoint;
  readonly overview: Overview;
}

function addRoutes(app: TemplatedApp, context: GatewayContext, shared: Shared): void {
  const { pages, registry, graphql, overview } = shared;
  context.connections.watch(app);
  const respond = (
    pattern: string,
    methods: Partial<Record<'get' | 'post', Handler>>,
    duty: Duty = 'work',
  ) => {
    const allowed = ['OPTIONS', ...(methods.get ? ['GET', 'HEAD'] : []), ...(methods.post ? ['POST'] : [])];
    // A trailing slash is the same address.
    for (const path of pattern === '/' ? [pattern] : [pattern, `${pattern}/`]) {
      app.any(
        path,
        endpoint(
          context,
          (exchange, req) => {
            const { method } = exchange;
            const run = method === 'head' ? methods.get : methods[method as 'get' | 'post'];
            if (run !== undefined) return run(exchange, req.getParameter(0) ?? '');
            return method === 'options'
              ? answerOptions(context, exchange, allowed)
              : refuseMethod(exchange, allowed);
          },
          duty,
        ),
      );
    }
  };

  const connect = <T extends OpenedSocket>(pattern: string, behavior: WebSocketBehavior<T>) => {
    const whole: WebSocketBehavior<T> = {
      ...behavior,
      ping: (ws) => ws.getUserData().socket?.pinged(),
      close: (ws, code, reason) => {
        behavior.close?.(ws, code, reason);
        const { address } = ws.getUserData();
        if (address !== undefined) context.connections.closed(address);
      },
    };
    for (const path of [pattern, `${pattern}/`]) app.ws(path, whole);
  };

  connect(PUSH, pushBehavior(context));
  connect(PULL, pullBehavior(context));
  respond(PUSH, { get: refuseWithoutUpgrade(preparePush(context)) });
  respond(PULL, { get: refuseWithoutUpgrade(preparePull(context)) });
  connect(GRAPHQL, graphqlBehavior(context, graphql));
  const graphqlHandlers = createGraphqlHandlers(context, graphql);
  const getGraphql = withGrant(context, graphqlHandlers.get);
  respond(GRAPHQL, {
    get: (exchange, parameter) => {
      // The page is for everybody; what it asks for then is not.
      return pages.graphiql.hasIndex && wantsPage(exchange)
        ? pages.graphiql.answerIndex(exchange)
        : getGraphql(exchange, parameter);
    },
    post: withBody(context, graphqlHandlers.post),
  });
  for (const page of Object.values(pages)) {
    respond(`/${page.name}/assets/:name`, {
      get: (exchange, name) => {
        if (page.answerFile(exchange, `assets/${name}`)) return;
        throw new Failure('not_found', `the page ${page.name} has no such file`);
      },
    });
  }
  respond(DATA, {
    get: withGrant(context, (exchange, grant, sid) => getData(context, exchange, grant, sid)),
    post: withBody(context, postData(context)),
  });
  const views: Readonly<Record<string, View>> = {
    [LATEST]: getLatest,
    [MJPEG]: getMjpeg,
    [EVENTS]: getEvents,
  };
  for (const [pattern, view] of Object.entries(views)) {
    respond(pattern, {
      get: withGrant(context, (exchange, grant, sid) => view(context, exchange, grant, sid)),
    });
  }
  respond('/overview', {
    get: withGrant(context, (exchange, grant) => getOverview(context, overview, exchange, grant)),
  });
  respond('/healthz', { get: (exchange) => healthz(context, exchange) }, 'watch');
  respond('/readyz', { get: (exchange) => readyz(context, exchange) }, 'watch');
  const getMetrics = withGrant(context, (exchange, { rights }) => {
    checkMayWatch(rights);
    return metrics(registry, exchange);
  });
  respond('/metrics', { get: getMetrics }, 'watch');
  respond('/', {
    get: (exchange) => {
      if (pages.live.hasIndex && wantsPage(exchange)) pages.live.answerIndex(exchange);
      else exchange.answer({ type: 'text/plain; charset=utf-8', headers: [VARIES], body: GREETING });
    },
  });
  app.any(
    '/*',
    endpoint(context, ({ path }) => {
      throw new Failure('not_found', `there is nothing at ${path.slice(0, 200)}`);
    }),
  );
}

/** The metrics tell of all devices together, so they are for those who may see or delete all. @throws Failure */
function checkMayWatch(rights: Rights): void {
  const mayWatch = rights.wall === undefined && (rights.mayAll('read') || rights.mayAll('admin'));
  if (!mayWatch)
    throw new Failure('forbidden', 'the metrics need the right to read, or to delete, everything');
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
