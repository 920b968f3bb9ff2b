/**
 * What Redis sends to a connection that tracks keys (`CLIENT TRACKING ON`, RESP3) when one of them changes.
 * Source: https://redis.io/docs/latest/develop/reference/client-side-caching/
 */
import type { ReplyCursor } from './resp.js';

/** The keys that a push names; undefined stands for all. */
export function readInvalidation(push: ReplyCursor): (string | undefined)[] {
  push.array();
  if (push.text() !== 'invalidate') return [];
  if (push.isNull) return [undefined];
  const keys: string[] = [];
  for (let count = push.array(); count > 0; count--) keys.push(push.text());
  return keys;
}
