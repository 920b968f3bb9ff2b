/** The names of a plot's series with their values, the newest or those under the pointer; a click hides one. */
import { make, setText } from '../elements.js';
import { formatValue } from '../format.js';
import type { PlotData } from './plot-data.js';
import { COLOURS } from './plot-style.js';

interface Chip {
  readonly element: HTMLButtonElement;
  readonly value: HTMLElement;
  readonly scale: HTMLElement;
}

export class PlotLegend {
  readonly element = make('div', { class: 'legend', attributes: { role: 'group', 'aria-label': 'Series' } });
  readonly #hidden: Set<string>;
  readonly #onChange: () => void;
  readonly #chips = new Map<string, Chip>();
  /** What is not drawn, in words. */
  readonly #rest = make('span', { class: 'legend-rest', attributes: { role: 'status' } });

  /** @param hidden names of series that are not drawn, which clicks change */
  constructor(hidden: Set<string>, onChange: () => void) {
    this.#hidden = hidden;
    this.#onChange = onChange;
    this.element.append(this.#rest);
  }

  /**
   * @param at which point's values; undefined: each series' newest
   * @param scales the scale of each series, 0 being the one on the left
   * @param omitted numbers of an entry that cannot be chosen
   */
  update(
    { series }: PlotData,
    at: number | undefined,
    scales: ReadonlyMap<string, number>,
    omitted: number,
  ): void {
    for (const [name, { element }] of this.#chips) {
      if (series.some((one) => one.name === name)) continue;
      element.remove();
      this.#chips.delete(name);
    }
    series.forEach(({ name, values }, index) => {
      const chip = this.#chips.get(name) ?? this.#add(name, index);
      setText(
        chip.value,
        formatValue(at === undefined ? values.findLast((one) => one !== null) : values[at]),
      );
      chip.element.setAttribute('aria-pressed', String(!this.#hidden.has(name)));
      setText(chip.scale, scaleText(scales.get(name) ?? 0));
    });
    const drawn = series.filter(({ name }) => !this.#hidden.has(name)).length;
    const total = series.length + omitted;
    const hint = drawn < series.length ? ': click a name to draw it' : '';
    setText(this.#rest, drawn < total ? `${drawn} of ${total} numbers are drawn${hint}` : '');
  }

  #add(name: string, index: number): Chip {
    const value = make('span', { class: 'legend-value' });
    const scale = make('span', { class: 'legend-scale' });
    const element = make(
      'button',
      { class: 'chip', attributes: { type: 'button', title: 'Show or hide' } },
      make('span', { class: `swatch swatch-${(index % COLOURS) + 1}` }),
      make('span', { class: 'legend-name', text: name }),
      value,
      scale,
    );
    element.addEventListener('click', () => {
      if (!this.#hidden.delete(name)) this.#hidden.add(name);
      this.#onChange();
    });
    this.#rest.before(element);
    const chip = { element, value, scale };
    this.#chips.set(name, chip);
    return chip;
  }
}

function scaleText(scale: number): string {
  if (scale === 0) return '';
  return scale === 1 ? 'right axis' : 'own scale';
}
