/** Metrics of how late the event loop is, in the place of prom-client's of those names. */
import type { Registry } from 'prom-client';
import type { Aggregator } from '../../supervisor/metric-sums.js';
import { LoopLag, type LoopLags } from './loop-lag.js';
import { registerMetric } from './read-metric.js';

/** Of several workers, a percentile is that of the worst. */
const KINDS: readonly (readonly [kind: keyof LoopLags, aggregator: Aggregator, help: string])[] = [
  ['min', 'min', 'The least that the event loop was late since the last scrape.'],
  ['max', 'max', 'The most that the event loop was late since the last scrape.'],
  ['mean', 'average', 'How late the event loop was since the last scrape, on average.'],
  ['stddev', 'average', 'Standard deviation of how late the event loop was since the last scrape.'],
  ['p50', 'max', 'How late the event loop was since the last scrape, 50th percentile.'],
  ['p90', 'max', 'How late the event loop was since the last scrape, 90th percentile.'],
  ['p99', 'max', 'How late the event loop was since the last scrape, 99th percentile.'],
];

export function registerLoopLag(registry: Registry): void {
  const lag = new LoopLag();
  // All are read in one scrape, the first of them first.
  let lags: LoopLags | undefined;
  for (const [kind, aggregator, help] of KINDS) {
    const name = `nodejs_eventloop_lag_${kind}_seconds`;
    registry.removeSingleMetric(name);
    const get = async () => {
      if (kind === KINDS[0]![0] || lags === undefined) lags = lag.take();
      return { name, help, type: 'gauge', aggregator, values: [{ labels: {}, value: lags[kind] }] };
    };
    registerMetric(registry, { name, help, get });
  }
}
