/**
 * How much of a common limit one client may use, so that it leaves room for others.
 *
 * A client is known by its token and by its address. Both are counted, and neither may use more than the share.
 * Addresses are not counted where MAX_CONNECTIONS_PER_ADDRESS is 0: all clients come from that of a proxy then.
 * Without a token, too, each connection is a client of its own.
 */
import { Failure } from '../../protocol/errors.js';

/** Who uses the gateway. */
export interface Client {
  /** As `clientAddress` gives it. */
  readonly address: string;
  /** Names its token; undefined without access control, and before the token is known. */
  readonly token: string | undefined;
}

export interface ShareSettings {
  /** Percent of the limit. */
  readonly MAX_CLIENT_SHARE: number;
  readonly MAX_CONNECTIONS_PER_ADDRESS: number;
}

type Kind = 'token' | 'address' | 'connection';

/** What one token, one address or one connection uses. */
interface Usage {
  readonly key: string;
  readonly kind: Kind;
  used: number;
  /** Open shares that count here. */
  shares: number;
}

export class ClientShares {
  /** What one token, or one address, may use. */
  readonly max: number;
  readonly #limitName: string;
  readonly #countsAddresses: boolean;
  readonly #tokens = new Map<string, Usage>();
  readonly #addresses = new Map<string, Usage>();

  /**
   * @param limitName the setting that limits all clients together
   * @param limit its value
   */
  constructor(limitName: string, limit: number, settings: ShareSettings) {
    this.#limitName = limitName;
    this.max = Math.ceil((limit * settings.MAX_CLIENT_SHARE) / 100);
    this.#countsAddresses = settings.MAX_CONNECTIONS_PER_ADDRESS > 0;
  }

  /** Tokens and addresses that use something, or have an open share. */
  get size(): number {
    return this.#tokens.size + this.#addresses.size;
  }

  /** Counts what a connection uses. The share must be closed at the connection's end. */
  open({ token, address }: Client): Share {
    const usages: Usage[] = [];
    if (token !== undefined) usages.push(usageOf(this.#tokens, 'token', token));
    if (this.#countsAddresses) usages.push(usageOf(this.#addresses, 'address', address));
    if (usages.length === 0) usages.push({ key: '', kind: 'connection', used: 0, shares: 0 });
    return new Share(this, usages);
  }

  /** Checks as an open share would. @throws Failure `overloaded` */
  check(client: Client, more: number): void {
    const share = this.open(client);
    try {
      share.check(more);
    } finally {
      share.close();
    }
  }

  /** The error for a client that wants `more` than it may use. */
  refusal(kind: Kind, used: number, more: number): Failure {
    const uses = `this ${kind} uses ${used} and wants ${more} more`;
    const rule = `one ${kind} may use ${this.max} of ${this.#limitName} (MAX_CLIENT_SHARE)`;
    return new Failure('overloaded', `${uses}; ${rule}`);
  }

  /** Forgets a usage that nothing counts towards any more. */
  tidy({ key, kind, used, shares }: Usage): void {
    if (used !== 0 || shares !== 0) return;
    if (kind === 'token') this.#tokens.delete(key);
    else if (kind === 'address') this.#addresses.delete(key);
  }
}

function usageOf(usages: Map<string, Usage>, kind: Kind, key: string): Usage {
  let usage = usages.get(key);
  if (usage === undefined) {
    usage = { key, kind, used: 0, shares: 0 };
    usages.set(key, usage);
  }
  return usage;
}

/** A connection's part in what its client uses. */
export class Share {
  readonly #all: ClientShares;
  readonly #usages: readonly Usage[];
  #isClosed = false;

  constructor(all: ClientShares, usages: readonly Usage[]) {
    this.#all = all;
    this.#usages = usages;
    for (const usage of usages) usage.shares++;
  }

  /** Whether the client may use so much more. */
  hasRoom(more: number): boolean {
    for (const { used } of this.#usages) if (used + more > this.#all.max) return false;
    return true;
  }

  /** @throws Failure `overloaded` where the client may not use so much more */
  check(more: number): void {
    const refusal = this.refusal(more);
    if (refusal !== undefined) throw refusal;
  }

  /** Why the client may not use so much more, where it may not. */
  refusal(more: number): Failure | undefined {
    const usage = this.#usages.find(({ used }) => used + more > this.#all.max);
    return usage && this.#all.refusal(usage.kind, usage.used, more);
  }

  /** Whether both count towards the same token or address. */
  overlaps(other: Share): boolean {
    return this.#usages.some((usage) => other.#usages.includes(usage));
  }

  /** The most that its token or its address uses. */
  get used(): number {
    let most = 0;
    for (const { used } of this.#usages) most = Math.max(most, used);
    return most;
  }

  take(amount: number): void {
    for (const usage of this.#usages) usage.used += amount;
  }

  /** Gives back; also after `close`. */
  give(amount: number): void {
    for (const usage of this.#usages) {
      usage.used -= amount;
      if (this.#isClosed) this.#all.tidy(usage);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const usage of this.#usages) {
      usage.shares--;
      this.#all.tidy(usage);
    }
  }
}
