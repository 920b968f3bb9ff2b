/** Which web pages may use the gateway (contract §7, CORS_ORIGINS); programs send no Origin and always may. */

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;
const ALLOWED_HEADERS = 'authorization, content-type, accept, last-event-id';
const EXPOSED_HEADERS = 'x-last-entry-id, x-offsets, retry-after';
const PREFLIGHT_SECONDS = '86400';

export class OriginPolicy {
  readonly #allowed: ReadonlySet<string> | undefined;

  /** @param allowed origins in lower case, or `*`, beside the gateway's own; undefined: loopback */
  constructor(allowed: readonly string[] | undefined) {
    this.#allowed = allowed && new Set(allowed);
  }

  /** @param host the request's Host header, by which the gateway's own pages are known */
  allows(origin: string, host: string): boolean {
    if (origin === '' || this.#allowed?.has('*')) return true;
    if (this.#allowed?.has(origin.toLowerCase())) return true;
    if (!URL.canParse(origin)) return false;
    const url = new URL(origin);
    return url.host === host.toLowerCase() || (this.#allowed === undefined && LOOPBACK.test(url.hostname));
  }

  /** Headers that let a page of an allowed origin read the answer. */
  answerHeaders(origin: string, host: string): [string, string][] {
    if (origin === '' || !this.allows(origin, host)) return [];
    const any = this.#allowed?.has('*') ?? false;
    return [
      ['access-control-allow-origin', any ? '*' : origin],
      ...(any ? [] : [['vary', 'Origin'] as [string, string]]),
      ['access-control-expose-headers', EXPOSED_HEADERS],
    ];
  }

  /** What a preflight request is answered besides. */
  preflightHeaders(methods: string): [string, string][] {
    return [
      ['access-control-allow-methods', methods],
      ['access-control-allow-headers', ALLOWED_HEADERS],
      ['access-control-max-age', PREFLIGHT_SECONDS],
    ];
  }
}
