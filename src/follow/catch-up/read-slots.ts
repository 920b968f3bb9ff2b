/** How many of a follower's streams the pool reads for at once: what a client of many makes it hold is bounded. */

const MAX_SLOTS = 4;

export interface SlotUser {
  /** The slot that was asked for is free, and taken. */
  onSlot(): void;
}

export class ReadSlots {
  #used = 0;
  /** Users without a slot, in the order in which they asked. */
  readonly #waiting = new Set<SlotUser>();

  get used(): number {
    return this.#used;
  }

  /** @returns whether there was a slot; if not, `onSlot` is called once there is */
  take(user: SlotUser): boolean {
    if (this.#used < MAX_SLOTS) {
      this.#used++;
      return true;
    }
    this.#waiting.add(user);
    return false;
  }

  /** The user does not wait any more. */
  leave(user: SlotUser): void {
    this.#waiting.delete(user);
  }

  /** Gives a slot back; it goes to the next user. */
  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#used--;
      return;
    }
    this.#waiting.delete(next);
    next.onSlot();
  }
}
