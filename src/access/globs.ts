/**
 * The globs of rights: `*` stands for any characters, none included, and every other character for itself.
 * Names may hold `?`, `[` and `\`, so these mean nothing here.
 */

const ANY = '*';

/** A glob that matches every name, the empty one too. */
export function matchesAll(glob: string): boolean {
  return matchGlob(glob, '');
}

/** Takes steps in proportion to the lengths' product at most, whatever the glob. */
export function matchGlob(glob: string, text: string): boolean {
  if (glob === ANY) return true;
  let at = 0;
  let next = 0;
  /** Behind the last `*` passed, and from where in the text what follows it was tried last. */
  let afterStar = -1;
  let triedFrom = 0;
  while (next < text.length) {
    if (glob[at] === ANY) {
      afterStar = ++at;
      triedFrom = next;
    } else if (glob[at] === text[next]) {
      at++;
      next++;
    } else if (afterStar >= 0) {
      // The last `*` takes one character more: an earlier one could take no better.
      at = afterStar;
      next = ++triedFrom;
    } else {
      return false;
    }
  }
  while (glob[at] === ANY) at++;
  return at === glob.length;
}
