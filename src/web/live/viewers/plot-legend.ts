/** The names of a plot's series with their values, the newest or those under the pointer; a click hides one. */
import { make, setText } from '../elements.js';
import { formatValue } from '../format.js';
import type { PlotData } from './plot-data.js';

interface Chip {
  readonly element: HTMLButtonElement;
  readonly value: HTMLElement;
}

export class PlotLegend {
  readonly element = make('div', { class: 'legend', attributes: { role: 'group', 'aria-label': 'Series' } });
  readonly #hidden: Set<string>;
  readonly #onChange: () => void;
  readonly #chips = new Map<string, Chip>();

  /** @param hidden names of series that are not drawn, which clicks change */
  constructor(hidden: Set<string>, onChange: () => void) {
    this.#hidden = hidden;
    this.#onChange = onChange;
  }

  /** @param at which point's values; undefined: each series' newest */
  update({ series }: PlotData, at: number | undefined): void {
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
    });
  }

  #add(name: string, index: number): Chip {
    const value = make('span', { class: 'legend-value' });
    const element = make(
      'button',
      { class: 'chip', attributes: { type: 'button', title: 'Show or hide' } },
      make('span', { class: `swatch swatch-${index + 1}` }),
      make('span', { class: 'legend-name', text: name }),
      value,
    );
    element.addEventListener('click', () => {
      if (!this.#hidden.delete(name)) this.#hidden.add(name);
      this.#onChange();
    });
    this.element.append(element);
    const chip = { element, value };
    this.#chips.set(name, chip);
    return chip;
  }
}
