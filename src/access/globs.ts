/**
 * The globs of rights: `*` stands for any characters, none included, and every other character for itself.
 * Names may hold `?`, `[` and `\`, so these mean nothing here.
 */

const ANY = '*';

/** A glob that matches every name, the empty one too. */
export function matchesAll(glob: string): boolean {
  return matchGlob(glob, '');
}

/** Takes time in proportion to the two lengths' sum: what is between two stars is looked for once, in order. */
export function matchGlob(glob: string, text: string): boolean {
  if (glob === ANY) return true;
  let star = glob.indexOf(ANY);
  if (star < 0) return glob === text;
  const lastStar = glob.lastIndexOf(ANY);
  const end = text.length - (glob.length - lastStar - 1);
  if (end < star || !text.startsWith(glob.slice(0, star)) || !text.endsWith(glob.slice(lastStar + 1))) {
    return false;
  }
  let at = star;
  while (star < lastStar) {
    const next = glob.indexOf(ANY, star + 1);
    const part = glob.slice(star + 1, next);
    // As early as possible: a later place could do no better.
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
    star = next;
  }
  return true;
}
