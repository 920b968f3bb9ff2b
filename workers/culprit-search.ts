/**
 * Finds the keys for which an XREAD of many is refused. Groups of them are read alone, then the keys of
 * those that are refused, by a read that brings nothing: with ten thousand keys that is about a hundred
 * commands for each culprit, and two or three round trips.
 *
 * It is an XREAD that asks, and no other command, since the rights to a key may differ by command.
 */
import { xreadNothing } from '../src/redis/stream-reads.js';
import type { Ask } from './followed.js';

/** Replies that may be one key's fault; any other is about the server. */
export const MAY_BE_A_KEYS = /^(WRONGTYPE|NOPERM|ERR|MOVED|ASK|CROSSSLOT)/;
/** Groups from this size on are split into groups once more. */
const MANY = 16;

export class CulpritSearch {
  readonly #ask: Ask;
  readonly #found: (key: string, error: string) => void;
  readonly #done: (culprits: number) => void;
  #open = 0;
  #culprits = 0;

  /** @param done is called once every key is known to be good or found, unless the connection is lost */
  constructor(
    ask: Ask,
    keys: readonly string[],
    found: (key: string, error: string) => void,
    done: (culprits: number) => void,
  ) {
    this.#ask = ask;
    this.#found = found;
    this.#done = done;
    this.#split(keys);
  }

  #split(keys: readonly string[]): void {
    const size = keys.length < MANY ? 1 : Math.ceil(Math.sqrt(keys.length));
    for (let from = 0; from < keys.length; from += size) this.#probe(keys.slice(from, from + size));
  }

  #probe(keys: readonly string[]): void {
    this.#open++;
    this.#ask(xreadNothing(keys), (reply) => {
      this.#open--;
      const error = reply.isError ? reply.text() : '';
      if (MAY_BE_A_KEYS.test(error)) {
        if (keys.length > 1) {
          this.#split(keys);
        } else {
          this.#culprits++;
          this.#found(keys[0]!, error);
        }
      }
      if (this.#open === 0) this.#done(this.#culprits);
    });
  }
}
