/**
 * Entry ids: `ms-seq`, two unsigned 64-bit numbers in decimal.
 *
 * They stay text throughout, in canonical form (no leading zeros, always with `-seq`): JavaScript's
 * numbers cannot hold them, and two canonical ids compare by length and letters without parsing.
 * Source: https://redis.io/docs/latest/develop/data-types/streams/#entry-ids
 */

/** Before every entry: Redis refuses to store an entry under this id. */
export const BEFORE_FIRST = '0-0';

const ID = /^(\d{1,20})(?:-(\d{1,20}))?$/;
const LARGEST = '18446744073709551615';

/** After every entry that can be stored; Redis refuses it as the excluded start of a range. */
export const AFTER_LAST = `${LARGEST}-${LARGEST}`;

/** The last id that entries of the millisecond `ms` can have. */
export const lastIdOf = (ms: number | string) => `${ms}-${LARGEST}`;

function canonicalNumber(digits: string): string | undefined {
  let zeros = 0;
  while (zeros < digits.length - 1 && digits[zeros] === '0') zeros++;
  const number = digits.slice(zeros);
  // ID takes no more digits than LARGEST has, and texts of the same length compare as their numbers do.
  return number.length < LARGEST.length || number <= LARGEST ? number : undefined;
}

/**
 * The canonical form of `ms` or `ms-seq`; a missing `seq` is 0, as in XREAD.
 * @returns undefined where `text` is neither, or a part does not fit 64 bits.
 */
export function parseEntryId(text: string): string | undefined {
  const match = ID.exec(text);
  if (match === null) return undefined;
  const ms = canonicalNumber(match[1]!);
  const seq = canonicalNumber(match[2] ?? '0');
  return ms === undefined || seq === undefined ? undefined : `${ms}-${seq}`;
}

/** Negative, zero or positive as canonical id `a` is before, the same as, or after `b`. */
export function compareEntryIds(a: string, b: string): number {
  const dash = a.indexOf('-');
  const dashes = dash - b.indexOf('-');
  if (dashes !== 0) return dashes;
  // The same number of digits in `ms`: with as many in `seq` too, the order is that of the letters.
  if (a.length === b.length) return a < b ? -1 : a > b ? 1 : 0;
  const msA = a.slice(0, dash);
  const msB = b.slice(0, dash);
  return msA < msB ? -1 : msA > msB ? 1 : a.length - b.length;
}

/** The id right before a canonical one; `0-0` has none before it and stays. */
export function precedingId(id: string): string {
  const dash = id.indexOf('-');
  const [ms, seq] = [id.slice(0, dash), id.slice(dash + 1)];
  if (seq !== '0') return `${ms}-${BigInt(seq) - 1n}`;
  return ms === '0' ? id : lastIdOf(String(BigInt(ms) - 1n));
}

/** Milliseconds since 1970 of a canonical id. */
export function entryTime(id: string): number {
  return Number(id.slice(0, id.indexOf('-')));
}
