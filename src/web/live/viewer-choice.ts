/** How a stream is looked at: as its bytes suggest, or as somebody has chosen. */
import { make } from './elements.js';
import { VIEWER_KINDS, type ViewerKind } from './viewers/viewer.js';

const NAMES: Record<ViewerKind, string> = { image: 'Image', plot: 'Plot', text: 'Text', hex: 'Hex' };

export class ViewerChoice {
  readonly element = make('div', { class: 'choice', attributes: { role: 'group', 'aria-label': 'View as' } });
  readonly #buttons = new Map<ViewerKind, HTMLButtonElement>();
  readonly #onChoice: (kind: ViewerKind | 'auto') => void;
  #isAuto = true;

  constructor(onChoice: (kind: ViewerKind | 'auto') => void) {
    this.#onChoice = onChoice;
    for (const kind of VIEWER_KINDS) {
      const button = make('button', {
        text: NAMES[kind],
        attributes: { type: 'button', 'aria-pressed': 'false' },
      });
      button.addEventListener('click', () => this.#choose(kind));
      this.#buttons.set(kind, button);
      this.element.append(button);
    }
  }

  /** Nobody has chosen. */
  get isAuto(): boolean {
    return this.#isAuto;
  }

  show(kind: ViewerKind): void {
    for (const [one, button] of this.#buttons) button.setAttribute('aria-pressed', String(one === kind));
  }

  #choose(kind: ViewerKind): void {
    this.#isAuto = false;
    this.#onChoice(kind);
  }
}
