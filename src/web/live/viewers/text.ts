/** A tail of text and JSON, the newest at the bottom. */
import type { Entry } from '../../../client/entry.js';
import { compareEntryIds } from '../../../protocol/entry-id.js';
import { make } from '../elements.js';
import { formatBytes, formatTime } from '../format.js';
import { FrameJob } from '../frames.js';
import type { Viewer } from './viewer.js';

const MOST_LINES = 200;
/** Of an entry so many bytes are kept and shown. */
const SHOWN_BYTES = 4096;
/** Within so many pixels of its end a list is taken for being at its end. */
const AT_END = 40;

interface Line {
  readonly id: string;
  readonly text: string;
  readonly element: HTMLLIElement;
}

export class TextViewer implements Viewer {
  readonly kind = 'text';
  readonly wants = { entries: MOST_LINES };
  readonly #list = make('ol', { class: 'tail', attributes: { tabindex: '0', 'aria-label': 'Entries' } });
  readonly #pretty = make('input', {
    attributes: { type: 'checkbox' },
    on: { change: () => this.#rewrite() },
  });
  readonly element = make(
    'div',
    { class: 'viewer text' },
    this.#list,
    make('label', { class: 'viewer-options' }, this.#pretty, 'Pretty JSON'),
  );
  /** Those that are in the page, in their order, and those that will be with the next frame. */
  #lines: Line[] = [];
  #waiting: Entry[] = [];
  #follows = true;
  readonly #job = new FrameJob(() => this.#draw());

  constructor() {
    this.#list.addEventListener('scroll', () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#list;
      this.#follows = scrollHeight - scrollTop - clientHeight < AT_END;
    });
  }

  live(entry: Entry): void {
    this.#waiting.push(entry);
    // Whatever would be pushed out again need not be drawn.
    if (this.#waiting.length > 2 * MOST_LINES) this.#waiting.splice(0, this.#waiting.length - MOST_LINES);
    this.#job.ask();
  }

  still(entry: Entry, about: readonly Entry[]): void {
    this.#draw();
    for (const one of [...about, entry]) this.#insert(one);
    this.#follows = false;
    for (const { id, element } of this.#lines) {
      element.classList.toggle('chosen', id === entry.id);
      if (id === entry.id) element.scrollIntoView({ block: 'nearest' });
    }
  }

  clear(): void {
    this.#waiting = [];
    this.#lines = [];
    this.#list.replaceChildren();
    this.#follows = true;
  }

  facts(): readonly string[] {
    return [];
  }

  destroy(): void {
    this.#job.cancel();
  }

  #draw(): void {
    const fresh = this.#waiting.slice(-MOST_LINES).map((entry) => this.#line(entry));
    this.#waiting = [];
    if (fresh.length === 0) return;
    this.#list.append(...fresh.map(({ element }) => element));
    this.#lines.push(...fresh);
    this.#trim(0);
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Puts one among the others, where it belongs. */
  #insert(entry: Entry): void {
    const after = this.#lines.findIndex(({ id }) => compareEntryIds(id, entry.id) >= 0);
    if (this.#lines[after]?.id === entry.id) return;
    const line = this.#line(entry);
    const at = after < 0 ? this.#lines.length : after;
    this.#list.insertBefore(line.element, this.#lines[at]?.element ?? null);
    this.#lines.splice(at, 0, line);
    // The end that is farther from it goes.
    this.#trim(at < MOST_LINES / 2 ? this.#lines.length - 1 : 0);
  }

  #trim(from: number): void {
    while (this.#lines.length > MOST_LINES) {
      const [line] = this.#lines.splice(from === 0 ? 0 : this.#lines.length - 1, 1);
      line!.element.remove();
    }
  }

  #line({ id, time, data }: Entry): Line {
    const text = new TextDecoder().decode(data.subarray(0, SHOWN_BYTES));
    const more = data.length > SHOWN_BYTES ? ` … ${formatBytes(data.length - SHOWN_BYTES)} more` : '';
    const element = make(
      'li',
      {},
      make('time', { text: formatTime(time), attributes: { title: id } }),
      make('code', { text: this.#written(text) + more }),
    );
    return { id, text, element };
  }

  #written(text: string): string {
    if (!this.#pretty.checked) return text.trimEnd();
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text.trimEnd();
    }
  }

  #rewrite(): void {
    for (const { text, element } of this.#lines) element.lastElementChild!.textContent = this.#written(text);
    if (this.#follows) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
