/**
 * A producer's acks: one answer for each message, in the order of the messages.
 *
 * Redis' replies come many at a time. So what they complete is answered together, as soon as the last of them is read: a
 * system call for each ack costs more than all else that is done for a small entry.
 */
import type { FailureBody } from '../../../protocol/errors.js';

/** What became of an entry: its id, or why it is not stored. */
export type AckResult = string | FailureBody;

/** One message's answer while its entries are under way. */
export interface PendingAck {
  readonly results: AckResult[];
  pending: number;
}

export class PushAcks {
  readonly #answer: (answers: readonly (readonly AckResult[])[]) => void;
  /** In the order of their messages; those that are complete at the front are answered soon. */
  #acks: PendingAck[] = [];
  #isScheduled = false;

  /** @param answer given the results of one message or more, in order */
  constructor(answer: (answers: readonly (readonly AckResult[])[]) => void) {
    this.#answer = answer;
  }

  /** A message came. One without entries is answered when its turn comes, as any other. */
  begin(entries: number): PendingAck {
    const ack = { results: new Array<AckResult>(entries), pending: entries };
    this.#acks.push(ack);
    if (entries === 0) this.#schedule();
    return ack;
  }

  settle(ack: PendingAck, index: number, result: AckResult): void {
    ack.results[index] = result;
    ack.pending--;
    if (ack.pending === 0 && this.#acks[0] === ack) this.#schedule();
  }

  /** A message came that is refused as a whole. */
  refuse(entries: number, failure: FailureBody): void {
    this.#acks.push({ results: Array.from({ length: entries }, () => failure), pending: 0 });
    this.#schedule();
  }

  /** Nothing is answered any more. */
  forget(): void {
    this.#acks = [];
  }

  /** Answers what is complete now. To be called before the connection is closed from here. */
  flush(): void {
    const pending = this.#acks.findIndex((ack) => ack.pending > 0);
    const complete = this.#acks.splice(0, pending < 0 ? this.#acks.length : pending);
    if (complete.length > 0) this.#answer(complete.map(({ results }) => results));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
