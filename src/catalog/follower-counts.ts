/** How many clients follow streams, at all workers of the gateway together. */
import type { Hub } from '../follow/live/hub.js';
import type { Siblings } from '../supervisor/siblings.js';

type CountingHub = Pick<Hub, 'followers'>;

export class FollowerCounts {
  readonly #hub: CountingHub;
  readonly #siblings: Siblings | undefined;

  /** Also has other workers know how many follow at this one. @param siblings undefined where there are none */
  constructor(hub: CountingHub, siblings: Siblings | undefined) {
    this.#hub = hub;
    this.#siblings = siblings;
    siblings?.onAsked('followers', (keys) => this.#here(keys));
  }

  /** In the order of the keys. */
  async count(keys: readonly string[]): Promise<readonly number[]> {
    if (this.#siblings === undefined || keys.length === 0) return this.#here(keys);
    const workers = await this.#siblings.ask('followers', keys);
    return keys.map((_, index) => workers.reduce((sum, counts) => sum + counts[index]!, 0));
  }

  #here(keys: readonly string[]): readonly number[] {
    return keys.map((key) => this.#hub.followers(key));
  }
}
