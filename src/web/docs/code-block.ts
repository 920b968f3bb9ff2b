/** Code to copy. */
import { element } from './elements.js';

/** Where samples find a gateway; the reader's own is where the page came from. */
const ANYWHERE = /(http|ws):\/\/localhost:8000/g;

/** The same text with this gateway's address. */
export const here = (source: string) =>
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

export const codeBlock = (text: string) => {
  const source = here(text);
  return element(
    'div',
    { class: 'code' },
    element('pre', { tabindex: '0' }, element('code', {}, source)),
    copyButton(source),
  );
};
