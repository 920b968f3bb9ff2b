/** One ioredis client for each node of a cluster that is spoken to, made when it is first needed. */
import type { Redis } from 'ioredis';
import { describeAddress, type RedisAddress } from '../address.js';

export class ClusterNodes {
  readonly #connect: (address: RedisAddress) => Redis;
  readonly #clients = new Map<string, Redis>();
  readonly #whenReady: () => void;

  /** @param whenReady called each time a client is connected */
  constructor(connect: (address: RedisAddress) => Redis, whenReady: () => void) {
    this.#connect = connect;
    this.#whenReady = whenReady;
  }

  /** The client for a node, which may not be connected. */
  of(address: RedisAddress): Redis {
    const name = describeAddress(address);
    let client = this.#clients.get(name);
    if (client === undefined) {
      client = this.#connect(address);
      client.on('ready', this.#whenReady);
      this.#clients.set(name, client);
    }
    return client;
  }

  /** Ends the clients of all other nodes. */
  keep(addresses: readonly RedisAddress[]): void {
    const names = new Set(addresses.map(describeAddress));
    for (const [name, client] of this.#clients) {
      if (names.has(name)) continue;
      client.disconnect();
      this.#clients.delete(name);
    }
  }

  close(): void {
    this.keep([]);
  }
}
