/** What one token grants, for as long as it holds; whoever is connected by it hears of its end. */
import { Failure } from '../protocol/errors.js';
import type { Rights } from './rights.js';

type OnEnd = (failure: Failure) => void;

/** Where grants are kept that somebody is connected by. */
export interface LiveGrants {
  add(grant: Grant): void;
  delete(grant: Grant): void;
}

export const expired = () => new Failure('invalid_token', 'the token has expired');

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

  /** Why the token has ended; undefined while it holds. Reads the clock: watchers hear of expiry a moment later. */
  get failure(): Failure | undefined {
    if (this.#failure !== undefined) return this.#failure;
    return this.expires !== Number.POSITIVE_INFINITY && this.expires <= Date.now() ? expired() : undefined;
  }

  /** Whether somebody is connected by it. */
  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /**
   * For every step that comes later than the check of the token, since it may have ended while the client sent a
   * body or Redis was asked.
   * @throws Failure `invalid_token`
   */
  check(): void {
    const { failure } = this;
    if (failure !== undefined) throw failure;
  }

  /**
   * Has `onEnd` called once, when the token expires or is revoked; within this call where it is already.
   * @returns ends the watch
   */
  watch(onEnd: OnEnd): () => void {
    const { failure } = this;
    if (failure !== undefined) {
      onEnd(failure);
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
