/** Code to copy, in the languages that there is some for. */
import type { CodeSample } from '../../openapi/model.js';
import { element } from './elements.js';

/** Where the description's samples find a gateway; the reader's own is where the page came from. */
const ANYWHERE = /(http|ws):\/\/localhost:8000/g;

const here = (source: string) =>
  source.replace(ANYWHERE, (_, scheme: string) => location.origin.replace(/^http/, scheme));

const COPIED_MS = 1500;

function copyButton(source: string): HTMLElement {
  const button = element('button', { type: 'button', class: 'copy' }, 'Copy');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(source);
      button.textContent = 'Copied';
    } catch {
      // Pages that came unencrypted from elsewhere may not: the text can still be selected.
      button.textContent = 'Not allowed';
    }
    setTimeout(() => {
      button.textContent = 'Copy';
    }, COPIED_MS);
  });
  return button;
}

const codeBlock = (text: string) => {
  const source = here(text);
  return element(
    'div',
    { class: 'code' },
    element('pre', { tabindex: '0' }, element('code', {}, source)),
    copyButton(source),
  );
};

/** The last language that somebody chose, for all operations. */
let chosen: string | undefined;

/** @returns tabs, one a language */
export function samples(all: readonly CodeSample[]): HTMLElement {
  const languages = [...new Set(all.map(({ lang }) => lang))];
  const block = element('div', { class: 'samples' });
  const tabs = element('div', { role: 'group', 'aria-label': 'Language' });
  const shown = element('div');
  const show = (language: string) => {
    for (const tab of tabs.querySelectorAll('button')) {
      tab.setAttribute('aria-pressed', String(tab.textContent === language));
    }
    const sources = all.filter(({ lang }) => lang === language).map(({ source }) => codeBlock(source));
    shown.replaceChildren(...sources);
  };
  for (const language of languages) {
    const tab = element('button', { type: 'button' }, language);
    tab.addEventListener('click', () => {
      chosen = language;
      show(language);
    });
    tabs.append(tab);
  }
  show(languages.find((language) => language === chosen) ?? languages[0]!);
  block.append(tabs, shown);
  return block;
}
