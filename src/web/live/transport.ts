/** The controls under a stream: pause, steps, a time to go to, and the address of what is shown. */
import { icon, make, setText } from './elements.js';
import { formatLocal } from './format.js';

export interface TransportActions {
  toggle(): void;
  step(by: -1 | 1): void;
  /** @param time milliseconds since 1970 */
  goTo(time: number): void;
  /** @returns the address of the entry that is shown; undefined: none is */
  address(): string | undefined;
}

const PAUSE = 'M8 5v14M16 5v14';
const PLAY = 'M7 4.5v15l12-7.5z';
const BACK = 'M17 5v14l-9-7zM6 5v14';
const FORWARD = 'M7 5v14l9-7zM18 5v14';
/** How long the button says that the address was copied. */
const SAID_MS = 1500;

export class Transport {
  readonly element: HTMLElement;
  readonly #play = make('button', {
    class: 'play',
    attributes: { type: 'button', 'aria-keyshortcuts': 'Space' },
  });
  readonly #time = make('input', {
    attributes: { type: 'datetime-local', step: '0.001', 'aria-label': 'Go to a time' },
  });
  readonly #copy = make('button', { class: 'quiet', text: 'Copy URL', attributes: { type: 'button' } });
  readonly #open = make('a', { class: 'button quiet', text: 'Open', attributes: { target: '_blank' } });

  constructor(actions: TransportActions) {
    const step = (by: -1 | 1, path: string, name: string, key: string) => {
      const button = make('button', {
        class: 'quiet',
        attributes: {
          type: 'button',
          title: `${name} (${key})`,
          'aria-label': name,
          'aria-keyshortcuts': key,
        },
        on: { click: () => actions.step(by) },
      });
      button.append(icon(path));
      return button;
    };
    this.#play.addEventListener('click', () => actions.toggle());
    this.#copy.addEventListener('click', () => void this.#copyAddress(actions.address()));
    const go = make('form', { class: 'go-to' }, this.#time, make('button', { class: 'quiet', text: 'Go' }));
    go.addEventListener('submit', (event) => {
      event.preventDefault();
      const time = new Date(this.#time.value).getTime();
      if (!Number.isNaN(time)) actions.goTo(time);
    });
    this.element = make(
      'div',
      { class: 'transport', attributes: { role: 'toolbar', 'aria-label': 'Playback' } },
      step(-1, BACK, 'Previous entry', '['),
      this.#play,
      step(1, FORWARD, 'Next entry', ']'),
      go,
      make('span', { class: 'spacer' }),
      this.#copy,
      this.#open,
    );
    this.show(true);
  }

  show(isLive: boolean): void {
    const label = isLive ? 'Pause' : 'Play live';
    this.#play.replaceChildren(icon(isLive ? PAUSE : PLAY), label);
    this.#play.title = `${label} (Space)`;
  }

  /** @param address where the entry that is shown is to be found */
  offer(time: number, address: string): void {
    this.#open.href = address;
    // Not while somebody writes another.
    if (document.activeElement !== this.#time) this.#time.value = formatLocal(time);
  }

  async #copyAddress(address: string | undefined): Promise<void> {
    if (address === undefined) return;
    let said = 'Copied';
    try {
      await navigator.clipboard.writeText(address);
    } catch {
      // Without TLS browsers give pages no clipboard; the address is at least to be seen.
      said = 'Not allowed here';
      window.prompt('The address of this entry', address);
    }
    setText(this.#copy, said);
    setTimeout(() => setText(this.#copy, 'Copy URL'), SAID_MS);
  }
}
