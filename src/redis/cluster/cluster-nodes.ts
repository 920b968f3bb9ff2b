/** One ioredis client for each node of a cluster that is spoken to, made when it is first needed. */
import type { Redis } from 'ioredis';
import { describeAddress, type RedisAddress } from '../address.js';
import { whenConnected } from '../when-connected.js';

/** Calls that are under way at a node that is no master any more may take so long. */
const LEAVING_MS = 5000;

export class ClusterNodes {
  readonly #connect: (address: RedisAddress) => Redis;
  readonly #clients = new Map<string, Redis>();
  readonly #leaving = new Set<Redis>();
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

  /** The client, connected. @throws Error where it cannot be connected now, or not within `ms` */
  async connected(address: RedisAddress, ms: number): Promise<Redis> {
    const client = this.of(address);
    await whenConnected(client, ms);
    return client;
  }

  /** Ends the clients of all other nodes, once what is under way there is over. */
  keep(addresses: readonly RedisAddress[]): void {
    const names = new Set(addresses.map(describeAddress));
    for (const [name, client] of this.#clients) {
      if (names.has(name)) continue;
      this.#clients.delete(name);
      client.off('ready', this.#whenReady);
      this.#leaving.add(client);
      setTimeout(() => {
        this.#leaving.delete(client);
        client.disconnect();
      }, LEAVING_MS).unref();
    }
  }

  close(): void {
    this.keep([]);
    for (const client of this.#leaving) client.disconnect();
  }
}
