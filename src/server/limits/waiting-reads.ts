/** How many REST reads wait for entries: each holds a connection open and follows its streams meanwhile. */
import { Failure } from '../../errors.js';

export class WaitingReads {
  readonly #max: number;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** To be followed by `end`. @throws Failure `overloaded`, and is not */
  begin(): void {
    if (this.#count >= this.#max) {
      throw new Failure('overloaded', `as many reads wait as may: MAX_WAITING_READS is ${this.#max}`);
    }
    this.#count++;
  }

  end(): void {
    this.#count--;
  }
}
