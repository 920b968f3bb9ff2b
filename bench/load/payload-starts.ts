/** What a broker's client looks at of a message: its beginning. The rest is counted and passed over. */

/** Acks and JetStream's answers are shorter; of an entry of 200 kB the length is enough. */
const LONGEST_START = 4096;

/** Gets a message of `length` bytes, whose first ones lie in `bytes` from `at` on during the call. */
export type TakeMessage = (bytes: Uint8Array, at: number, length: number) => void;

/** Takes the bytes of one message after the other as they come. */
export class PayloadStart {
  readonly #take: TakeMessage;
  readonly #start = new Uint8Array(LONGEST_START);
  #kept = 0;
  #length = 0;
  #missing = 0;

  constructor(take: TakeMessage) {
    this.#take = take;
  }

  get isUnderway(): boolean {
    return this.#missing > 0;
  }

  begin(length: number): void {
    this.#length = length;
    this.#missing = length;
    this.#kept = 0;
    if (length === 0) this.#take(this.#start, 0, 0);
  }

  /** @returns where the bytes end that belong to the message */
  feed(bytes: Uint8Array, from: number, to: number): number {
    const end = Math.min(to, from + this.#missing);
    if (end - from === this.#length) {
      this.#missing = 0;
      this.#take(bytes, from, this.#length);
      return end;
    }
    const room = Math.min(end - from, LONGEST_START - this.#kept);
    if (room > 0) this.#start.set(bytes.subarray(from, from + room), this.#kept);
    this.#kept += room;
    this.#missing -= end - from;
    if (this.#missing === 0) this.#take(this.#start, 0, this.#length);
    return end;
  }
}
