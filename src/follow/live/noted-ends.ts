/** Ends of streams that are remembered from when they were asked about until they are followed. */
const MAX_ENDS = 4096;

/** Where a stream was seen to end. */
export interface StreamEnd {
  /** The last generated id. */
  readonly id: string;
  /** Entries ever added. */
  readonly added: number;
}

export class NotedEnds {
  readonly #ends = new Map<string, StreamEnd>();

  note(key: string, end: StreamEnd): void {
    if (this.#ends.size >= MAX_ENDS) this.#ends.clear();
    this.#ends.set(key, end);
  }

  /** Forgets the end. @returns entries added up to `id`, where that is the end */
  takeAdded(key: string, id: string): number | undefined {
    const end = this.#ends.get(key);
    this.#ends.delete(key);
    return end?.id === id ? end.added : undefined;
  }
}
