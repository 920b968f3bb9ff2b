/** Failures, those of HTTP and of WebSockets: the catalogue of all, and links that lead to it. */
import type { Failures } from '../../openapi/model.js';
import { element, table } from './elements.js';
import { inline } from './markdown.js';

const AGAIN = { no: 'no', later: 'later', at_once: 'at\u00a0once' } as const;

/** Leads to the failure's row in the catalogue. */
export const failureLink = (code: string) =>
  element('a', { href: `#failure-${code}`, class: 'failure' }, element('code', {}, code));

/** Numbers, as of a status, each with the failures that it stands for. */
export function failureTable(
  number: string,
  groups: Readonly<Record<string, readonly string[]>>,
): HTMLElement {
  return table(
    [number, 'code'],
    Object.entries(groups).map(([key, codes]) => [
      element('code', {}, key),
      element('span', {}, ...codes.flatMap((code) => [failureLink(code), ' '])),
    ]),
  );
}

/** The catalogue. */
export function failureView(failures: Failures): HTMLElement {
  const rows = Object.entries(failures).sort(([, a], [, b]) => a.status - b.status || a.close - b.close);
  const catalogue = table(
    ['code', 'HTTP', 'close', 'again', 'meaning'],
    rows.map(([code, { status, close, retry, meaning }]) => [
      element('code', { id: `failure-${code}` }, code),
      String(status),
      String(close),
      AGAIN[retry],
      inline(meaning),
    ]),
  );
  return element(
    'section',
    { id: 'errors' },
    element('h2', {}, 'Errors'),
    element(
      'p',
      {},
      'Does it help to come back? No: not before you, or the configuration, have changed something. Later: what is in the way passes by itself, and HTTP answers have Retry-After. At once: only the connection was at fault, and a new one goes on where it was.',
    ),
    catalogue,
  );
}
