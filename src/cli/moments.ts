/** Moments as people write them, in the forms that the gateway takes. */
import { parseSpan } from './spans.js';

/** Date.parse alone takes many a text for a time. */
const DAY = /^\d{4}-\d{2}-\d{2}(T.*)?$/;
const ID = /^\d{1,20}(-\d{1,20})?$/;

/**
 * Milliseconds since 1970 or an entry id as it is, `now`, a span that has passed since as `10m`, or ISO 8601.
 * @throws Error one sentence
 */
export function parseMomentOption(text: string, now = Date.now()): string {
  if (ID.test(text)) return text;
  if (text === 'now') return String(now);
  const span = parseSpan(text);
  const time = span === undefined ? Date.parse(DAY.test(text) ? text : '') : now - span;
  if (time >= 0) return String(time);
  throw new Error(
    'It must be an ISO 8601 time, now, a duration ago such as 10m, ms since 1970 or an entry id.',
  );
}
