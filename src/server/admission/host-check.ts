/**
 * Whether a request names the gateway by a name that is its own.
 *
 * Where nobody needs a token, a page of any site could have its own name resolve to this machine (DNS
 * rebinding): the browser takes what it then reads for the page's own. But the Host header still has that
 * name, so that names are refused which a stranger could have registered. An address is nobody's name.
 */

const LOOPBACK_NAME = /^([\w.-]+\.)?localhost$/;
const LOOPBACK_ADDRESS = /^(127(\.\d{1,3}){3}|\[::1\])$/;
const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.]+\])$/;
/** Names with a dot can be registered, but for those that never leave a local network (RFC 6762, 8375). */
const LOCAL_NAME = /^([\w-]+|[\w.-]+\.(local|lan|internal|home\.arpa))$/;
const PORT = /:\d*$/;
/** A name may be written with the root of all names behind it. */
const ROOT = /([a-z\d])\.$/;

export class HostCheck {
  readonly #allowed: ReadonlySet<string>;
  readonly #isNeeded: boolean;
  readonly #isLoopback: boolean;
  /** The header that was allowed last: requests of one client after another have the same. */
  #lastAllowed: string | undefined;

  /**
   * @param allowed names in lower case, without a port, or `*`
   * @param listensOn the address that the gateway listens on
   * @param isNeeded whether everybody who reaches the gateway may use it
   */
  constructor(allowed: readonly string[] | undefined, listensOn: string, isNeeded: boolean) {
    this.#allowed = new Set(allowed);
    this.#isNeeded = isNeeded && !this.#allowed.has('*');
    this.#isLoopback = isLocalHost(listensOn.includes(':') ? `[${listensOn}]` : listensOn);
  }

  /** @param header the request's Host header */
  allows(header: string): boolean {
    if (!this.#isNeeded || header === this.#lastAllowed) return true;
    const isAllowed = this.#isAllowed(header);
    if (isAllowed) this.#lastAllowed = header;
    return isAllowed;
  }

  #isAllowed(header: string): boolean {
    const host = header.toLowerCase().replace(PORT, '').replace(ROOT, '$1');
    if (isLocalHost(host) || this.#allowed.has(host)) return true;
    // Who listens on loopback is reached by its names, and those of others lead to something in between.
    return !this.#isLoopback && (ADDRESS.test(host) || LOCAL_NAME.test(host));
  }
}

/** As a Host header names this machine. */
function isLocalHost(host: string): boolean {
  return LOOPBACK_NAME.test(host) || LOOPBACK_ADDRESS.test(host);
}
