/** Which stream is open, in the address behind `#`, so that links and the way back work. */

/** The address of a stream's view. */
export function linkTo(key: string): string {
  // Colons are common in keys, and allowed there.
  return `#/${encodeURIComponent(key).replaceAll('%3A', ':')}`;
}

/** The key of the stream that an address names; undefined: none, or not one that can be read. */
export function keyIn(hash: string): string | undefined {
  if (!hash.startsWith('#/') || hash.length === 2) return undefined;
  try {
    return decodeURIComponent(hash.slice(2));
  } catch {
    return undefined;
  }
}
