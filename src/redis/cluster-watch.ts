/**
 * Notices when REDIS_URL leads to a node of a Redis Cluster. It holds a part of the streams only, and sends
 * clients to other nodes for the rest, which the gateway does not follow.
 */
import { ConfigError } from '../config/start-error.js';
import { Failure } from '../protocol/errors.js';
import type { Logger } from '../system/logger.js';
import type { Control } from './control.js';

const REFUSAL =
  'REDIS_URL leads to a node of a Redis Cluster, which streamgate does not support: it needs a Redis that ' +
  'holds all streams, alone or behind Sentinels';

export class ClusterWatch {
  readonly #control: Control;
  readonly #logger: Logger;
  readonly #onRefusal: (failure: Failure) => void;
  readonly #unlisten: () => void;
  #asked: Promise<void> = Promise.resolve();
  /** Why requests are refused; undefined where Redis is no cluster, or it is not known. */
  failure: Failure | undefined;

  /** @param onRefusal called when a cluster is noticed: what is open is to be closed then */
  constructor(control: Control, logger: Logger, onRefusal: (failure: Failure) => void) {
    this.#control = control;
    this.#logger = logger;
    this.#onRefusal = onRefusal;
    this.#unlisten = control.onReady(() => {
      this.#asked = this.#ask();
    });
  }

  /** Resolves once the Redis that is connected has been asked. @throws ConfigError where it is a cluster */
  async check(): Promise<void> {
    await this.#asked;
    if (this.failure !== undefined) throw new ConfigError(`${REFUSAL}.`);
  }

  close(): void {
    this.#unlisten();
  }

  async #ask(): Promise<void> {
    // Not allowed, or gone again: nothing is known.
    const info = await this.#control
      .masters()[0]!
      .info('cluster')
      .catch(() => undefined);
    if (info === undefined) return;
    const wasRefused = this.failure !== undefined;
    const isCluster = /^cluster_enabled:1/m.test(info);
    this.failure = isCluster ? new Failure('redis_error', REFUSAL) : undefined;
    if (this.failure === undefined || wasRefused) return;
    this.#logger.error(`${REFUSAL}.`);
    this.#onRefusal(this.failure);
  }
}
