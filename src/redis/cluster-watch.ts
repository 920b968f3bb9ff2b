/**
 * Notices when what was taken for a single Redis is a node of a cluster: it could not be asked when the gateway started,
 * or was exchanged since. It holds a part of the streams only, so nothing is served from it.
 */
import { ConfigError } from '../config/start-error.js';
import { Failure } from '../protocol/errors.js';
import type { Logger } from '../system/logger.js';
import { isClusterEnabled } from './cluster/cluster-enabled.js';
import type { Control } from './control.js';

const REFUSAL =
  'REDIS_URL leads to a node of a Redis Cluster, which was not known when the gateway started: ' +
  'start it again, or set REDIS_URL=redis+cluster://host:port';

export class ClusterWatch {
  readonly #control: Control | undefined;
  readonly #logger: Logger;
  readonly #onRefusal: (failure: Failure) => void;
  readonly #unlisten: (() => void) | undefined;
  #asked: Promise<void> = Promise.resolve();
  /** Why requests are refused; undefined where Redis is no cluster, or it is not known. */
  failure: Failure | undefined;

  /**
   * @param control of what is taken for a single Redis; undefined where it is known to be a cluster
   * @param onRefusal called when a cluster is noticed: what is open is to be closed then
   */
  constructor(control: Control | undefined, logger: Logger, onRefusal: (failure: Failure) => void) {
    this.#control = control;
    this.#logger = logger;
    this.#onRefusal = onRefusal;
    this.#unlisten = control?.onReady(() => {
      this.#asked = this.#ask();
    });
  }

  /** Resolves once the Redis that is connected has been asked. @throws ConfigError where it is a cluster */
  async check(): Promise<void> {
    await this.#asked;
    if (this.failure !== undefined) throw new ConfigError(`${REFUSAL}.`);
  }

  close(): void {
    this.#unlisten?.();
  }

  async #ask(): Promise<void> {
    // Not allowed, or gone again: nothing is known.
    const isCluster = await isClusterEnabled(this.#control!.masters()[0]!);
    if (isCluster === undefined) return;
    const wasRefused = this.failure !== undefined;
    this.failure = isCluster ? new Failure('redis_error', REFUSAL) : undefined;
    if (this.failure === undefined || wasRefused) return;
    this.#logger.error(`${REFUSAL}.`);
    this.#onRefusal(this.failure);
  }
}
