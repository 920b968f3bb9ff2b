/** Adds up what several processes say under the same metrics. */

/** How the values of several processes become one; `omit` is prom-client's word for what cannot be added. */
export type Aggregator = 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit';

export interface MetricSample {
  /** Differs from the metric's name for the parts of a histogram. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric with its values, as prom-client's registry gives it as JSON. */
export interface MetricSnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: Aggregator;
  readonly values: readonly MetricSample[];
}

const AGGREGATORS: Readonly<Record<Aggregator, (values: readonly number[]) => number>> = {
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  average: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  first: ([value]) => value!,
  // The only one is the time of the start: that of the oldest process.
  omit: (values) => Math.min(...values),
};

/** Whether it only grows, so that its total must not fall when a process ends. */
export const isTotal = ({ type }: MetricSnapshot) => type === 'counter' || type === 'histogram';

const keyOf = ({ metricName = '', labels }: MetricSample) =>
  JSON.stringify([metricName, ...Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))]);

/** @param processes the metrics of each; the order and the descriptions are those of the first that has a metric */
export function sumMetrics(processes: readonly (readonly MetricSnapshot[])[]): MetricSnapshot[] {
  const byName = new Map<string, MetricSnapshot[]>();
  for (const metric of processes.flat()) {
    const same = byName.get(metric.name);
    if (same === undefined) byName.set(metric.name, [metric]);
    else same.push(metric);
  }
  return [...byName.values()].map(sumOfOne);
}

function sumOfOne(metrics: readonly MetricSnapshot[]): MetricSnapshot {
  const bySample = new Map<string, { readonly sample: MetricSample; readonly values: number[] }>();
  for (const sample of metrics.flatMap(({ values }) => values)) {
    const key = keyOf(sample);
    const same = bySample.get(key);
    if (same === undefined) bySample.set(key, { sample, values: [sample.value] });
    else same.values.push(sample.value);
  }
  const [first] = metrics;
  const aggregate = AGGREGATORS[first!.aggregator];
  return {
    ...first!,
    values: [...bySample.values()].map(({ sample, values }) => ({ ...sample, value: aggregate(values) })),
  };
}
