/** From one entry id to the one before. */

/** The second number of an id goes so far. */
const LAST_SEQUENCE = '18446744073709551615';

/** The greatest id before this one; undefined before the first. */
export function idBefore(id: string): string | undefined {
  const [ms, sequence] = id.split('-').map(BigInt) as [bigint, bigint];
  if (sequence > 0n) return `${ms}-${sequence - 1n}`;
  return ms > 0n ? `${ms - 1n}-${LAST_SEQUENCE}` : undefined;
}
