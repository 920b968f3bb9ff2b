/** Which web pages may use the gateway (CORS_ORIGINS); programs send no Origin and always may. */
import { isLoopback } from '../../config/loopback.js';

/** An origin as browsers write it (RFC 6454 §6.2): anything more would be taken for less by a URL parser. */
const ORIGIN = /^(https?):\/\/([a-z\d._-]+|\[[\da-f:.]+\])(?::(\d{1,5}))?$/;
const DEFAULT_PORTS: Record<string, string> = { http: '80', https: '443' };
const ALLOWED_HEADERS = 'authorization, content-type, accept, if-none-match, last-event-id';
const EXPOSED_HEADERS = 'x-last-entry-id, x-offsets, x-gap, etag, retry-after';
const PREFLIGHT_SECONDS = '86400';

interface Origin {
  readonly scheme: string;
  readonly name: string;
  readonly port: string;
}

function parseOrigin(text: string): Origin | undefined {
  const [, scheme, name, port] = ORIGIN.exec(text.toLowerCase()) ?? [];
  if (scheme === undefined || name === undefined) return undefined;
  return { scheme, name, port: port ?? DEFAULT_PORTS[scheme]! };
}

/** The same for all ways to write an origin: a default port may be left out. */
const canonical = ({ scheme, name, port }: Origin): string => `${scheme}://${name}:${port}`;

export class OriginPolicy {
  /** Pages of anywhere may use the gateway. */
  readonly isOpen: boolean;
  readonly #allowed: ReadonlySet<string> | undefined;

  /** @param allowed origins, or `*`, beside the gateway's own; undefined: those of loopback */
  constructor(allowed: readonly string[] | undefined) {
    this.isOpen = allowed?.includes('*') ?? false;
    this.#allowed =
      allowed &&
      new Set(allowed.map((text) => parseOrigin(text)).flatMap((it) => (it ? [canonical(it)] : [])));
  }

  /** @param host the request's Host header, by which the gateway's own pages are known */
  allows(text: string, host: string): boolean {
    if (text === '' || this.isOpen) return true;
    const origin = parseOrigin(text);
    if (origin === undefined) return false;
    if (this.#allowed?.has(canonical(origin))) return true;
    if (this.#allowed === undefined && isLoopback(origin.name)) return true;
    const own = parseOrigin(`${origin.scheme}://${host}`);
    return own !== undefined && canonical(own) === canonical(origin);
  }

  /** Headers that let a page of an allowed origin read the answer. */
  answerHeaders(origin: string, host: string): [string, string][] {
    if (origin === '' || !this.allows(origin, host)) return [];
    return [
      ['access-control-allow-origin', this.isOpen ? '*' : origin],
      ...(this.isOpen ? [] : [['vary', 'Origin'] as [string, string]]),
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
