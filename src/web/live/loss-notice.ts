/** Tells where entries were gone before they could be read. */
import type { Gap } from '../../client/gap.js';
import { entryTime } from '../../protocol/entry-id.js';
import { make, setText } from './elements.js';
import { formatTime } from './format.js';

const REASONS: Record<string, string> = { trimmed: 'trimmed away', deleted: 'deleted' };

export class LossNotice {
  readonly #text = make('span');
  readonly element = make(
    'p',
    { class: 'notice', attributes: { role: 'status' } },
    this.#text,
    make('button', {
      class: 'quiet',
      text: 'Dismiss',
      attributes: { type: 'button' },
      on: { click: () => this.#hide() },
    }),
  );
  #count = 0;

  constructor() {
    this.element.hidden = true;
  }

  show({ after, resumedAt, reason }: Gap): void {
    this.#count++;
    const often = this.#count === 1 ? '' : ` (${this.#count} times so far)`;
    const between = `${formatTime(entryTime(after))} and ${formatTime(entryTime(resumedAt))}`;
    setText(this.#text, `Entries between ${between} were ${REASONS[reason] ?? reason}${often}.`);
    this.element.hidden = false;
  }

  #hide(): void {
    this.element.hidden = true;
    this.#count = 0;
  }
}
