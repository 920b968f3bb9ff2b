/** Numbers over time. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Entry } from '../../../client/entry.js';
import { make } from '../elements.js';
import { FrameJob } from '../frames.js';
import { isTimestamp, MOST_SHOWN, numbersIn } from '../numbers.js';
import { MOST_POINTS, PlotData } from './plot-data.js';
import { PlotLegend } from './plot-legend.js';
import { assignScales } from './plot-scales.js';
import { plotOptions } from './plot-style.js';
import type { Stage, Viewer } from './viewer.js';

const WINDOWS: readonly (readonly [ms: number, name: string])[] = [
  [10_000, '10 s'],
  [60_000, '1 min'],
  [600_000, '10 min'],
  [3_600_000, '1 h'],
  [86_400_000, '24 h'],
];
const DEFAULT_WINDOW = 60_000;
/** A picture that moves is drawn no oftener, but for new points. */
const SHORTEST_STEP_MS = 50;
/** For who prefers less motion it moves in steps. */
const CALM_STEP_MS = 1000;
const CALM = matchMedia('(prefers-reduced-motion: reduce)');
const DARK = matchMedia('(prefers-color-scheme: dark)');
/** The newest point does not stick to the edge: this part of the window is free. */
const MARGIN = 0.01;
/** Lower than this nothing is to be seen. */
const LOWEST = 120;

export class PlotViewer implements Viewer {
  readonly kind = 'plot';
  readonly element: HTMLElement;
  readonly #stage: Stage;
  readonly #frame = make('div', { class: 'plot-frame' });
  readonly #data = new PlotData();
  readonly #hidden = new Set<string>();
  readonly #job = new FrameJob(() => this.#draw());
  readonly #legend = new PlotLegend(this.#hidden, () => this.#rebuild());
  readonly #watching = new AbortController();
  readonly #sizes = new ResizeObserver(() => this.#resize());
  /** The scale of each series that is drawn. */
  #scales: ReadonlyMap<string, number> = new Map();
  /** Numbers of the newest entry that are too many to choose from. */
  #omitted = 0;
  #window = DEFAULT_WINDOW;
  #plot: uPlot | undefined;
  #isLive = true;
  #motion: ReturnType<typeof setTimeout> | undefined;
  /** Where the plot stands while it does not move, in seconds. */
  #range: readonly [from: number, to: number] | undefined;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.element = make(
      'div',
      { class: 'viewer plot' },
      this.#frame,
      make('div', { class: 'plot-foot' }, this.#legend.element, this.#windowChoice()),
    );
    this.#sizes.observe(this.#frame);
    DARK.addEventListener('change', () => this.#rebuild(), { signal: this.#watching.signal });
  }

  get wants(): { entries: number; since: number } {
    return { entries: MOST_POINTS, since: this.#stage.now() - this.#window };
  }

  /** Over which time the entries about one that is gone to are shown, in milliseconds. */
  get span(): number {
    return this.#window;
  }

  live(entry: Entry): void {
    this.#isLive = true;
    this.#range = undefined;
    this.#add(entry);
    this.#job.ask();
  }

  still(entry: Entry, about: readonly Entry[]): void {
    this.#isLive = false;
    for (const one of about) this.#add(one);
    const seconds = entry.time / 1000;
    if (!this.#data.times.includes(seconds)) this.#add(entry);
    const [from, to] = this.#range ?? this.#liveRange();
    if (about.length > 0 || seconds < from || seconds > to) {
      const half = this.#window / 2000;
      this.#range = [seconds - half, seconds + half];
    } else this.#range = [from, to];
    this.#draw();
    const plot = this.#plot;
    if (plot === undefined) return;
    const left = plot.valToPos(seconds, 'x');
    plot.setCursor({ left, top: plot.over.clientHeight / 2 });
  }

  clear(): void {
    this.#data.clear();
    this.#range = undefined;
    this.#job.ask();
  }

  facts(): readonly string[] {
    const { length } = this.#data.times;
    return [length >= MOST_POINTS ? `newest ${MOST_POINTS.toLocaleString('en')} points` : `${length} points`];
  }

  destroy(): void {
    this.#job.cancel();
    clearTimeout(this.#motion);
    this.#watching.abort();
    this.#sizes.disconnect();
    this.#plot?.destroy();
  }

  #add(entry: Entry): void {
    const { values, omitted } = numbersIn(entry.data);
    const known = this.#data.series.length;
    this.#omitted = omitted;
    this.#data.add(entry.time, values);
    if (this.#data.series.length === known) return;
    let drawn = this.#data.series.slice(0, known).filter(({ name }) => !this.#hidden.has(name)).length;
    for (const { name } of this.#data.series.slice(known)) {
      const isTime = values.size > 1 && isTimestamp(name, values.get(name) ?? 0);
      if (isTime || drawn >= MOST_SHOWN) this.#hidden.add(name);
      else if (!this.#hidden.has(name)) drawn++;
    }
    this.#rebuild();
  }

  /** The series that are not hidden. */
  get #drawn() {
    return this.#data.series.filter(({ name }) => !this.#hidden.has(name));
  }

  /** Gives each curve its scale. @returns whether that has changed */
  #rescale(): boolean {
    const scales = assignScales(this.#drawn);
    const isSame = [...scales].every(([name, scale]) => this.#scales.get(name) === scale);
    this.#scales = scales;
    return !isSame;
  }

  #updateLegend(at: number | null | undefined): void {
    this.#legend.update(this.#data, at ?? undefined, this.#scales, this.#omitted);
  }

  /** The window that ends now, or with the newest point: clients may send times of their own. */
  #liveRange(): [from: number, to: number] {
    const to = Math.max(this.#stage.now() / 1000, this.#data.times.at(-1) ?? 0);
    return [to - this.#window / 1000, to + (MARGIN * this.#window) / 1000];
  }

  #draw(): void {
    if (this.#isLive) this.#data.dropBefore(this.#stage.now() - this.#window);
    if (this.#rescale()) {
      this.#plot?.destroy();
      this.#plot = undefined;
    }
    this.#plot ??= this.#build();
    if (this.#plot === undefined) return;
    const plot = this.#plot;
    const [min, max] = this.#range ?? this.#liveRange();
    plot.batch(() => {
      plot.setData([this.#data.times, ...this.#data.series.map(({ values }) => values)], false);
      plot.setScale('x', { min, max });
    });
    this.#updateLegend(plot.cursor.idx);
    clearTimeout(this.#motion);
    // While nothing comes it moves by a pixel at a time.
    const step = CALM.matches ? CALM_STEP_MS : Math.max(this.#window / plot.width, SHORTEST_STEP_MS);
    if (this.#isLive) this.#motion = setTimeout(() => this.#job.ask(), step);
  }

  #rebuild(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#job.ask();
  }

  /** @returns undefined while there is nothing to show, or no room to show it in */
  #build(): uPlot | undefined {
    const { series } = this.#data;
    const { clientWidth: width, clientHeight: height } = this.#frame;
    if (series.length === 0 || width === 0) return undefined;
    const options = plotOptions(
      series.map(({ name }) => ({
        name,
        shown: !this.#hidden.has(name),
        scale: this.#scales.get(name) ?? 0,
      })),
      { width, height: Math.max(height, LOWEST) },
      {
        onCursor: ({ cursor }) => this.#updateLegend(cursor.idx),
        onZoom: (min, max) => {
          this.#isLive = false;
          this.#range = [min, max];
          this.#stage.pause();
        },
      },
    );
    return new uPlot(options, [this.#data.times, ...series.map(({ values }) => values)], this.#frame);
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.#frame;
    if (width > 0) this.#plot?.setSize({ width, height: Math.max(height, LOWEST) });
    if (this.#plot === undefined) this.#job.ask();
  }

  #windowChoice(): HTMLElement {
    const select = make('select', { attributes: { 'aria-label': 'Time shown' } });
    for (const [ms, name] of WINDOWS) {
      select.append(make('option', { text: name, attributes: { value: String(ms) } }));
    }
    select.value = String(this.#window);
    select.addEventListener('change', () => {
      this.#window = Number(select.value);
      this.#range = undefined;
      this.#stage.restart();
    });
    return select;
  }
}
