/** A metric that is read when it is scraped: the library's own classes would each be set anew at every reading. */
import type { Metric, Registry } from 'prom-client';

/** What the registry uses of a metric. */
export interface ReadMetric {
  readonly name: string;
  readonly help: string;
  get(): Promise<unknown>;
}

export function registerMetric(registry: Registry, metric: ReadMetric): void {
  registry.registerMetric(metric as unknown as Metric);
}
