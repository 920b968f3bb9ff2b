/** Promises of replies, in the order in which their commands are written to one connection. */
import type { ReplyCursor } from './resp.js';

interface Pending {
  take(reply: ReplyCursor): void;
  reject(cause: Error): void;
}

export class PendingReplies {
  readonly #pending: Pending[] = [];

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  /**
   * Promises the reply to the next command; `take` reads it, during whose call alone the cursor is valid.
   * @throws Error given to `reject`, and what `take` throws
   */
  expect<T>(take: (reply: ReplyCursor) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ take: (reply) => resolve(take(reply)), reject });
    });
  }

  /** Keeps the oldest promise. @throws Error where no reply is expected */
  take(reply: ReplyCursor): void {
    const oldest = this.#pending.shift();
    if (oldest === undefined) throw new Error('Redis answered more than it was asked');
    try {
      oldest.take(reply);
    } catch (error) {
      oldest.reject(error as Error);
    }
  }

  /** Rejects all replies that are expected. */
  reject(cause: Error): void {
    for (const pending of this.#pending.splice(0)) pending.reject(cause);
  }
}
