/** A stream's metadata: shown as JSON, checked as it is typed, and replaced as a whole. */
import { make, setText } from './elements.js';
import type { StreamName } from './entries.js';
import { type PageSession, reasonOf } from './page-session.js';

export class MetadataEditor {
  readonly element: HTMLDetailsElement;
  readonly #session: PageSession;
  readonly #stream: StreamName;
  readonly #text = make('textarea', {
    attributes: {
      rows: '5',
      spellcheck: 'false',
      'aria-label': 'Metadata, a JSON object',
      autocomplete: 'off',
    },
  });
  readonly #said = make('p', { class: 'said', attributes: { role: 'status' } });
  readonly #save = make('button', { text: 'Save', attributes: { type: 'submit' } });
  readonly #revert = make('button', { class: 'quiet', text: 'Revert', attributes: { type: 'button' } });
  /** What the gateway has, written as it is here. */
  #stored = '';

  constructor(session: PageSession, stream: StreamName) {
    this.#session = session;
    this.#stream = stream;
    this.#text.id = 'metadata';
    const form = make(
      'form',
      {},
      this.#text,
      make('div', { class: 'form-foot' }, this.#save, this.#revert, this.#said),
    );
    this.element = make('details', { class: 'metadata' }, make('summary', { text: 'Metadata' }), form);
    this.#text.addEventListener('input', () => this.#check());
    this.#revert.addEventListener('click', () => this.#put(this.#stored));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#store();
    });
    this.element.addEventListener('toggle', () => {
      if (this.element.open && this.#text.value === this.#stored) void this.#load();
    });
    this.#text.readOnly = true;
    this.#check();
  }

  async #load(): Promise<void> {
    // What somebody began to write before it is there would be lost, and what cannot be read is not replaced.
    this.#text.readOnly = true;
    try {
      const { key } = this.#stream;
      const meta = await this.#session.run(null, (gate) => gate.streamMeta(key));
      this.#stored = JSON.stringify(meta, null, 2);
      this.#put(this.#stored);
      this.#text.readOnly = false;
    } catch (error) {
      this.#say(reasonOf(error), true);
    }
  }

  async #store(): Promise<void> {
    const meta = this.#check();
    if (meta === undefined) return;
    this.#save.disabled = true;
    try {
      const { key } = this.#stream;
      await this.#session.run(null, (gate) => gate.updateStreamMeta(key, meta));
      this.#stored = JSON.stringify(meta, null, 2);
      this.#put(this.#stored);
      this.#say('Saved.', false);
    } catch (error) {
      this.#say(reasonOf(error), true);
      this.#save.disabled = false;
    }
  }

  #put(text: string): void {
    this.#text.value = text;
    this.#check();
  }

  /** @returns the object that stands there; undefined where it is none */
  #check(): Record<string, unknown> | undefined {
    const { value } = this.#text;
    const isChanged = value !== this.#stored;
    let meta: Record<string, unknown> | undefined;
    let problem = '';
    try {
      const parsed: unknown = JSON.parse(value === '' ? '{}' : value);
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
        meta = parsed as Record<string, unknown>;
      } else problem = 'Metadata is a JSON object.';
    } catch (error) {
      problem = `Not JSON yet: ${(error as Error).message}`;
    }
    this.#save.disabled = !isChanged || meta === undefined;
    this.#revert.disabled = !isChanged;
    this.#text.setAttribute('aria-invalid', String(meta === undefined));
    this.#say(problem, true);
    return meta;
  }

  #say(text: string, isProblem: boolean): void {
    setText(this.#said, text);
    this.#said.classList.toggle('problem', isProblem);
  }
}
