/** Every address of the gateway, once. */
import type { TemplatedApp } from 'uWebSockets.js';
import type { Registry } from 'prom-client';
import type { Grant } from '../access/grant.js';
import type { Rights } from '../access/rights.js';
import { FollowerCounts } from '../catalog/follower-counts.js';
import { OverviewWatch } from '../catalog/overview-watch.js';
import { Failure } from '../protocol/errors.js';
import { type Handler, withBody, withGrant } from './admission/authorize.js';
import type { GatewayContext } from './context.js';
import { getEvents } from './endpoints/data/events.js';
import { getData } from './endpoints/data/get.js';
import { getLatest } from './endpoints/data/latest.js';
import { getMjpeg } from './endpoints/data/mjpeg.js';
import { postData } from './endpoints/data/post.js';
import { preparePull, pullBehavior } from './endpoints/data/pull.js';
import { preparePush, pushBehavior } from './endpoints/data/push.js';
import { GraphqlEndpoint } from './endpoints/graphql/endpoint.js';
import { createGraphqlHandlers } from './endpoints/graphql/http.js';
import { graphqlBehavior } from './endpoints/graphql/socket.js';
import { answerReadiness, healthz, readyz } from './endpoints/health.js';
import { createMetrics, metrics } from './endpoints/metrics.js';
import { createOpenApi } from './endpoints/openapi.js';
import { getOverview, overviewBehavior } from './endpoints/overview.js';
import { type Pages, wantsPage } from './endpoints/pages.js';
import type { Site } from './endpoints/site.js';
import type { Header } from './http/answer-head.js';
import type { HttpExchange } from './http/http-exchange.js';
import { createRouter } from './router.js';
import { refuseWithoutUpgrade } from './sockets/socket-upgrade.js';

const DATA = '/data/:sid';
const PUSH = '/data/:sid/push';
const PULL = '/data/:sid/pull';
const LATEST = '/data/:sid/latest';
const MJPEG = '/data/:sid/mjpeg';
const EVENTS = '/data/:sid/events';
const GRAPHQL = '/graphql';
const OVERVIEW = '/overview';

/** A browser is given a page there. */
const VARIES: Header = ['vary', 'accept'];

const GREETING = `streamgate: Redis Streams behind REST, binary WebSockets and GraphQL.

POST /data/{sid}           store entries: a form's parts named 'entries', or the raw body
GET  /data/{sid}           read entries after last_entry_id
WS   /data/{sid}/push      send entries
WS   /data/{sid}/pull      follow a stream
GET  /data/{sid}/latest    the newest entry under its own media type
GET  /data/{sid}/mjpeg     a stream's pictures as they come, for <img>
GET  /data/{sid}/events    entries as server-sent events
GET  /graphql              GraphQL; in a browser its explorer
GET  /                     this; in a browser the live page
GET  /overview             devices and streams once a second, as server-sent events
GET  /docs /openapi.json   all of that in detail
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
  const overview = new OverviewWatch({
    control: context.control,
    threads: context.threads,
    followers: new FollowerCounts(context.hub, context.siblings),
    devicePrefixing,
  });
  answerReadiness(context);
  const openApi = createOpenApi();
  return (app) => addRoutes(app, context, { pages, registry, graphql, overview, openApi });
}

/** Answers with what a stream holds. */
type View = (context: GatewayContext, exchange: HttpExchange, grant: Grant, sid: string) => Promise<void>;

interface Shared {
  readonly pages: Pages;
  readonly registry: Registry;
  readonly graphql: GraphqlEndpoint;
  readonly overview: OverviewWatch;
  readonly openApi: Handler;
}

function addRoutes(app: TemplatedApp, context: GatewayContext, shared: Shared): void {
  const { pages, registry, graphql, overview, openApi } = shared;
  context.connections.watch(app);
  const { respond, connect } = createRouter(app, context);

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
    respond(`/${page.name}/assets/:name`, { get: (exchange, name) => answerAsset(exchange, page, name) });
  }
  respond(DATA, {
    get: withGrant(context, getData(context)),
    post: withBody(context, postData(context)),
  });
  respond(LATEST, { get: withGrant(context, getLatest(context)) });
  const views: Readonly<Record<string, View>> = {
    [MJPEG]: getMjpeg,
    [EVENTS]: getEvents,
  };
  for (const [pattern, view] of Object.entries(views)) {
    respond(pattern, {
      get: withGrant(context, (exchange, grant, sid) => view(context, exchange, grant, sid)),
    });
  }
  connect(OVERVIEW, overviewBehavior(context, overview));
  respond(OVERVIEW, {
    get: withGrant(context, (exchange, grant) => getOverview(context, overview, exchange, grant)),
  });
  respond('/healthz', { get: (exchange) => healthz(context, exchange) }, 'watch');
  respond('/readyz', { get: (exchange) => readyz(context, exchange) }, 'watch');
  const getMetrics = withGrant(context, (exchange, { rights }) => {
    checkMayWatch(rights);
    return metrics(context, registry, exchange);
  });
  respond('/metrics', { get: getMetrics }, 'watch');
  respond('/openapi.json', { get: openApi });
  respond('/docs', {
    get: (exchange) => {
      if (!pages.docs.hasIndex) throw new Failure('not_found', 'the page was not built: run npm run build');
      pages.docs.answerIndex(exchange);
    },
  });
  respond('/', {
    get: (exchange) => {
      if (pages.live.hasIndex && wantsPage(exchange)) pages.live.answerIndex(exchange);
      else exchange.answer({ type: 'text/plain; charset=utf-8', headers: [VARIES], body: GREETING });
    },
  });
}

/** @throws Failure */
function answerAsset(exchange: HttpExchange, page: Site, name: string): void {
  if (page.answerFile(exchange, `assets/${name}`)) return;
  throw new Failure('not_found', `the page ${page.name} has no such file`);
}

/** The metrics tell of all devices together, so they are for those who may see or delete all. @throws Failure */
function checkMayWatch(rights: Rights): void {
  const mayWatch = rights.wall === undefined && (rights.mayAll('read') || rights.mayAll('admin'));
  if (!mayWatch)
    throw new Failure(
      'forbidden',
      'this token may not read the metrics, which needs read or admin for everything',
    );
}
