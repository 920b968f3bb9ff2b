/** `If-None-Match`: what a client has already. Source: RFC 9110 §13.1.2 */

const ANY = '*';
/** A tag, weak or not: of what does not change while its tag stays, both mean the same. */
const TAG = /(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g;

export type EntityTags = typeof ANY | ReadonlySet<string>;

/** @param header its value; '' where it was not sent @returns undefined where it was not sent */
export function readTags(header: string): EntityTags | undefined {
  if (header === '') return undefined;
  if (header.trim() === ANY) return ANY;
  const tags = new Set<string>();
  for (const [, tag] of header.matchAll(TAG)) tags.add(tag!);
  return tags;
}

/** Whether what has this tag, without its quotes, is among them. */
export function matchesTag(tags: EntityTags, tag: string): boolean {
  return tags === ANY || tags.has(tag);
}
