/** Reads REDIS_NAT_MAP: by which address a node of a cluster is reached that is named by another. */

const ADDRESS = /^(\[[\da-f:.]+\]|[^[\]:\s]+):\d{1,5}$/i;

/** @returns undefined where `text` is no JSON object of addresses */
export function parseNatMap(text: string): Readonly<Record<string, string>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const isAddress = (each: unknown) => typeof each === 'string' && ADDRESS.test(each);
  return Object.entries(value).flat().every(isAddress) ? (value as Record<string, string>) : undefined;
}
