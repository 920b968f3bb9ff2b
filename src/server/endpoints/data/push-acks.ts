/** A producer's acks: one answer for each message, in the order of the messages. */
import type { FailureBody } from '../../../protocol/errors.js';

/** What became of an entry: its id, or why it is not stored. */
export type AckResult = string | FailureBody;

/** One message's answer while its entries are under way. */
export interface PendingAck {
  readonly results: AckResult[];
  pending: number;
}

export class PushAcks {
  readonly #answer: (results: readonly AckResult[]) => void;
  /** In the order of their messages; the first one is not complete. */
  #acks: PendingAck[] = [];

  constructor(answer: (results: readonly AckResult[]) => void) {
    this.#answer = answer;
  }

  /** A message came. One without entries is answered when its turn comes, as any other. */
  begin(entries: number): PendingAck {
    const ack = { results: new Array<AckResult>(entries), pending: entries };
    this.#acks.push(ack);
    if (entries === 0) this.#send();
    return ack;
  }

  settle(ack: PendingAck, index: number, result: AckResult): void {
    ack.results[index] = result;
    ack.pending--;
    if (ack.pending === 0 && this.#acks[0] === ack) this.#send();
  }

  /** A message came that is refused as a whole. */
  refuse(entries: number, failure: FailureBody): void {
    this.#acks.push({ results: Array.from({ length: entries }, () => failure), pending: 0 });
    this.#send();
  }

  /** Nothing is answered any more. */
  forget(): void {
    this.#acks = [];
  }

  #send(): void {
    let sent = 0;
    while (sent < this.#acks.length && this.#acks[sent]!.pending === 0) {
      this.#answer(this.#acks[sent]!.results);
      sent++;
    }
    if (sent > 0) this.#acks.splice(0, sent);
  }
}
