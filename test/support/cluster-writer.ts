/** Writes entries to streams of a test's cluster, wherever their slots are, and knows which there must be. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterNode } from './cluster-node.js';
import type { TestCluster } from './redis-cluster.js';

/** How long an entry may be refused. */
const PATIENCE_MS = 30_000;
const AGAIN_MS = 20;
const PASSING = /^(CLUSTERDOWN|TRYAGAIN|LOADING|READONLY|MASTERDOWN)/;
/** An earlier attempt whose answer was lost has stored the entry. */
const STORED = /equal or smaller/;

export class ClusterWriter {
  readonly #cluster: TestCluster;
  /** Of each stream the number of its newest entry. */
  readonly #newest = new Map<string, number>();
  /** Where the last entry of the stream was taken. */
  readonly #owners = new Map<string, ClusterNode>();
  #running: Promise<void> | undefined;
  #isEnding = false;
  redirects = 0;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  /** The ids of all entries of the stream, in order. */
  idsOf(key: string): string[] {
    return Array.from({ length: this.#newest.get(key) ?? 0 }, (_, index) => `${index + 1}-0`);
  }

  /** Stores one more entry in each stream. */
  async write(keys: readonly string[], payload: string | Buffer = 'x'): Promise<void> {
    await Promise.all(keys.map((key) => this.#add(key, payload)));
  }

  /** Writes on and on, until `stop`. */
  start(keys: readonly string[], everyMs = 2, payload: string | Buffer = 'x'): void {
    this.#isEnding = false;
    this.#running = (async () => {
      while (!this.#isEnding) {
        await this.write(keys, payload);
        await delay(everyMs);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  async #add(key: string, payload: string | Buffer): Promise<void> {
    const number = (this.#newest.get(key) ?? 0) + 1;
    const until = performance.now() + PATIENCE_MS;
    const { nodes } = this.#cluster;
    let node = this.#owners.get(key) ?? nodes[0]!;
    let asks = false;
    for (;;) {
      if (!node.isLiving()) node = nodes.find((each) => each.isLiving())!;
      try {
        const { inquirer } = node;
        if (asks) inquirer.call('ASKING').catch(() => {});
        await inquirer.xadd(key, `${number}-0`, 'd', payload);
        break;
      } catch (error) {
        const { message } = error as Error;
        if (STORED.test(message)) break;
        if (performance.now() > until) throw error;
        const [, kind, port] = /^(MOVED|ASK) \d+ .*:(\d+)$/.exec(message) ?? [];
        asks = kind === 'ASK';
        if (kind !== undefined) {
          this.redirects++;
          node = nodes.find((each) => each.port === Number(port))!;
          if (kind === 'MOVED') this.#owners.set(key, node);
          if (node.isLiving()) continue;
        } else if ((error as Error).name === 'ReplyError' && !PASSING.test(message)) throw error;
        await delay(AGAIN_MS);
        node = nodes.filter((each) => each.isLiving())[Math.floor(Math.random() * nodes.length)] ?? node;
        asks = false;
      }
    }
    this.#newest.set(key, number);
  }
}
