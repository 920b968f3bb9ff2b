/** Bounds what one answer holds of entries, metadata and ids: a client that asks for more must not cost the others. */
import { Failure } from './errors.js';

const MIB = 1024 * 1024;
const MAX_ANSWER_MIB = 64;
/** What an object of an answer takes besides its fields, what each field takes, and what an id in a list does. */
const OBJECT_BYTES = 100;
const FIELD_BYTES = 50;

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
    throw tooMuch();
  }

  /**
   * Counts a list before any of it is made: ids, or objects that have one.
   * @param fields of each object; 0 for a list of ids
   * @param copies under how many names each object has its id
   * @throws Failure `payload_too_large`
   */
  spendList(ids: readonly string[], fields = 0, copies = 1): void {
    let length = 0;
    for (const id of ids) length += id.length;
    const each = fields === 0 ? FIELD_BYTES : OBJECT_BYTES + fields * FIELD_BYTES;
    this.#bytes += length * copies + ids.length * each;
    if (this.#bytes - this.#largest > MAX_ANSWER_MIB * MIB) throw tooMuch();
  }
}

const tooMuch = () =>
  new Failure(
    'payload_too_large',
    `the answer would have more than ${MAX_ANSWER_MIB} MiB of entries, metadata and ids: ask for fewer at once`,
  );
