/** `/metrics`: what the parts count, in Prometheus' format. Read when asked for, so that counting costs an addition. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { GatewayContext } from './context.js';
import type { HttpExchange } from './http-exchange.js';

type Source = readonly [name: string, help: string, read: (context: GatewayContext) => number];

const COUNTERS: readonly Source[] = [
  ['entries_in_total', 'Entries stored for producers.', ({ counters }) => counters.entriesIn],
  ['bytes_in_total', 'Payload bytes taken from producers.', ({ counters }) => counters.bytesIn],
  ['entries_refused_total', 'Entries that were not stored.', ({ counters }) => counters.entriesRefused],
  ['entries_out_total', 'Entries sent to followers.', ({ counters }) => counters.followers.entries],
  ['bytes_out_total', 'Bytes sent to followers.', ({ counters }) => counters.followers.bytes],
  [
    'entries_skipped_total',
    'Entries that followers with latest were not sent, since newer ones had come.',
    ({ counters }) => counters.followers.skipped,
  ],
  [
    'followers_overtaken_total',
    'Times that trimming overtook a follower, so that it lost entries.',
    ({ counters }) => counters.followers.trimmed,
  ],
  ['entries_read_total', 'Entries that readers read for followers.', ({ hub }) => hub.entriesRead],
  ['bytes_read_total', 'Payload bytes that readers read for followers.', ({ hub }) => hub.bytesRead],
  [
    'redis_disconnects_total',
    'Connections to Redis lost by the append pipe and the readers.',
    ({ pipes, threads }) =>
      threads.readers.reduce((sum, reader) => sum + reader.disconnects, pipes.disconnects),
  ],
];

const GAUGES: readonly Source[] = [
  ['push_connections', 'Open push connections.', ({ counters }) => counters.pushConnections],
  ['pull_connections', 'Open pull connections.', ({ counters }) => counters.pullConnections],
  ['append_queue_bytes', 'Bytes that wait for Redis to store them.', ({ pipes }) => pipes.bufferedBytes],
  ['followed_streams', 'Streams that readers follow.', ({ hub }) => hub.size],
  ['hub_bytes', 'Bytes of batches kept for followers that are behind.', ({ hub }) => hub.keptBytes],
  ['pool_queued_tasks', 'Reads that wait for the pool.', ({ threads }) => threads.queuedTasks],
];

export function createMetrics(context: GatewayContext): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  for (const [name, help, read] of COUNTERS) {
    new Counter({
      name: `streamgate_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read(context));
      },
    });
  }
  for (const [name, help, read] of GAUGES) {
    new Gauge({
      name: `streamgate_${name}`,
      help,
      registers,
      collect() {
        this.set(read(context));
      },
    });
  }
  return registry;
}

export async function metrics(registry: Registry, exchange: HttpExchange): Promise<void> {
  exchange.answer({ type: registry.contentType, body: await registry.metrics() });
}
