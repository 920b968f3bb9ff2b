/**
 * Streams that are read in small groups, one after the other, since Redis closes the connection over one of them
 * or refuses to read them together. So it is found out which one is at fault, while the others are read on.
 */

/** Fewer keys than that are read one by one. */
const MANY = 16;
/** A stream over which Redis has closed so many connections is at fault. */
const STRIKES = 2;

const partSize = (keys: number) => (keys < MANY ? 1 : Math.ceil(Math.sqrt(keys)));

export class Isolation {
  /** Why streams are read apart: one of them makes Redis close connections, or they may not be read together. */
  readonly reason: 'drops' | 'refusal';
  readonly #groups: string[][] = [];
  readonly #strikes = new Map<string, number>();

  constructor(keys: readonly string[], reason: 'drops' | 'refusal') {
    this.reason = reason;
    this.#split(keys, reason === 'refusal' ? 1 : partSize(keys.length));
  }

  /** The keys to read next; undefined once all were. */
  get next(): readonly string[] | undefined {
    return this.#groups[0];
  }

  /** Those keys were read. */
  done(): void {
    this.#groups.shift();
  }

  /** The connection was lost while they were read. @returns the key that is at fault, if that is known now */
  dropped(): string | undefined {
    const [keys = []] = this.#groups;
    if (keys.length > 1) {
      this.#groups.shift();
      this.#split(keys, partSize(keys.length));
      return undefined;
    }
    const [key] = keys;
    if (key === undefined) return undefined;
    const strikes = (this.#strikes.get(key) ?? 0) + 1;
    this.#strikes.set(key, strikes);
    if (strikes < STRIKES) return undefined;
    this.#groups.shift();
    return key;
  }

  /** The parts of a group come first: it is known that something is wrong with one of them. */
  #split(keys: readonly string[], size: number): void {
    const groups: string[][] = [];
    for (let from = 0; from < keys.length; from += size) groups.push(keys.slice(from, from + size));
    this.#groups.unshift(...groups);
  }
}
