/** What one token grants, for as long as it holds; whoever is connected by it hears of its end. */
import type { Failure } from '../errors.js';
import type { Rights } from './rights.js';

type OnEnd = (failure: Failure) => void;

/** Where grants are kept that somebody is connected by. */
export type LiveGrants = Set<Grant>;

export class Grant {
  /** Names the token in the log: its id, or a JWT's subject. */
  readonly name: string;
  readonly rights: Rights;
  /** Milliseconds since 1970; Infinity: never. */
  readonly expires: number;
  readonly #live: LiveGrants;
  readonly #watchers = new Set<OnEnd>();
  #failure: Failure | undefined;

  constructor(name: string, rights: Rights, expires: number, live: LiveGrants) {
    this.name = name;
    this.rights = rights;
    this.expires = expires;
    this.#live = live;
  }

  /** Why the token holds no longer; undefined while it does. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /**
   * Has `onEnd` called once, when the token expires or is revoked; within this call where it is already.
   * @returns ends the watch
   */
  watch(onEnd: OnEnd): () => void {
    if (this.#failure !== undefined) {
      onEnd(this.#failure);
      return () => {};
    }
    this.#watchers.add(onEnd);
    this.#live.add(this);
    return () => {
      this.#watchers.delete(onEnd);
      if (this.#watchers.size === 0) this.#live.delete(this);
    };
  }

  end(failure: Failure): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#live.delete(this);
    for (const onEnd of this.#watchers) onEnd(failure);
    this.#watchers.clear();
  }
}
