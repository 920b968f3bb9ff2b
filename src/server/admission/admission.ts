/** Whether a request is taken at all, before anybody looks at what it asks for. */
import { Failure } from '../../protocol/errors.js';
import type { ClusterWatch } from '../../redis/cluster-watch.js';
import type { HostCheck } from './host-check.js';
import type { OriginPolicy } from './origins.js';

/** Of a path and its query: 1024 streams of 20 characters, with a cursor for each. */
const MAX_ADDRESS = 64 * 1024;
/** A refused name is told so far. */
const SHOWN_HOST = 200;

/** `watch`: somebody asks how the gateway is, and is told to the very end. */
export type Duty = 'work' | 'watch';

export interface RequestHead {
  readonly path: string;
  readonly query: string;
  /** A header's value; '' where it was not sent. @param name in lower case */
  header(name: string): string;
}

export class Admission {
  readonly #hosts: HostCheck;
  readonly #origins: OriginPolicy;
  readonly #cluster: ClusterWatch;
  readonly #stopping: AbortSignal;

  /** @param stopping aborted once the gateway is going down */
  constructor(hosts: HostCheck, origins: OriginPolicy, cluster: ClusterWatch, stopping: AbortSignal) {
    this.#hosts = hosts;
    this.#origins = origins;
    this.#cluster = cluster;
    this.#stopping = stopping;
  }

  /**
   * @param crowd why the connection is one too many, if it is
   * @returns why the request is not taken
   */
  refusal(request: RequestHead, duty: Duty, crowd: Failure | undefined): Failure | undefined {
    if (crowd !== undefined && duty === 'work') return crowd;
    if (request.path.length + request.query.length > MAX_ADDRESS) {
      return new Failure('payload_too_large', `the address may have at most ${MAX_ADDRESS} characters`);
    }
    const host = request.header('host');
    const origin = request.header('origin');
    if (!this.#hosts.allows(host)) {
      const shown = host.slice(0, SHOWN_HOST);
      return new Failure('forbidden_host', `host '${shown}' is not allowed; add it to ALLOWED_HOSTS`);
    }
    if (!this.#origins.allows(origin, host)) {
      return new Failure('forbidden_origin', `origin '${origin}' is not allowed; add it to CORS_ORIGINS`);
    }
    if (duty === 'watch') return undefined;
    if (this.#stopping.aborted) return new Failure('shutting_down', 'the gateway is going down');
    return this.#cluster.failure;
  }
}
