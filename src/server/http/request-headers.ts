/** A request's headers, unless they can be read in two ways. */
import type { HttpRequest } from 'uWebSockets.js';

/** They say where a request ends, whom it is for and who asks: two of them would let two readers differ. */
const ONCE: ReadonlySet<string> = new Set(['content-length', 'host', 'authorization', 'origin']);

/**
 * Copies the headers; those that were sent more than once are joined by commas, as RFC 9110 §5.3 says.
 *
 * The library takes any `transfer-encoding` for `chunked`, and a body whose chunks are malformed for the end
 * of one request and the beginning of another.
 * @returns undefined for a request that another server might read as another one: nobody must act on it
 */
export function readHeaders(req: HttpRequest): ReadonlyMap<string, string> | undefined {
  const headers = new Map<string, string>();
  let isAmbiguous = false;
  req.forEach((name, value) => {
    const earlier = headers.get(name);
    if (earlier !== undefined && ONCE.has(name)) isAmbiguous = true;
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
  });
  const length = headers.get('content-length');
  if (length !== undefined && !/^\d+$/.test(length)) isAmbiguous = true;
  return isAmbiguous || headers.has('transfer-encoding') ? undefined : headers;
}
