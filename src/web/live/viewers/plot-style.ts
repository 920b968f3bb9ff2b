/** How plots look: the colours are those of the page, and all times those of the day here. */
import type uPlot from 'uplot';
import { findRuns, marksOf, type PlotRun } from './plot-runs.js';

interface Shown {
  readonly name: string;
  readonly shown: boolean;
  /** Its scale, by its number from 0 on. */
  readonly scale: number;
}

interface Listener {
  onCursor(plot: uPlot): void;
  /** Somebody has drawn over a part of it; in seconds. */
  onZoom(min: number, max: number): void;
}

/** So many colours there are; further series begin again with the first. */
export const COLOURS = 8;
/** A piece of a curve that is narrower, in pixels, is drawn as points: a line of no width is not to be seen. */
const NARROW = 6;
/** Around an outage so many pixels are left for the ends of the curve. */
const MARGIN = 2;

/** The colour of a series, by its number from 0 on. */
export const seriesColour = (index: number): string => cssValue(`--series-${(index % COLOURS) + 1}`);

const scaleName = (scale: number): string => (scale === 0 ? 'y' : `y${scale}`);

function cssValue(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const FONT = '12px system-ui, sans-serif';
const DAY = '\n{YYYY}-{MM}-{DD}';
/** By the distance of ticks in seconds: what each says, and what it says besides where the day changes. */
const TICKS = (
  [
    [86_400, '{YYYY}-{MM}-{DD}', null],
    [60, '{HH}:{mm}', DAY],
    [1, '{HH}:{mm}:{ss}', DAY],
    [0.001, '{HH}:{mm}:{ss}.{fff}', DAY],
  ] as const
).map(([distance, text, ofDay]) => [distance, text, ofDay, null, ofDay, null, null, null, 1]);
/** Room for a tick's text, so that neighbours stay apart. */
const TICK_SPACE = 90;
const LEAST_Y_AXIS = 44;
/** uPlot's number of that side. */
const RIGHT = 1;

export function plotOptions(
  series: readonly Shown[],
  size: { readonly width: number; readonly height: number },
  listener: Listener,
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: cssValue('--quiet'),
    font: FONT,
    grid: { stroke: cssValue('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    ...size,
    // Spaces in the CSS are better than those of the canvas.
    padding: [12, 16, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
    scales: { x: { time: true } },
    axes: [
      { ...axis, space: TICK_SPACE, values: TICKS },
      { ...axis, size: widthOfValues },
      // Further scales have no axis: the legend has the values.
      ...(series.some(({ scale, shown }) => scale === 1 && shown)
        ? [{ ...axis, scale: scaleName(1), side: RIGHT, grid: { show: false }, size: widthOfValues }]
        : []),
    ],
    series: [
      {},
      ...series.map(
        ({ name, shown, scale }, index): uPlot.Series => ({
          label: name,
          scale: scaleName(scale),
          show: shown,
          stroke: seriesColour(index),
          width: 1.75,
          // A reading may lack some of the values, which is no outage.
          gaps: (plot, index, from, to) => outagesOf(plot, index, from, to),
          points: { size: 5, filter: (plot, index, isDense) => (isDense ? null : narrowMarks(plot, index)) },
        }),
      ),
    ],
    hooks: {
      setCursor: [(plot) => listener.onCursor(plot)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          const [min, max] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          plot.setScale('x', { min, max });
          listener.onZoom(min, max);
        },
      ],
    },
  };
}

function runsOf(plot: uPlot, series: number, from: number, to: number): PlotRun[] {
  return findRuns(plot.data[0] as number[], plot.data[series] as (number | null)[], from, to);
}

/** The outages of a curve, from and to in pixels of the canvas. */
function outagesOf(plot: uPlot, series: number, from: number, to: number): [number, number][] {
  const runs = runsOf(plot, series, from, to);
  const left = (index: number) => plot.valToPos(plot.data[0][index]!, 'x', true);
  const outages = runs.slice(1).map(({ first }, index): [number, number] => {
    return [left(runs[index]!.last) + MARGIN, left(first) - MARGIN];
  });
  return outages.filter(([begin, end]) => end > begin);
}

/** The points that stand for pieces of a curve that are too narrow; null where there are none. */
function narrowMarks(plot: uPlot, series: number): number[] | null {
  const [from, to] = plot.series[0]!.idxs ?? [0, -1];
  const left = (index: number) => plot.valToPos(plot.data[0][index]!, 'x');
  const narrow = runsOf(plot, series, from, to).filter(
    ({ first, last }) => left(last) - left(first) < NARROW,
  );
  if (narrow.length === 0) return null;
  return narrow.flatMap((run) => marksOf(run, plot.data[series] as (number | null)[]));
}

/** As wide as the longest value needs. */
function widthOfValues(plot: uPlot, values: string[] | null): number {
  const longest = Math.max(0, ...(values ?? []).map((value) => value.length));
  if (longest === 0) return LEAST_Y_AXIS;
  plot.ctx.save();
  plot.ctx.font = FONT;
  const width = plot.ctx.measureText('0'.repeat(longest)).width;
  plot.ctx.restore();
  return Math.max(LEAST_Y_AXIS, Math.ceil(width) + 18);
}
