/**
 * How many connections there may be, in all and from one address.
 *
 * The library tells of every TCP connection that it accepts, and with its address. Of those that end it
 * tells without: so what an address has is counted by what it is in use for.
 *
 *     waiting   accepted, and no request has come yet: the library cuts these after 10 s
 *     active    a request is under way, or it is a WebSocket
 *     idle      kept open after an answer: counted in all only, and not kept while there are many
 *
 * Over a limit a request is answered with a code that says so and its connection closed; who goes on to
 * connect in masses is closed without an answer. WebSockets and requests under way do not feel it.
 */
import type { HttpResponse, TemplatedApp } from 'uWebSockets.js';
import { Failure } from '../../protocol/errors.js';

/** Connections beyond the limit that may wait for their refusal, as a part of it. */
const REFUSED_PART = 0.1;
const LEAST_REFUSED = 16;
/** An address that has so many times its limit waiting is not answered any more. */
const DEAF_FACTOR = 2;
/** With more than this part of all connections in use, none is kept open after its answer. */
const CROWDED_PART = 0.5;
/** The part of an IPv6 address that a provider gives to one customer, in bytes. */
const IPV6_NETWORK_BYTES = 8;

/** What an address has in use. */
interface InUse {
  waiting: number;
  active: number;
}

/** Whoever a client's connections are counted by: an IPv4 address, or an IPv6 network of 64 bits. */
export function clientAddress(res: Pick<HttpResponse, 'getRemoteAddress'>): string {
  const bytes = new Uint8Array(res.getRemoteAddress());
  if (isMappedIpv4(bytes)) return String.fromCharCode(bytes[12]!, bytes[13]!, bytes[14]!, bytes[15]!);
  return String.fromCharCode(...(bytes.length === 16 ? bytes.subarray(0, IPV6_NETWORK_BYTES) : bytes));
}

/** `::ffff:a.b.c.d` */
function isMappedIpv4(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false;
  for (let at = 0; at < 10; at++) if (bytes[at] !== 0) return false;
  return true;
}

export class ConnectionLimits {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #inUse = new Map<string, InUse>();
  #open = 0;
  /** The address that all open connections come from; undefined where there are several. */
  #sole: string | undefined;
  #refused = 0;

  /** @param maxPerAddress 0: no limit */
  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress === 0 ? Number.POSITIVE_INFINITY : maxPerAddress;
  }

  /** TCP connections now. */
  get open(): number {
    return this.#open;
  }

  /** Connections that were closed without an answer. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether connections are too many for one to be kept open after its answer. */
  get isCrowded(): boolean {
    return this.#open > this.#max * CROWDED_PART;
  }

  /** Counts the connections of an app; to be called once for each. */
  watch(app: Pick<TemplatedApp, 'filter'>): void {
    // biome-ignore lint/suspicious/useIterableCallbackReturn: no array's method
    app.filter((res, change) => {
      if (change === 1) this.#accepted(res);
      else this.#open--;
    });
  }

  /**
   * The address that a request comes from. To ask the system for it is one of the three system calls of a request, so
   * it is not asked while all connections come from one address, as they do behind a proxy.
   */
  addressOf(res: Pick<HttpResponse, 'getRemoteAddress'>): string {
    return this.#sole ?? clientAddress(res);
  }

  /** A request has come. @returns why it must be refused, if it must */
  begin(address: string): Failure | undefined {
    const inUse = this.#of(address);
    // Perhaps it came on a connection that was kept open: then one that waits is not counted for a while.
    if (inUse.waiting > 0) inUse.waiting--;
    inUse.active++;
    if (inUse.active + inUse.waiting > this.#maxPerAddress) {
      const limit = `MAX_CONNECTIONS_PER_ADDRESS=${this.#maxPerAddress}`;
      return new Failure('too_many_connections', `too many connections from one address (${limit})`);
    }
    if (this.#open <= this.#max) return undefined;
    return new Failure(
      'overloaded',
      `there are ${this.#open} connections; at most ${this.#max} are allowed (MAX_CONNECTIONS)`,
    );
  }

  /** It was answered, or its client is gone. */
  end(address: string): void {
    const inUse = this.#of(address);
    inUse.active--;
    this.#tidy(address, inUse);
  }

  /** A request's connection becomes a WebSocket: it is in use until `closed`. */
  upgrading(address: string): void {
    this.#of(address).active++;
  }

  /** A WebSocket has ended. */
  closed(address: string): void {
    this.end(address);
    // The library's filter tells of connections that end as HTTP only.
    this.#open--;
  }

  #accepted(res: HttpResponse): void {
    const address = clientAddress(res);
    if (this.#open === 0) this.#sole = address;
    else if (this.#sole !== address) this.#sole = undefined;
    this.#open++;
    const inUse = this.#of(address);
    const own = inUse.active + inUse.waiting;
    // Masses from elsewhere do not keep out who comes with the first: it may be who watches over the gateway.
    const spare = Math.max(this.#max * REFUSED_PART, LEAST_REFUSED) * (own === 0 ? 2 : 1);
    if (this.#open > this.#max + spare || own >= Math.max(this.#maxPerAddress * DEAF_FACTOR, LEAST_REFUSED)) {
      this.#refused++;
      this.#tidy(address, inUse);
      res.close();
      return;
    }
    inUse.waiting++;
    // Called only where the connection ends without a request: the first replaces the listener.
    res.onAborted(() => {
      if (inUse.waiting > 0) inUse.waiting--;
      this.#tidy(address, inUse);
    });
  }

  #of(address: string): InUse {
    let inUse = this.#inUse.get(address);
    if (inUse === undefined) {
      inUse = { waiting: 0, active: 0 };
      this.#inUse.set(address, inUse);
    }
    return inUse;
  }

  #tidy(address: string, { waiting, active }: InUse): void {
    if (waiting === 0 && active === 0) this.#inUse.delete(address);
  }
}
