/** The dialog that asks for a token. */
import { find, setText } from './elements.js';
import type { AskToken } from './page-session.js';

/** Asks until something was given: without a token there is nothing to see. */
export const promptToken: AskToken = (refused) => {
  const dialog = find('token-dialog', HTMLDialogElement);
  const form = find('token-form', HTMLFormElement);
  const input = find('token', HTMLInputElement);
  const keep = find('token-keep', HTMLInputElement);
  const refusal = find('token-refusal', HTMLElement);
  setText(refusal, refused);
  refusal.hidden = refused === '';
  return new Promise((resolve) => {
    const listening = new AbortController();
    dialog.addEventListener('cancel', (event) => event.preventDefault(), { signal: listening.signal });
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        const token = input.value.trim();
        if (token === '') return;
        listening.abort();
        // The page itself does not go on showing it.
        input.value = '';
        dialog.close();
        resolve({ token, keep: keep.checked });
      },
      { signal: listening.signal },
    );
    dialog.showModal();
    input.focus();
  });
};
