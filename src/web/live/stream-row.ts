/** One stream in the list. */
import { entryTime } from '../../protocol/entry-id.js';
import type { StreamOverview } from '../../protocol/overview.js';
import { make, setText } from './elements.js';
import { formatAge, formatByteRate, formatRate } from './format.js';
import type { StreamRate } from './rates.js';
import { linkTo } from './route.js';

/** Younger entries make a stream one that flows. */
const FLOWING_MS = 3000;

export class StreamRow {
  readonly element: HTMLAnchorElement;
  readonly key: string;
  /** '' where it has none. */
  readonly device: string;
  readonly #rate = cell('rate', 'Entries per second');
  readonly #bytes = cell('bytes', 'Bytes per second');
  readonly #age = cell('age', 'Age of the newest entry');
  readonly #followers = cell('followers', 'Followers');
  #newest: number | undefined;

  constructor({ key, sid, device }: StreamOverview) {
    this.key = key;
    this.device = device ?? '';
    const name = make('span', { class: 'name', text: sid, attributes: { title: key } });
    const dot = make('span', { class: 'dot', attributes: { 'aria-hidden': 'true' } });
    this.element = make(
      'a',
      { class: 'row', attributes: { href: linkTo(key) } },
      dot,
      name,
      this.#rate,
      this.#bytes,
      this.#age,
      this.#followers,
    );
    this.element.dataset.key = key;
  }

  mark(isOpen: boolean): void {
    if (isOpen) this.element.setAttribute('aria-current', 'page');
    else this.element.removeAttribute('aria-current');
  }

  /** @param now the gateway's clock */
  update(stream: StreamOverview, rate: StreamRate | undefined, now: number): void {
    this.#newest = stream.length === 0 ? undefined : entryTime(stream.lastEntryId);
    setText(this.#rate, formatRate(rate?.entries));
    setText(this.#bytes, formatByteRate(rate?.bytes));
    setText(this.#followers, stream.followers === 0 ? '–' : String(stream.followers));
    this.tick(now);
  }

  tick(now: number): void {
    const age = this.#newest === undefined ? undefined : now - this.#newest;
    setText(this.#age, age === undefined ? 'empty' : formatAge(age));
    const flows = age !== undefined && age < FLOWING_MS;
    if (this.element.classList.contains('flows') !== flows) this.element.classList.toggle('flows', flows);
  }
}

function cell(name: string, title: string): HTMLElement {
  return make('span', { class: `cell ${name}`, attributes: { title } });
}
