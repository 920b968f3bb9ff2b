/**
 * `/metrics`, in Prometheus' format: every metric of the gateway's own, once, and those of the process by
 * prom-client. Read when asked for, from numbers that the parts keep: counting costs an addition.
 *
 * Names and units by https://prometheus.io/docs/practices/naming. A label has few values, all known
 * beforehand, so that none is missing before it is first counted; never a stream's or a device's name.
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import {
  type Aggregator,
  type MetricSample,
  type MetricSnapshot,
  sumMetrics,
} from '../../supervisor/metric-sums.js';
import type { Siblings } from '../../supervisor/siblings.js';
import { Histogram } from '../../system/histogram.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';
import { registerLoopLag } from './loop-lag-metrics.js';
import { registerMetric } from './read-metric.js';

/** Values under each value of the metric's label; one number or histogram where it has no label. */
type Reading = number | Histogram | Readonly<Record<string, number>>;

interface MetricKind {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** For docs/metrics.md too. */
  readonly help: string;
  readonly label?: string;
  /** How the values of several workers become one; most are added. */
  readonly aggregator?: Aggregator;
  read(context: GatewayContext): Reading;
}

const counter = (help: string, read: (context: GatewayContext) => Reading, label?: string): MetricKind => ({
  type: 'counter',
  help,
  read,
  ...(label === undefined ? {} : { label }),
});
const gauge = (help: string, read: (context: GatewayContext) => Reading, label?: string): MetricKind => ({
  ...counter(help, read, label),
  type: 'gauge',
});
/** Whether something is so in all workers: 1 or 0. */
const isSoInAll: typeof gauge = (...parts) => ({ ...gauge(...parts), aggregator: 'min' });
/** Whether something is so in any worker: 1 or 0. */
const isSoInAny: typeof gauge = (...parts) => ({ ...gauge(...parts), aggregator: 'max' });
/** Something outside that all workers see alike. */
const asOneSaysIt: typeof gauge = (...parts) => ({ ...gauge(...parts), aggregator: 'first' });
const histogram = (help: string, read: (context: GatewayContext) => Histogram): MetricKind => ({
  type: 'histogram',
  help,
  read,
});

/** One number of each of several things, under their names. */
function each<K extends string, T>(things: Readonly<Record<K, T>>, pick: (thing: T) => number) {
  return Object.fromEntries(Object.entries(things).map(([name, thing]) => [name, pick(thing as T)]));
}

/** In the order in which docs/metrics.md lists them; each name begins with `streamgate_`. */
export const METRICS: Readonly<Record<string, MetricKind>> = {
  connections: gauge('Open connections.', ({ counters }) => counters.connections, 'endpoint'),
  connections_opened_total: counter(
    'Connections opened.',
    ({ counters }) => counters.connectionsOpened,
    'endpoint',
  ),
  slow_closes_total: counter(
    'Connections closed because their clients did not read.',
    ({ counters }) => counters.slowCloses,
    'endpoint',
  ),
  failures_total: counter(
    'Requests answered with an error and connections closed with one, by error code.',
    ({ counters }) => counters.failures,
    'code',
  ),
  tcp_connections: gauge('TCP connections of clients, busy or idle.', ({ connections }) => connections.open),
  tcp_connections_refused_total: counter(
    'TCP connections closed without an answer because there were far too many.',
    ({ connections }) => connections.refused,
  ),
  requests: gauge('Requests that are not fully answered yet.', ({ underway }) => underway.count),
  waiting_reads: gauge('REST reads that wait for entries.', ({ waitingReads }) => waitingReads.count),
  receiving_bytes: gauge('Bytes of request bodies that are being received.', ({ bodies }) => bodies.bytes),
  unread_answer_bytes: gauge(
    'Bytes of answers that clients have not read yet.',
    ({ unread }) => unread.bytes,
  ),
  unread_message_bytes: gauge('Bytes of messages that WebSocket clients have not read yet.', ({ sockets }) =>
    [...sockets].reduce((sum, { unreadBytes }) => sum + unreadBytes, 0),
  ),
  kept_message_bytes: gauge(
    'Bytes of buffers that the WebSocket library keeps, one per socket, as large as its largest message.',
    ({ receivedMessages }) => receivedMessages.keptBytes,
  ),
  unfinished_message_bytes: gauge(
    'Estimated bytes of unfinished WebSocket messages: growth of memory that nothing else explains.',
    ({ receivedMessages }) => receivedMessages.unfinishedBytes,
  ),
  paused_for_memory: isSoInAny(
    'Whether reading from producers is paused because unfinished messages take too much memory: 1 or 0.',
    ({ receivedMessages }) => Number(receivedMessages.isPaused),
  ),
  memory_closes_total: counter(
    'WebSockets closed because their incoming messages took too much memory.',
    ({ receivedMessages }) => receivedMessages.closes,
  ),
  graphql_openings: gauge(
    'GraphQL WebSockets that have not sent connection_init yet.',
    ({ firstMessages }) => firstMessages.open,
  ),
  entries_in_total: counter(
    'Entries stored for producers.',
    ({ counters }) => each(counters.in, ({ entries }) => entries),
    'endpoint',
  ),
  in_bytes_total: counter(
    'Payload bytes received from producers.',
    ({ counters }) => each(counters.in, ({ bytes }) => bytes),
    'endpoint',
  ),
  entries_refused_total: counter(
    'Entries that were not stored, by error code.',
    ({ counters }) => counters.entriesRefused,
    'code',
  ),
  ack_latency_seconds: histogram(
    "Time from receiving an entry to Redis' reply (one sample per batch).",
    ({ pipes }) => pipes.latency,
  ),
  append_queue_bytes: gauge('Bytes that wait for Redis to store them.', ({ pipes }) => pipes.bufferedBytes),
  append_queue_limit_bytes: gauge(
    'Most bytes that may wait for Redis: MAX_BUFFERED_BYTES.',
    ({ config }) => config.MAX_BUFFERED_BYTES,
  ),
  followers: gauge(
    'Followers: live, catching up from Redis, or behind because their clients do not read.',
    ({ counters }) => {
      const states = { live: 0, catching_up: 0, behind: 0 };
      for (const { followers } of counters.followed) {
        for (const { state } of followers) states[state]++;
      }
      return states;
    },
    'state',
  ),
  entries_out_total: counter(
    'Entries sent to clients.',
    ({ counters }) => each(counters.out, ({ entries }) => entries),
    'endpoint',
  ),
  out_bytes_total: counter(
    'Bytes of messages sent to clients.',
    ({ counters }) => each(counters.out, ({ bytes }) => bytes),
    'endpoint',
  ),
  delivery_lag_seconds: histogram(
    "Time from an entry's timestamp to its delivery to live followers (one sample per read).",
    ({ hub }) => hub.deliveryLag,
  ),
  entries_skipped_total: counter(
    'Entries skipped for followers with latest, because newer ones had arrived.',
    ({ counters }) => counters.followed.reduce((sum, { skipped }) => sum + skipped, 0),
  ),
  followers_overtaken_total: counter(
    'Times that a follower lost entries; losses between two checks of its stream count once.',
    ({ counters }) => counters.followed.reduce((sum, { trimmed }) => sum + trimmed, 0),
  ),
  stream_resets_total: counter(
    'Followed streams found deleted, created again or shortened, and cursors ahead of their stream.',
    ({ hub }) => hub.resets,
    'reason',
  ),
  entries_read_total: counter(
    'Entries that came to live followers: read from Redis, or pushed to this gateway.',
    ({ hub }) => hub.entriesRead,
  ),
  read_bytes_total: counter('Payload bytes that readers read for followers.', ({ hub }) => hub.bytesRead),
  followed_streams: gauge('Streams that reader threads follow.', ({ hub }) => hub.size),
  hub_bytes: gauge('Bytes of batches kept for followers that are behind.', ({ hub }) => hub.keptBytes),
  reader_streams: gauge(
    'Streams of each reader thread.',
    ({ threads }) => Object.fromEntries(threads.readers.map(({ streams }, index) => [index, streams])),
    'reader',
  ),
  reader_reply_bytes: histogram('Payload bytes of a reply to a reader.', ({ hub }) => hub.replyBytes),
  pool_threads: gauge('Threads of the pool.', ({ threads }) => threads.poolThreads),
  pool_queued_tasks: gauge('Reads that wait for the pool.', ({ threads }) => threads.queuedTasks),
  threads_replaced_total: counter(
    'Threads that crashed or did not answer, and were replaced.',
    ({ threads }) => ({
      reader: threads.readers.reduce((sum, { replacements }) => sum + replacements, 0),
      pool: threads.poolReplacements,
    }),
    'kind',
  ),
  redis_connected: isSoInAll(
    'Whether all connections to Redis are up: 1 or 0.',
    ({ control, pipes, threads }) => ({
      append: Number(pipes.isReady && pipes.shards.ready === pipes.shards.of),
      reader: Number(threads.readers.every(({ isConnected }) => isConnected)),
      control: Number(control.isReady && control.away.length === 0),
    }),
    'role',
  ),
  redis_disconnects_total: counter(
    'Lost connections to Redis; each is made again.',
    ({ pipes, threads }) => ({
      append: pipes.disconnects,
      reader: threads.readers.reduce((sum, { disconnects }) => sum + disconnects, 0),
    }),
    'role',
  ),
  redis_nodes: asOneSaysIt(
    'Redis servers that have a part of the keys, one or the masters of a cluster: connected or away.',
    ({ control }) => control.figures.nodes,
    'state',
  ),
  redis_topology_refreshes_total: counter(
    'How often nodes of a Redis Cluster were asked which of them has which keys.',
    ({ control }) => control.figures.refreshes,
  ),
  redis_redirects_total: counter(
    'Commands that a node of a Redis Cluster sent to another node: for good (moved), or this once (ask).',
    ({ control }) => control.figures.redirects,
    'kind',
  ),
  graphql_subscriptions: gauge(
    'Open GraphQL subscriptions.',
    ({ counters }) => counters.out.graphql.followers.size,
  ),
  graphql_operations_total: counter(
    'GraphQL operations started.',
    ({ counters }) => counters.graphqlOperations,
    'type',
  ),
  workers: gauge(
    'Worker processes, by what became of this scrape: answered, did not answer in time, not serving yet.',
    // What is known of the others comes from the supervisor.
    () => ({ answered: 1, silent: 0, starting: 0 }),
    'state',
  ),
  workers_replaced_total: counter('Worker processes that ended and were replaced.', () => 0),
};

/** The longest that a timer waits. */
const NEVER_MS = 2 ** 31 - 1;

function samplesOf(name: string, label: string | undefined, reading: Reading): MetricSample[] {
  if (typeof reading === 'number') return [{ labels: {}, value: reading }];
  if (reading instanceof Histogram) return bucketsOf(name, reading);
  return Object.entries(reading).map(([value, number]) => ({ labels: { [label!]: value }, value: number }));
}

/** A histogram's samples: each bucket counts all at or below its bound. */
function bucketsOf(name: string, { bounds, counts, sum }: Histogram): MetricSample[] {
  let count = 0;
  const buckets = counts.map((inRange, index) => {
    count += inRange;
    return { metricName: `${name}_bucket`, labels: { le: bounds[index] ?? '+Inf' }, value: count };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}

/** This process' own, which it also gives other workers that are asked for all. */
export function createMetrics(context: GatewayContext): Registry {
  const registry = new Registry();
  // So seldom that it never samples: `LoopLag` does.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  registerLoopLag(registry);
  for (const [ownName, { type, help, label, aggregator = 'sum', read }] of Object.entries(METRICS)) {
    const name = `streamgate_${ownName}`;
    const get = async () => ({ name, help, type, aggregator, values: samplesOf(name, label, read(context)) });
    registerMetric(registry, { name, help, get });
  }
  context.siblings?.onAsked('metrics', () => snapshotOf(registry));
  return registry;
}

const snapshotOf = async (registry: Registry) =>
  (await registry.getMetricsAsJSON()) as unknown as readonly MetricSnapshot[];

/** The metrics of all workers as one. */
async function sumOfAll(siblings: Siblings): Promise<Registry> {
  const registry = new Registry();
  for (const metric of sumMetrics(await siblings.askOnce('metrics'))) {
    registerMetric(registry, { ...metric, get: async () => metric });
  }
  return registry;
}

export async function metrics(
  { siblings }: GatewayContext,
  registry: Registry,
  exchange: HttpExchange,
): Promise<void> {
  const all = siblings === undefined ? registry : await sumOfAll(siblings);
  exchange.answer({ type: registry.contentType, body: await all.metrics() });
}
