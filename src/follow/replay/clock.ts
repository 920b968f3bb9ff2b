/**
 * How far a replay has come: the time of its first entry when that was sent, and from then on `speed` times as
 * fast as our clock. It does not wait for clients: what has become due meanwhile is sent when they can take it.
 */
import { entryTime, lastIdOf } from '../../protocol/entry-id.js';

export class ReplayClock {
  readonly #speed: number;
  /** The first entry's time, and when it was sent, in ms. */
  #first: number | undefined;
  #startedAt = 0;

  /** @param speed how many times as fast as entries were written; more than 0 */
  constructor(speed: number) {
    this.#speed = speed;
  }

  get isStarted(): boolean {
    return this.#first !== undefined;
  }

  /** To be called once, with the entry that is due first. */
  start(id: string): void {
    this.#first = entryTime(id);
    this.#startedAt = performance.now();
  }

  /** The time that the replay has come to, in ms since 1970. */
  get time(): number {
    return (this.#first ?? 0) + (performance.now() - this.#startedAt) * this.#speed;
  }

  /** Entries up to this id are due. */
  get reached(): string {
    return lastIdOf(Math.floor(this.time));
  }

  /** Whether the replay has caught up with the present, so that nothing is to be waited for any more. */
  get hasCaughtUp(): boolean {
    return this.isStarted && this.time >= Date.now();
  }

  /** Ms until the entry is due; 0 or less where it is. */
  dueIn(id: string): number {
    return (entryTime(id) - this.time) / this.#speed;
  }
}
