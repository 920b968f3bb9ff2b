/** Append pipes on a test's cluster, as a gateway has them, and writers of numbered entries. */
import { onTestFinished } from 'vitest';
import type { NotReplicated } from '../../src/append/not-replicated.js';
import { AppendPipes, type AppendPipesOptions } from '../../src/append/pipes.js';
import type { Failure } from '../../src/protocol/errors.js';
import { openCluster } from '../../src/redis/cluster/open-cluster.js';
import type { NatMap } from '../../src/redis/cluster/slot-table.js';
import type { Topology } from '../../src/redis/cluster/topology.js';
import type { ReplyCursor } from '../../src/redis/resp.js';
import { parseRedisUrl } from '../../src/redis/target.js';
import { createLogger } from '../../src/system/logger.js';
import { Ledger, MAX_LENGTH } from './append-pipe.js';
import type { TestCluster } from './redis-cluster.js';

const MIB = 1024 * 1024;
const PAUSE_MS = 2;

export interface ShardedPipes {
  readonly pipes: AppendPipes;
  readonly topology: Topology;
}

export async function openShardedPipes(
  cluster: TestCluster,
  options: Partial<AppendPipesOptions> = {},
  natMap: NatMap = {},
): Promise<ShardedPipes> {
  const target = parseRedisUrl(cluster.url);
  const logger = createLogger('silent');
  const { topology, control } = await openCluster(target, natMap, logger);
  const pipes = new AppendPipes({
    target,
    cluster: topology.table,
    logger,
    maxLength: MAX_LENGTH,
    maxBufferedBytes: 64 * MIB,
    maxOutageMs: 5000,
    ...options,
  });
  topology.onChange = () => pipes.review();
  onTestFinished(() => {
    pipes.close();
    control.close();
  });
  return { pipes, topology };
}

/** Writes 0, 1, 2 … to each stream until it is stopped, a few at a time. */
export class NumberWriter {
  readonly #pipes: AppendPipes;
  readonly #minReplicas: number;
  readonly ledgers = new Map<string, Ledger>();
  /** Of each stream, the entries that fewer replicas have than were asked for. */
  readonly short = new Map<string, Set<number>>();
  readonly #written = new Map<string, number>();
  /** The longest time that an entry waited for its answer, by stream, in ms. */
  readonly longestMs = new Map<string, number>();
  #isStopped = false;
  #writing: Promise<void> | undefined;

  constructor(pipes: AppendPipes, keys: readonly string[], minReplicas = 0) {
    this.#pipes = pipes;
    this.#minReplicas = minReplicas;
    for (const key of keys) {
      this.ledgers.set(key, new Ledger());
      this.short.set(key, new Set());
      this.#written.set(key, 0);
      this.longestMs.set(key, 0);
    }
  }

  start(): void {
    this.#writing = this.#write();
  }

  /** Resolves once all entries are answered. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#writing;
    await this.#pipes.idle();
  }

  written(key: string): number {
    return this.#written.get(key)!;
  }

  async #write(): Promise<void> {
    const pipe = this.#pipes.to(this.#minReplicas);
    while (!this.#isStopped) {
      for (const [key, ledger] of this.ledgers) {
        for (let count = 0; count < 3; count++) {
          const number = this.#written.get(key)!;
          this.#written.set(key, number + 1);
          const began = performance.now();
          const told = () =>
            this.longestMs.set(key, Math.max(this.longestMs.get(key)!, performance.now() - began));
          const receipt = {
            stored: (token: number, reply: ReplyCursor, shortage?: NotReplicated) => {
              told();
              if (shortage !== undefined) this.short.get(key)!.add(token);
              ledger.stored(token, reply);
            },
            refused: (token: number, failure: Failure) => {
              told();
              ledger.refused(token, failure);
            },
          };
          pipe.append(pipe.streams.get(key), '*', Buffer.from(String(number)), receipt, number);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** What the stream holds, as the numbers that were written to it. */
export async function storedNumbers(cluster: TestCluster, key: string): Promise<number[]> {
  const owner = await cluster.ownerOf(key);
  const entries = (await owner.client.xrange(key, '-', '+')) as [string, string[]][];
  return entries.map(([, fields]) => Number(fields[1]));
}
