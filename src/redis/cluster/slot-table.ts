/**
 * Which shard has which slot, and where the shards are now, in memory that all threads share: main writes it, and every
 * thread reads it without a message.
 *
 *     version | wishes | text bytes | redirects | shard of slot 0, 1, … 16383 | addresses of shards 0, 1, … as JSON
 *
 * A shard is a number for slots that are kept together: after a failover the new master has the number of the old one.
 * Numbers are never used again.
 */
import { describeAddress, type RedisAddress } from '../address.js';
import type { Redirect } from './redirect.js';

export const SLOTS = 16_384;
/** The number of no shard. */
export const NO_SHARD = 0xff_ff;

const VERSION = 0;
const WISHES = 1;
const TEXT_BYTES = 2;
const MOVED = 3;
const ASKED = 4;
const HEAD_BYTES = 20;
const TEXT_AT = HEAD_BYTES + SLOTS * 2;
/** Room for the addresses of some thousand shards. */
const MAX_TEXT_BYTES = 512 * 1024;

/** By which address a node is reached that names another, both as `host:port` (REDIS_NAT_MAP). */
export type NatMap = Readonly<Record<string, string>>;

/** What another thread makes a table of. */
export interface SharedSlots {
  readonly shared: SharedArrayBuffer;
  readonly natMap: NatMap;
}

/** Where a node is reached that a node names. */
export function reachedBy(natMap: NatMap, named: RedisAddress): RedisAddress {
  const mapped = natMap[describeAddress(named)];
  if (mapped === undefined) return named;
  const colon = mapped.lastIndexOf(':');
  return { host: mapped.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(mapped.slice(colon + 1)) };
}

export class SlotTable implements SharedSlots {
  readonly shared: SharedArrayBuffer;
  readonly natMap: NatMap;
  readonly #head: Int32Array;
  readonly #shards: Uint16Array;
  readonly #text: Uint8Array;
  #addresses: readonly (RedisAddress | null)[] = [];
  /** The version that `#addresses` are of. */
  #read = 0;

  constructor(natMap: NatMap, shared = new SharedArrayBuffer(TEXT_AT + MAX_TEXT_BYTES)) {
    this.natMap = natMap;
    this.shared = shared;
    this.#head = new Int32Array(shared, 0, HEAD_BYTES / 4);
    this.#shards = new Uint16Array(shared, HEAD_BYTES, SLOTS);
    this.#text = new Uint8Array(shared, TEXT_AT, MAX_TEXT_BYTES);
  }

  /** Rises with each change; 0 while nothing is known. */
  get version(): number {
    return Atomics.load(this.#head, VERSION);
  }

  /** The shard that has the slot, or `NO_SHARD`. */
  shardOf(slot: number): number {
    return this.version === 0 ? NO_SHARD : this.#shards[slot]!;
  }

  /** Where the shard's master is; undefined where that is not known, or the shard is gone. */
  addressOf(shard: number): RedisAddress | undefined {
    return this.#readAddresses()[shard] ?? undefined;
  }

  static of({ shared, natMap }: SharedSlots): SlotTable {
    return new SlotTable(natMap, shared);
  }

  /** Where a node is reached that a node names. */
  reached(named: RedisAddress): RedisAddress {
    return reachedBy(this.natMap, named);
  }

  /** The shard to whose master a redirect leads, which the shard `asked` has answered. It is counted. */
  shardOfRedirect({ kind, host, port }: Redirect, asked: number): number | undefined {
    Atomics.add(this.#head, kind === 'moved' ? MOVED : ASKED, 1);
    const own = this.addressOf(asked);
    if (host === undefined && own === undefined) return undefined;
    return this.#shardAt(this.reached({ host: host ?? own!.host, port }));
  }

  #shardAt({ host, port }: RedisAddress): number | undefined {
    const shard = this.#readAddresses().findIndex(
      (address) => address !== null && address.host === host && address.port === port,
    );
    return shard < 0 ? undefined : shard;
  }

  /** The same as `host:port`; '' where it is not known. */
  placeOf(shard: number): string {
    const address = this.addressOf(shard);
    return address === undefined ? '' : describeAddress(address);
  }

  /** Shards with a master, rising. */
  get shards(): number[] {
    return this.#readAddresses().flatMap((address, shard) => (address === null ? [] : [shard]));
  }

  /** The shard's slots, as `0-5460`. */
  rangesOf(shard: number): string[] {
    const ranges: string[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#shards[slot] !== shard) continue;
      const first = slot;
      while (slot + 1 < SLOTS && this.#shards[slot + 1] === shard) slot++;
      ranges.push(first === slot ? `${slot}` : `${first}-${slot}`);
    }
    return ranges;
  }

  /** Redirects that all threads together were given. */
  get redirects(): { readonly moved: number; readonly ask: number } {
    // Past 2^31 they would be negative.
    return { moved: Atomics.load(this.#head, MOVED) >>> 0, ask: Atomics.load(this.#head, ASKED) >>> 0 };
  }

  /** Has main look soon how the cluster is made up now. */
  wish(): void {
    Atomics.add(this.#head, WISHES, 1);
    Atomics.notify(this.#head, WISHES);
  }

  /** Resolves when there are more wishes than `seen`. @returns how many there are */
  async nextWish(seen: number): Promise<number> {
    const waiting = Atomics.waitAsync(this.#head, WISHES, seen);
    if (waiting.async) await waiting.value;
    return this.wishes;
  }

  get wishes(): number {
    return Atomics.load(this.#head, WISHES);
  }

  /** Wakes who waits in `nextWish`, though nothing is wished for. */
  wake(): void {
    Atomics.notify(this.#head, WISHES);
  }

  /**
   * Replaces what is known. Only for main.
   * @param shards of each slot
   * @param addresses of each shard's master; null for one that is gone
   */
  write(shards: Uint16Array, addresses: readonly (RedisAddress | null)[]): void {
    const text = Buffer.from(JSON.stringify(addresses));
    // The version is odd while this is written.
    const version = Atomics.add(this.#head, VERSION, 1);
    this.#shards.set(shards);
    this.#text.set(text);
    Atomics.store(this.#head, TEXT_BYTES, text.length);
    Atomics.store(this.#head, VERSION, version + 2);
  }

  #readAddresses(): readonly (RedisAddress | null)[] {
    for (let version = this.version; version !== this.#read; version = this.version) {
      // Main is writing, which takes microseconds.
      if (version % 2 === 1) continue;
      const text = Buffer.from(this.#text.slice(0, Atomics.load(this.#head, TEXT_BYTES))).toString();
      if (this.version !== version) continue;
      this.#addresses = JSON.parse(text) as (RedisAddress | null)[];
      this.#read = version;
    }
    return this.#addresses;
  }
}
