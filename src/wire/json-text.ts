/** JSON that others wrote: it may be anything, and nest as deep as its bytes last. */
import { holdsAtMost } from './json-bounds.js';

/** Of a value with so many commas and brackets the main thread is held up for about 50 ms to hand it on. */
const MAX_MARKS = 250_000;
/** Each level takes stack wherever the value is copied or written again. */
const MAX_LEVELS = 1000;

/** Whether a value has more levels than can be handed on. */
export function nestsTooDeep(value: unknown, levels = MAX_LEVELS): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsTooDeep(inner, levels - 1));
}

/** The value of a JSON text; null where it does not parse, nests too deep or holds too much. */
export function parseJsonText(text: string): unknown {
  if (!holdsAtMost(text, MAX_LEVELS, MAX_MARKS)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return nestsTooDeep(value) ? null : value;
  } catch {
    return null;
  }
}
