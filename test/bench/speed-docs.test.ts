/** What the benchmark makes of its figures, and that the documents show what was measured. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { chartRow, performanceChart } from '../../bench/chart.js';
import { formatNumber } from '../../bench/numbers.js';
import { type FigureResult, isDecided, overall, type Report, summarise } from '../../bench/results.js';
import type { FigureSpec, Round } from '../../bench/scenario.js';
import {
  findSection,
  PERFORMANCE_CHART,
  PERFORMANCE_JSON,
  performanceSection,
  replaceSection,
  summarySection,
} from '../../bench/speed-docs.js';

const PUSH: FigureSpec = {
  name: 'push <100 B> & "more"',
  unit: 'entries/s',
  better: 'more',
  rivals: [
    { label: 'a ceiling', kind: 'ceiling', target: 0.8 },
    { label: 'a peer', kind: 'peer', target: 5 },
    { label: 'another peer', kind: 'peer' },
  ],
};
const LAG: FigureSpec = {
  name: 'lag',
  unit: 'ms',
  better: 'less',
  limit: 50,
  rivals: [{ label: 'a ceiling', kind: 'ceiling', target: 2.5 }],
};

const PUSH_ROUNDS: readonly Round[] = [
  { ours: 90, rivals: [100, 10, 30], cpuMicroseconds: 2 },
  { ours: 60, rivals: [120, 10, 30], cpuMicroseconds: 4 },
  { ours: 80, rivals: [100, 20, 30], cpuMicroseconds: 3 },
];

const push = summarise('push', PUSH, PUSH_ROUNDS);
const lag = (ours: number, ceiling: number) => summarise('lag', LAG, [{ ours, rivals: [ceiling] }]);

describe('results', () => {
  test('are medians with the least and the greatest', () => {
    expect(push.ours).toEqual({ median: 80, least: 60, greatest: 90 });
    expect(push.cpuMicroseconds).toBe(3);
    expect(push.rivals[0]!.value).toEqual({ median: 100, least: 100, greatest: 120 });
  });

  test('of an even number of rounds are the mean of the middle two', () => {
    expect(summarise('push', PUSH, PUSH_ROUNDS.slice(0, 2)).ours.median).toBe(75);
  });

  test('compare within each round, not across rounds', () => {
    expect(push.rivals[0]!.ratio).toEqual({ median: 0.8, least: 0.5, greatest: 0.9 });
    expect(push.rivals[1]!.ratio).toEqual({ median: 6, least: 4, greatest: 9 });
  });

  test.each([
    ['all rounds reach the target', [90, 85], [100, 100], true],
    ['none does', [70, 60], [100, 100], true],
    ['the worst one just does', [90, 80], [100, 100], true],
    ['they do not agree', [90, 70], [100, 100], false],
  ])('are decided or not where %s', (_name, ours, ceilings, decided) => {
    const rounds = ours.map((value, index) => ({ ours: value, rivals: [ceilings[index]!, 1, 1] }));
    expect(isDecided(summarise('push', PUSH, rounds))).toBe(decided);
  });

  test('are not decided where rounds do not agree on a limit', () => {
    const rounds = (...ours: number[]) => ours.map((value) => ({ ours: value, rivals: [1000] }));
    expect(isDecided(summarise('lag', LAG, rounds(40, 60)))).toBe(false);
    expect(isDecided(summarise('lag', LAG, rounds(40, 45)))).toBe(true);
  });

  test('reach a target that they equal, and one miss is a miss', () => {
    expect(push.rivals.map(({ verdict }) => verdict)).toEqual(['reached', 'reached', 'no target']);
    expect(push.verdict).toBe('reached');
    const slower = summarise('push', PUSH, [{ ours: 79, rivals: [100, 10, 30] }]);
    expect(slower.rivals.map(({ verdict }) => verdict)).toEqual(['missed', 'reached', 'no target']);
    expect(slower.verdict).toBe('missed');
    expect(overall(['no target'])).toBe('no target');
  });

  test('where less is better a target is the most', () => {
    expect(lag(20, 10).verdict).toBe('reached');
    expect(lag(26, 10).verdict).toBe('missed');
    expect(lag(51, 100).rivals[0]!.verdict).toBe('reached');
    expect(lag(51, 100).verdict).toBe('missed');
  });

  test('without CPU time name none', () => {
    expect(lag(20, 10)).not.toHaveProperty('cpuMicroseconds');
  });

  test('hold CPU time of all processes against a limit, and against theirs', () => {
    const costly: FigureSpec = {
      ...PUSH,
      cpuLimit: 5,
      rivals: [
        { label: 'a peer', kind: 'peer', cpuTarget: 1 },
        { label: 'b', kind: 'peer' },
      ],
    };
    const round = (ours: number) => ({ ours: 90, rivals: [1, 1], sides: { ours, rivals: [4, 8] } });
    const cheap = summarise('push', costly, [round(2), round(3), round(4)]);
    expect(cheap.sideMicroseconds).toEqual({ median: 3, least: 2, greatest: 4 });
    expect(cheap.rivals.map(({ cpuMicroseconds, cpuRatio }) => [cpuMicroseconds, cpuRatio!.median])).toEqual([
      [4, 0.75],
      [8, 0.375],
    ]);
    expect(cheap.rivals.map(({ verdict }) => verdict)).toEqual(['reached', 'no target']);
    expect(cheap.verdict).toBe('reached');
    // Missed against the peer, while our own limit is kept; then both.
    expect(summarise('push', costly, [round(4.5)]).rivals[0]!.verdict).toBe('missed');
    expect(
      summarise('push', { ...costly, rivals: [] }, [
        { ...round(6), rivals: [], sides: { ours: 6, rivals: [] } },
      ]).verdict,
    ).toBe('missed');
    expect(isDecided(cheap)).toBe(true);
    expect(isDecided(summarise('push', costly, [round(3), round(4.5)]))).toBe(false);
    expect(isDecided(summarise('push', costly, [round(4.5), round(5.5)]))).toBe(false);
  });

  test.each([
    { ours: 1, rivals: [1, 1, 1], sides: { ours: 1, rivals: [1, 1] } },
    { ours: 1, rivals: [1, 1, 1], sides: { ours: 1, rivals: [1, 0, 1] } },
    { ours: Number.NaN, rivals: [1, 1, 1] },
    { ours: 1, rivals: [1, 1] },
    { ours: 1, rivals: [1, 0, 1] },
    { ours: 1, rivals: [1, Number.POSITIVE_INFINITY, 1] },
  ])('refuse a round that cannot be compared: %o', (round) => {
    expect(() => summarise('push', PUSH, [round])).toThrow(PUSH.name);
  });
});

test.each([
  [0, '0'],
  [0.012345, '0.0123'],
  [0.9996, '1.00'],
  [4.5678, '4.57'],
  [99.96, '100'],
  [1234, '1\u00a0230'],
  [-12.34, '-12.3'],
  [411_987, '412\u00a0000'],
  [5_200_000, '5\u00a0200\u00a0000'],
])('%d is written with three digits that count: %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

describe('the chart', () => {
  test('draws shares of the ceiling, of peers and targets too', () => {
    expect(chartRow(push)).toMatchObject({ ours: 0.8, targets: [0.8, expect.closeTo(5 * (0.8 / 6))] });
    expect(chartRow(push)!.peers).toEqual([
      { label: 'a peer', share: expect.closeTo(0.8 / 6) },
      { label: 'another peer', share: expect.closeTo(0.8 / (80 / 30)) },
    ]);
  });

  test('turns figures round of which less is better', () => {
    expect(chartRow(lag(20, 10))).toMatchObject({ ours: 0.5, peers: [], targets: [expect.closeTo(0.4)] });
  });

  test('leaves out what has no rival', () => {
    const alone: FigureResult = { ...push, name: 'alone', rivals: [] };
    expect(chartRow(alone)).toBeUndefined();
    expect(performanceChart([alone])).not.toContain('alone');
  });

  test('escapes what is special in XML', () => {
    const svg = performanceChart([push]);
    expect(svg).toContain('push &lt;100 B&gt; &amp; &quot;more&quot;');
    expect(svg).not.toContain('<100 B>');
  });
});

describe('what the documents say of speed', () => {
  const page = readFileSync('docs/speed.md', 'utf8');
  const report = JSON.parse(readFileSync(PERFORMANCE_JSON, 'utf8')) as Report;

  test('is what the kept results make', () => {
    expect(findSection(page)).toBe(performanceSection(report));
    expect(findSection(readFileSync('README.md', 'utf8'))).toBe(summarySection(report));
    expect(readFileSync(PERFORMANCE_CHART, 'utf8')).toBe(performanceChart(report.results));
  });

  test('is of a whole run without failures', () => {
    expect(report).toMatchObject({ mode: 'full', scope: '', failed: [] });
  });

  test('is replaced between its markers, whatever it holds', () => {
    const section = performanceSection({ ...report, machine: "$& $' $1", results: [push] });
    const replaced = replaceSection(page, section);
    expect(findSection(replaced)).toBe(section);
    expect(replaceSection(replaced, findSection(page))).toBe(page);
  });

  test('tells targets, and which were missed', () => {
    const missed = summarise('push', PUSH, [{ ours: 79, rivals: [100, 10, 30] }]);
    const section = performanceSection({ ...report, results: [missed, lag(51, 100)] });
    expect(section).toContain('0.790 × a ceiling (target ≥ 0.8, missed)');
    expect(section).toContain('7.90 × a peer (target ≥ 5)');
    expect(section).toContain('| lag | 51.0 ms (target ≤ 50, missed) | 0.510 × a ceiling (target ≤ 2.5) |');
  });

  test('tells CPU time of all processes, and which targets for it were missed', () => {
    const spec: FigureSpec = {
      ...PUSH,
      cpuLimit: 2,
      rivals: [{ label: 'a peer', kind: 'peer', cpuTarget: 1 }],
    };
    const round = { ours: 80, rivals: [100], cpuMicroseconds: 2, sides: { ours: 3, rivals: [2] } };
    const section = performanceSection({ ...report, results: [summarise('push', spec, [round])] });
    expect(section).toContain('0.800 × a peer, 1.50 × its 2.00 µs of CPU (target ≤ 1, missed)');
    expect(section).toContain('| 2.00, with Redis 3.00 (target ≤ 2, missed) |');
  });

  test('needs its markers', () => {
    expect(() => replaceSection('# a document', '')).toThrow('speed');
  });
});
