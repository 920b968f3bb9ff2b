/** A request's headers, unless they can be read in two ways. */
import type { HttpRequest } from 'uWebSockets.js';

/** They say where a request ends, whom it is for and who asks: two of them would let two readers differ. */
const ONCE: ReadonlySet<string> = new Set(['content-length', 'host', 'authorization', 'origin']);

/** Names in lower case with their values: the library takes no more than a hundred, so a list is faster than a map. */
export class RequestHeaders {
  readonly #names: string[] = [];
  readonly #values: string[] = [];

  /** A header's value; '' where it was not sent. */
  get(name: string): string {
    const index = this.#names.indexOf(name);
    return index < 0 ? '' : this.#values[index]!;
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** Adds one; those that were sent more than once are joined by commas, as RFC 9110 §5.3 says. */
  add(name: string, value: string): void {
    const index = this.#names.indexOf(name);
    if (index < 0) {
      this.#names.push(name);
      this.#values.push(value);
    } else this.#values[index] += `, ${value}`;
  }
}

/**
 * Copies the headers.
 *
 * The library takes any `transfer-encoding` for `chunked`, and a body whose chunks are malformed for the end
 * of one request and the beginning of another.
 * @returns undefined for a request that another server might read as another one: nobody must act on it
 */
export function readHeaders(req: HttpRequest): RequestHeaders | undefined {
  const headers = new RequestHeaders();
  let isAmbiguous = false;
  req.forEach((name, value) => {
    if (ONCE.has(name) && headers.has(name)) isAmbiguous = true;
    headers.add(name, value);
  });
  if (headers.has('content-length') && !/^\d+$/.test(headers.get('content-length'))) isAmbiguous = true;
  return isAmbiguous || headers.has('transfer-encoding') ? undefined : headers;
}
