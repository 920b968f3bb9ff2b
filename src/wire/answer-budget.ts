/** Bounds what one answer holds of entries and metadata: whoever asks for more must not cost the others. */
import { Failure } from '../errors.js';

const MIB = 1024 * 1024;
const MAX_ANSWER_MIB = 64;

export class AnswerBudget {
  #bytes = 0;
  #largest = 0;

  /**
   * Counts what is answered of one stream or entry. A single one may be of any size, since it cannot be
   * asked for in smaller parts.
   * @param copies under how many names the answer has it
   * @throws Failure `payload_too_large`
   */
  spend(bytes: number, copies = 1): void {
    this.#bytes += bytes * copies;
    this.#largest = Math.max(this.#largest, bytes);
    if (this.#bytes - this.#largest <= MAX_ANSWER_MIB * MIB) return;
    throw new Failure(
      'payload_too_large',
      `the answer would have more than ${MAX_ANSWER_MIB} MiB of entries and metadata: ask for fewer at once`,
    );
  }
}
