/** Where a payload is decoded for GraphQL: a small one on main, all others in the pool. */
import { type DecodedEntry, decodeEntry, type EntryForm } from '../../workers/stream-description.js';
import type { Threads } from './threads.js';

/**
 * JSON and text of larger payloads are decoded in the pool: below, the way there costs main more than the
 * work (`bench/crossovers`; of text that is all ASCII it always does). Base64 is always made on main, where
 * handing over the bytes costs more.
 */
export const INLINE_JSON_BYTES = 4 * 1024;
export const INLINE_TEXT_BYTES = 64 * 1024;

/**
 * Decodes a payload where that costs main the least.
 * @param payload may change once this has returned
 */
export function decode(
  threads: Pick<Threads, 'decode'>,
  payload: Uint8Array,
  forms: readonly EntryForm[],
): DecodedEntry | Promise<DecodedEntry> {
  const inlineBytes = forms.includes('json') ? INLINE_JSON_BYTES : INLINE_TEXT_BYTES;
  if (payload.length <= inlineBytes || forms.every((form) => form === 'data')) {
    return decodeEntry(payload, forms);
  }
  // A copy, since what is transferred is gone.
  return threads.decode(new Uint8Array(payload), forms);
}
