/** The words that settings and query parameters take for true and false, in any case. */
const WORDS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['yes', true],
  ['on', true],
  ['0', false],
  ['false', false],
  ['no', false],
  ['off', false],
]);

/** How a message names what `parseBoolean` takes. */
export const BOOLEAN_FORM = '1 or 0 (or true/false, yes/no, on/off)';

/** @returns undefined where `text` is none of the words. */
export function parseBoolean(text: string): boolean | undefined {
  return WORDS.get(text.toLowerCase());
}
