import { expect, test } from 'vitest';
import { KeptTotals } from '../../src/supervisor/kept-totals.js';
import { type Aggregator, type MetricSnapshot, sumMetrics } from '../../src/supervisor/metric-sums.js';

const metric = (
  name: string,
  values: MetricSnapshot['values'],
  { type = 'counter', aggregator = 'sum' }: { type?: string; aggregator?: Aggregator } = {},
): MetricSnapshot => ({ name, help: `What ${name} is.`, type, aggregator, values });

const plain = (value: number) => [{ labels: {}, value }];

test('values are added under the same labels, whatever their order', () => {
  const one = metric('in', [
    { labels: { endpoint: 'push', kind: 'a' }, value: 1 },
    { labels: { endpoint: 'post', kind: 'a' }, value: 2 },
  ]);
  const other = metric('in', [
    { labels: { kind: 'a', endpoint: 'post' }, value: 30 },
    { labels: { kind: 'b', endpoint: 'post' }, value: 40 },
  ]);
  expect(sumMetrics([[one], [other]])).toEqual([
    metric('in', [
      { labels: { endpoint: 'push', kind: 'a' }, value: 1 },
      { labels: { endpoint: 'post', kind: 'a' }, value: 32 },
      { labels: { kind: 'b', endpoint: 'post' }, value: 40 },
    ]),
  ]);
});

test("a histogram's buckets, sums and counts are added each for itself", () => {
  const histogram = (low: number, all: number, sum: number) =>
    metric(
      'seconds',
      [
        { metricName: 'seconds_bucket', labels: { le: 0.5 }, value: low },
        { metricName: 'seconds_bucket', labels: { le: '+Inf' }, value: all },
        { metricName: 'seconds_sum', labels: {}, value: sum },
        { metricName: 'seconds_count', labels: {}, value: all },
      ],
      { type: 'histogram' },
    );
  expect(sumMetrics([[histogram(1, 2, 3)], [histogram(10, 20, 30)]])).toEqual([histogram(11, 22, 33)]);
});

test.each<[Aggregator, number]>([
  ['sum', 12],
  ['min', 2],
  ['max', 6],
  ['average', 4],
  ['first', 4],
  ['omit', 2],
])('%s of 4, 2 and 6 is %d', (aggregator, expected) => {
  const processes = [4, 2, 6].map((value) => [metric('x', plain(value), { type: 'gauge', aggregator })]);
  expect(sumMetrics(processes)[0]!.values).toEqual(plain(expected));
});

test('totals of workers that are silent or have ended stay, and are counted once', () => {
  const kept = new KeptTotals<{ name: string }>();
  const [one, other] = [{ name: 'one' }, { name: 'other' }];
  const snapshot = (total: number, now: number) => [
    metric('total', plain(total)),
    metric('now', plain(now), { type: 'gauge' }),
  ];
  const sumWith = (answered: { name: string }[], ...own: MetricSnapshot[][]) =>
    Object.fromEntries(
      sumMetrics([...own, ...kept.others(new Set(answered))]).map(({ name, values }) => [
        name,
        values[0]!.value,
      ]),
    );
  kept.note(one, snapshot(5, 1));
  kept.note(other, snapshot(7, 2));
  expect(sumWith([one, other], snapshot(5, 1), snapshot(7, 2))).toEqual({ total: 12, now: 3 });
  expect(sumWith([one], snapshot(6, 1))).toEqual({ total: 13, now: 1 });
  kept.keep(other);
  expect(sumWith([one], snapshot(6, 1))).toEqual({ total: 13, now: 1 });
  // Another that has ended before it said anything, and the next of its number.
  kept.keep({ name: 'unheard' });
  const next = { name: 'next' };
  kept.note(next, snapshot(1, 4));
  expect(sumWith([one, next], snapshot(6, 1), snapshot(1, 4))).toEqual({ total: 14, now: 5 });
  kept.keep(next);
  kept.keep(one);
  expect(sumWith([])).toEqual({ total: 13 });
});
