/** How much a JSON text holds, told by its characters alone: whether parsing it is worth the time. */

/** Parsing these takes no time, whatever they hold. */
const SHORT = 4096;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
/** Either case of the two: `[` or `{`, `]` or `}`. */
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CASE = 0x20;
/** What an object's key costs to parse, in commas. */
const KEY_MARKS = 12;

/**
 * Whether a text that is JSON nests at most `levels` deep and has at most `marks` commas and brackets, of
 * which a key's colon counts for twelve: the parser's own times. Of short texts nothing is asked.
 */
export function holdsAtMost(text: string, levels: number, marks: number): boolean {
  if (text.length <= SHORT) return true;
  let level = 0;
  let seen = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COMMA) seen++;
    else if (code === COLON) seen += KEY_MARKS;
    else if ((code & ~CASE) === OPEN) {
      seen++;
      if (++level > levels) return false;
    } else if ((code & ~CASE) === CLOSE) level--;
    if (seen > marks) return false;
  }
  return true;
}

/** Where the string that begins at `start` ends; the text's end where it does not. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at;
  }
  return text.length;
}
