/** Questions on a pipe's connection before entries are written to it. */
import { PendingReplies } from '../redis/pending-replies.js';
import type { ReplyCursor } from '../redis/resp.js';

/** Where questions are asked: a connection that carries nothing else. */
export interface Asking {
  /** Why nothing can be asked any more. */
  readonly loss?: Error | undefined;
  /**
   * Asks Redis something; `take` reads the reply, which it must not keep.
   * @throws Error where the connection is lost, and what `take` throws
   */
  ask<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T>;
}

/** The questions on one connection. A late one is rejected after its loss: the next connection must not carry it. */
export class Questions implements Asking {
  readonly #write: (parts: readonly Uint8Array[]) => void;
  readonly #replies = new PendingReplies();
  #loss: Error | undefined;

  constructor(write: (parts: readonly Uint8Array[]) => void) {
    this.#write = write;
  }

  get loss(): Error | undefined {
    return this.#loss;
  }

  ask<T>(command: Buffer, take: (reply: ReplyCursor) => T): Promise<T> {
    if (this.#loss !== undefined) return Promise.reject(this.#loss);
    // First, since the connection may be lost in writing.
    const reply = this.#replies.expect(take);
    this.#write([command]);
    return reply;
  }

  /** Hands the reply to the oldest question. @throws Error where there is none */
  take(reply: ReplyCursor): void {
    this.#replies.take(reply);
  }

  /** The connection is lost. */
  lost(cause: Error): void {
    this.#loss = cause;
    this.#replies.reject(cause);
  }
}
