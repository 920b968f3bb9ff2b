/** Samples, in the languages that there are some in. */
import type { CodeSample } from '../../openapi/model.js';
import { codeBlock } from './code-block.js';
import { element } from './elements.js';

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
