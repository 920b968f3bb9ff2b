/** How many frames were written and not painted, since it was begun to play. */

export class SkippedFrames {
  #from: { readonly added: number; readonly painted: number } | undefined;
  #count: number | undefined;

  /** undefined: not known yet. */
  get count(): number | undefined {
    return this.#count;
  }

  restart(): void {
    this.#from = undefined;
    this.#count = undefined;
  }

  /**
   * @param added entries that the stream was ever given
   * @param painted frames ever painted
   */
  update(added: number, painted: number, isLive: boolean): void {
    if (!isLive) return;
    // Made anew, a stream begins from nothing.
    if (this.#from === undefined || added < this.#from.added) this.#from = { added, painted };
    const skipped = added - this.#from.added - (painted - this.#from.painted);
    // Both are read at different moments: a count never falls.
    this.#count = Math.max(this.#count ?? 0, skipped);
  }
}
