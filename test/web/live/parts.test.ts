/** The parts of the live page that need no browser. */
import { describe, expect, test } from 'vitest';
import { Arrivals } from '../../../src/web/live/arrivals.js';
import { ServerClock } from '../../../src/web/live/clock.js';
import { formatAge, formatBytes, formatRate, formatValue } from '../../../src/web/live/format.js';
import { isTimestamp, MOST_SERIES, numbersIn } from '../../../src/web/live/numbers.js';
import { Rates } from '../../../src/web/live/rates.js';
import { keyIn, linkTo } from '../../../src/web/live/route.js';
import { SkippedFrames } from '../../../src/web/live/skipped-frames.js';
import { hexDump } from '../../../src/web/live/viewers/hex.js';
import { MOST_POINTS, PlotData } from '../../../src/web/live/viewers/plot-data.js';
import { findRuns, marksOf } from '../../../src/web/live/viewers/plot-runs.js';
import { assignScales } from '../../../src/web/live/viewers/plot-scales.js';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('rates', () => {
  /** Tells of one stream that had `added[n]` entries in second `n`. @returns the rates that were shown */
  function ratesOf(added: readonly number[], size = 100): (number | undefined)[] {
    const rates = new Rates();
    return added.map((entriesAdded, second) => {
      const stream = { key: 'k', device: 'k', sid: 'k', length: 1, lastEntryId: '1-0', followers: 0 };
      const streams = [{ ...stream, entriesAdded, lastEntryBytes: size }];
      rates.update({ at: 1e12 + second * 1000, devices: [], streams, omitted: 0 });
      return rates.of('k')?.entries;
    });
  }

  const growing = (perSecond: number, seconds: number) =>
    Array.from({ length: seconds }, (_, second) => Math.floor(second * perSecond));

  test('are known from the second look on, and those of fast streams at once', () => {
    expect(ratesOf(growing(60, 6))).toEqual([undefined, 60, 60, 60, 60, 60]);
    expect(ratesOf([0, 0, 0, 30, 60, 90, 120]).at(-1)).toBe(30);
  });

  test('of slow streams do not flicker', () => {
    const rates = ratesOf(growing(0.25, 60)).slice(20);
    for (const rate of rates) expect(rate).toBeCloseTo(0.25, 0.5);
    expect(Math.min(...(rates as number[]))).toBeGreaterThan(0.15);
  });

  test('are none within seconds of an end, and begin anew with a stream', () => {
    expect(ratesOf([0, 50, 100, 150, 150, 150, 150]).at(-1)).toBe(0);
    expect(ratesOf([100, 150, 3, 13])).toEqual([undefined, 50, undefined, 10]);
  });
});

test('numbers are found by their paths', () => {
  const found = (text: string) => Object.fromEntries(numbersIn(bytes(text)).values);
  expect(found('21.5\n')).toEqual({ value: 21.5 });
  expect(found('{"a":1,"b":{"c":[2,3],"d":"4"},"e":null,"f":true}')).toEqual({
    a: 1,
    'b.c[0]': 2,
    'b.c[1]': 3,
  });
  expect(found('"12"')).toEqual({});
  expect(found('{"a":')).toEqual({});
  expect(found('{"__proto__":{"x":1}}')).toEqual({ '__proto__.x': 1 });
  const many = numbersIn(bytes(JSON.stringify(Array.from({ length: 80 }, (_, n) => n))));
  expect([many.values.size, many.omitted]).toEqual([MOST_SERIES, 80 - MOST_SERIES]);
  expect(numbersIn(bytes(`[${'1,'.repeat(100_000)}1]`)).values.size).toBe(0);
});

test('times are told from readings', () => {
  expect(['ts', 'header.timestamp', 'time_ms'].map((name) => isTimestamp(name, 1.7e12))).toEqual([
    true,
    true,
    true,
  ]);
  expect(isTimestamp('t', 21.5)).toBe(false);
  expect(isTimestamp('counts', 1.7e12)).toBe(false);
});

test('points of a plot stand in the order of time, within bounds', () => {
  const data = new PlotData();
  data.add(1000, new Map([['a', 1]]));
  data.add(3000, new Map([['b', 3]]));
  data.add(2000, new Map([['a', 2]]));
  expect(data.times).toEqual([1, 2, 3]);
  expect(data.series).toEqual([
    { name: 'a', values: [1, 2, null], most: 2 },
    { name: 'b', values: [null, null, 3], most: 3 },
  ]);
  for (let n = 0; n < 3 * MOST_POINTS; n++) data.add(4000 + n, new Map([['a', n]]));
  expect(data.times.length).toBeLessThan(1.3 * MOST_POINTS);
  expect(data.series.map(({ values }) => values.length)).toEqual([data.times.length, data.times.length]);
  expect(data.times.at(-1)).toBe((4000 + 3 * MOST_POINTS - 1) / 1000);
  data.dropBefore(data.times.at(-1)! * 1000);
  expect(data.times.length).toBe(1);
});

test('a curve is interrupted by outages, and not by readings that lack its value', () => {
  const times = [0, 1, 2, 3, 4, 60, 61, 62, 63, 64];
  const all = times.map(() => 1);
  expect(findRuns(times, all, 0, 9)).toEqual([
    { first: 0, last: 4 },
    { first: 5, last: 9 },
  ]);
  expect(findRuns(times, [1, null, 1, null, 1], 0, 4)).toEqual([{ first: 0, last: 4 }]);
  // What comes once an hour has no outage within a day.
  const hours = times.map((_, hour) => hour * 3600);
  expect(findRuns(hours, all, 0, 9)).toEqual([{ first: 0, last: 9 }]);
  expect(findRuns(times, all, 5, 9)).toEqual([{ first: 5, last: 9 }]);
  expect(findRuns(times, [null, null], 0, 1)).toEqual([]);
  expect(findRuns([7], [1], 0, 0)).toEqual([{ first: 0, last: 0 }]);
});

test('what is too narrow for a line is marked by its ends, lowest and highest', () => {
  expect(marksOf({ first: 1, last: 5 }, [0, 3, 9, null, -2, 4])).toEqual([1, 2, 4, 5]);
  expect(marksOf({ first: 2, last: 2 }, [0, 3, 9])).toEqual([2]);
});

test('a counter or a time has a scale of its own beside small readings', () => {
  const scales = (most: Record<string, number>) =>
    Object.fromEntries(assignScales(Object.entries(most).map(([name, most]) => ({ name, most }))));
  expect(scales({ seq: 1e6, temp: 21, hum: 45, ts: 1.7e9 })).toEqual({ temp: 0, hum: 0, seq: 1, ts: 2 });
  expect(scales({ x: 0.1, y: 2, zero: 0 })).toEqual({ x: 0, y: 0, zero: 0 });
  expect(scales({ seq: 5e5, temp: 21 })).toEqual({ temp: 0, seq: 1 });
  expect(scales({})).toEqual({});
});

describe('arrivals', () => {
  const arriving = (intervals: readonly number[]) => {
    const arrivals = new Arrivals();
    let time = 0;
    arrivals.add(time, time);
    for (const interval of intervals) {
      time += interval;
      arrivals.add(time, time);
    }
    return { arrivals, end: time };
  };
  const every = (ms: number, count = 20) => Array.from({ length: count }, () => ms);

  test('a camera is overdue after some seconds, a slow sensor after some intervals', () => {
    const camera = arriving(every(40));
    expect(camera.arrivals.isOverdue(camera.end + 2900, 2900)).toBe(false);
    expect(camera.arrivals.isOverdue(camera.end + 3100, 3100)).toBe(true);
    const sensor = arriving(every(60_000));
    expect(sensor.arrivals.isOverdue(sensor.end + 170_000, 170_000)).toBe(false);
    expect(sensor.arrivals.isOverdue(sensor.end + 181_000, 181_000)).toBe(true);
  });

  test('an outage is no habit, and pauses between bursts are', () => {
    expect(arriving([...every(40), 600_000, ...every(40)]).arrivals.expected).toBe(40);
    const bursts = Array.from({ length: 4 }, () => [10_000, ...every(1, 100)]).flat();
    expect(arriving(bursts).arrivals.expected).toBe(10_000);
  });

  test('a stream that had ended before it was opened is known by its age', () => {
    const { arrivals, end } = arriving([]);
    expect(arrivals.isOverdue(end + 1000, 3_600_000)).toBe(false);
    expect(arrivals.isOverdue(end + 3100, 3_600_000)).toBe(true);
    expect(arrivals.isOverdue(end + 10_000, 10_000)).toBe(false);
    expect(arrivals.isOverdue(end + 31_000, 31_000)).toBe(true);
  });

  test('producers whose clocks are behind are not overdue while their entries come', () => {
    const { arrivals, end } = arriving(every(10_000));
    expect(arrivals.isOverdue(end + 12_000, 3_600_000)).toBe(false);
  });
});

test('links lead back to their keys', () => {
  for (const key of ['default:cam', ':event:x', 'a/b:c?d#e%20', '<img>', 'ä:☃'])
    expect(keyIn(linkTo(key))).toBe(key);
  expect([keyIn(''), keyIn('#/'), keyIn('#/%'), keyIn('#top')]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('frames are skipped that were written and not painted', () => {
  const skipped = new SkippedFrames();
  expect(skipped.count).toBeUndefined();
  skipped.update(100, 10, true);
  skipped.update(160, 40, true);
  expect(skipped.count).toBe(30);
  skipped.update(170, 60, false);
  expect(skipped.count).toBe(30);
  skipped.restart();
  expect(skipped.count).toBeUndefined();
});

test('the clock of the gateway is that of the reading that travelled fastest', () => {
  const clock = new ServerClock();
  clock.read(Date.now() + 5000);
  clock.read(Date.now() + 4000);
  expect(clock.now() - Date.now()).toBeGreaterThan(4900);
});

test('numbers are written as people read them', () => {
  expect([undefined, 0, 0.25, 4.24, 59.96, 1234, 12_345, 4e6].map(formatRate)).toEqual([
    ...['–', '–', '0.3/s', '4.2/s', '60/s', '1234/s', '12.3k/s', '4M/s'],
  ]);
  expect([0, 999, 1500, 12_345_678].map(formatBytes)).toEqual([
    '0\u202fB',
    '999\u202fB',
    '1.5\u202fkB',
    '12.3\u202fMB',
  ]);
  expect([-5000, -500, 0, 1600, 61_000, 7_300_000, 90_000_000].map(formatAge)).toEqual([
    ...['ahead', 'now', 'now', '1\u202fs', '1\u202fmin', '2\u202fh', '1\u202fd'],
  ]);
  expect([0.1 + 0.2, 1_795_359_417_059, null].map(formatValue)).toEqual(['0.3', '1795359417059', '–']);
});

test('bytes are dumped sixteen a line', () => {
  const lines = hexDump(Uint8Array.from({ length: 20 }, (_, n) => n + 0x30)).split('\n');
  expect(lines).toEqual([
    '000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?',
    `000010  40 41 42 43${' '.repeat(12)}  ${' '.repeat(23)}  @ABC`,
  ]);
});
