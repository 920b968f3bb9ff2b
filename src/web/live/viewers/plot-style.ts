/** How plots look: the colours are those of the page, and all times those of the day here. */
import type uPlot from 'uplot';

interface Shown {
  readonly name: string;
  readonly shown: boolean;
}

interface Listener {
  onCursor(plot: uPlot): void;
  /** Somebody has drawn over a part of it; in seconds. */
  onZoom(min: number, max: number): void;
}

/** The colour of a series, by its number from 0 on. */
export const seriesColour = (index: number): string => cssValue(`--series-${index + 1}`);

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
    ],
    series: [
      {},
      ...series.map(
        ({ name, shown }, index): uPlot.Series => ({
          label: name,
          show: shown,
          stroke: seriesColour(index),
          width: 1.75,
          // A reading may lack some of the values.
          spanGaps: true,
          points: { size: 4 },
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
