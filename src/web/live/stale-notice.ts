/** Says over a stream that its entries have stopped coming, and takes the colour from what is shown. */
import type { Arrivals } from './arrivals.js';
import { make, setText } from './elements.js';
import { formatAge, formatInterval } from './format.js';

export class StaleNotice {
  readonly element = make('p', { class: 'stale', attributes: { role: 'status' } });
  readonly #stage: HTMLElement;

  /** @param stage what is shown */
  constructor(stage: HTMLElement) {
    this.#stage = stage;
    this.hide();
  }

  /** @param age of the newest entry, in ms */
  update(arrivals: Arrivals, age: number): void {
    if (!arrivals.isOverdue(performance.now(), age)) {
      this.hide();
      return;
    }
    const { expected } = arrivals;
    const usual = expected === undefined ? '' : `; usually one comes within ${formatInterval(expected)}`;
    setText(this.element, `No new entry for ${formatAge(age)}${usual}`);
    this.element.hidden = false;
    this.#stage.classList.add('is-stale');
  }

  hide(): void {
    this.element.hidden = true;
    this.#stage.classList.remove('is-stale');
  }
}
