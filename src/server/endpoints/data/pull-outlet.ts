/** A follower's messages in the framing that its client asked for, on its WebSocket. */

import type { FollowerOutlet } from '../../../follow/follower.js';
import type { Run } from '../../../follow/run.js';
import { asFailure, type Failure, isOutOfMemory } from '../../../protocol/errors.js';
import type { PullParameters } from '../../../protocol/parameters.js';
import { describeGap, heartbeat, type PullMessage, pullMessage } from '../../../protocol/pull-message.js';
import type { ClientSocket } from '../../sockets/client-socket.js';

/** A WebSocket's normal end (RFC 6455, 7.4.1). */
const NORMAL_CLOSURE = 1000;
/** Of small messages: a follower that is this far behind lets others have their turn. */
const MOST_MESSAGES = 1000;

export class PullOutlet implements FollowerOutlet {
  readonly #socket: ClientSocket;
  readonly #parameters: PullParameters;
  /** How headers name the streams. */
  readonly #sids: readonly string[];
  /** Which followers of a stream are sent the very same messages. */
  readonly #variants: readonly string[];
  readonly #heartbeat: PullMessage | undefined;
  /** Entries in a message. */
  readonly #count: number;
  readonly mostMessages = MOST_MESSAGES;

  /** A message could not be made: what comes after it must not be sent. */
  #hasFailed = false;

  constructor(socket: ClientSocket, parameters: PullParameters, sids: readonly string[]) {
    const { header, offsets, latest, count } = parameters;
    this.#count = header === 'raw' || latest ? 1 : count;
    this.#socket = socket;
    this.#parameters = parameters;
    this.#sids = sids;
    this.#variants = sids.map((sid) => `${header} ${offsets} ${latest ? 1 : count} ${sid}`);
    this.#heartbeat = heartbeat(header);
  }

  isWritable(): boolean {
    return !this.#hasFailed && this.#socket.isWritable();
  }

  cork(send: () => void): void {
    this.#socket.cork(send);
  }

  send(run: Run): number {
    try {
      return this.#send(run);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      this.#hasFailed = true;
      // Not within the library's cork.
      setImmediate(() => this.end(asFailure(error)));
      return 0;
    }
  }

  #send(run: Run): number {
    const { batch, from, to, gap } = run;
    const { header } = this.#parameters;
    this.#socket.trace?.sent(batch, from, to);
    if (gap !== undefined && this.#parameters.gaps) {
      this.#socket.sendText(JSON.stringify({ gap: describeGap(this.#sids[run.index]!, gap) }));
    }
    if (header === 'raw') {
      for (let index = from; index < to; index++) this.#socket.sendBinary(batch.payload(index));
      return batch.start(to) - batch.start(from);
    }
    let bytes = 0;
    for (let at = from; at < to; at += this.#count) {
      bytes += this.#sendMessage(run, at, Math.min(at + this.#count, to));
    }
    return bytes;
  }

  #sendMessage({ batch, index, isShared }: Run, from: number, to: number): number {
    const { header, offsets } = this.#parameters;
    const make = () => pullMessage(header, offsets, this.#sids[index]!, batch, from, to);
    const shared = () => {
      const message = make();
      return { ...message, text: message.text === undefined ? undefined : Buffer.from(message.text) };
    };
    const message = isShared ? batch.message(this.#variants[index]!, from, shared) : make();
    this.#socket.send(message);
    return message.bytes;
  }

  sendHeartbeat(): boolean {
    const message = this.#heartbeat;
    if (message === undefined) return false;
    this.#socket.cork(() => this.#socket.send(message));
    return true;
  }

  end(failure: Failure): void {
    this.#socket.end(failure);
  }

  complete(): void {
    this.#socket.close(NORMAL_CLOSURE, 'end of replay');
  }
}
