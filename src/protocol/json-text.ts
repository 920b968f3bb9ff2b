/** JSON that others wrote: it may be anything, and nest as deep as its bytes last. */
import { holdsAtMost } from './json-bounds.js';

/** Of a value with so many commas and brackets the main thread is held up for about 50 ms to hand it on. */
const MAX_MARKS = 250_000;
/** Each level takes stack wherever the value is copied or written again. */
export const MAX_LEVELS = 1000;

/**
 * Whether a value's JSON has more than `bytes` bytes for certain, without writing it: parts that a value holds
 * many times, as a GraphQL variable that a literal names again and again, cost nothing until they are written.
 * Takes at most so many steps.
 */
export function isSurelyLonger(value: unknown, bytes: number): boolean {
  let length = 0;
  // Not by calling itself: the value may nest deeper than the stack goes.
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string') length += next.length + 2;
    else if (typeof next !== 'object' || next === null) length++;
    else {
      const inner = Object.values(next);
      length += inner.length + 1;
      // A key takes two quotes and a colon besides itself.
      if (!Array.isArray(next)) for (const key of Object.keys(next)) length += key.length + 3;
      if (length > bytes) return true;
      for (const part of inner) rest.push(part);
    }
    if (length > bytes) return true;
  }
  return false;
}

/** Whether a value has more levels than can be handed on. */
export function nestsTooDeep(value: unknown, levels = MAX_LEVELS): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => nestsTooDeep(inner, levels - 1));
}

/** RFC 8259 §8.1: nobody must write it, and parsers may ignore it. Browsers do, and so does `detectMediaType`. */
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * The value of a JSON text, with or without a byte order mark before it; null where it does not parse, nests too deep
 * or holds too much.
 */
export function parseJsonText(text: string): unknown {
  if (!holdsAtMost(text, MAX_LEVELS, MAX_MARKS)) return null;
  try {
    const value: unknown = JSON.parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
    return nestsTooDeep(value) ? null : value;
  } catch {
    return null;
  }
}
