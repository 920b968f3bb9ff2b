/** What a GraphQL WebSocket sends, under one flow control. */
import type { EventSink } from '../../../graphql/event-sink.js';
import { Failure } from '../../../protocol/errors.js';
import type { ClientSocket } from '../../sockets/client-socket.js';

/** Characters of all messages that wait. */
const MAX_WAITING_LENGTH = 64 * 1024 * 1024;

/**
 * A client's messages, which wait for it to read on; and with each whoever has sent it. Subscriptions that write their
 * results themselves send them past those, while there is room.
 */
export class Outbox {
  readonly #socket: ClientSocket;
  readonly #maxWaiting: number;
  /** Those that send past the others, first the one that has waited longest for its turn. */
  readonly #sinks = new Map<object, () => void>();
  #waiting = 0;
  /** Of messages that have not been handed to the socket. */
  #waitingLength = 0;
  #isClosed = false;
  #room: Promise<void> | undefined;
  #onRoom: (() => void) | undefined;

  /** @param maxWaiting messages that may wait: one of each operation, and as many of other kinds */
  constructor(socket: ClientSocket, maxWaiting: number) {
    this.#socket = socket;
    this.#maxWaiting = maxWaiting;
  }

  /** Where an operation sends its results. */
  sinkOf(id: string): EventSink {
    const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
    const sink: EventSink = {
      isWritable: () => !this.#isClosed && this.#socket.isWritable(),
      send: (text) => this.#socket.sendText(`${head}${text}}`),
      sendInTurn: (text) => this.send(`${head}${text}}`),
      cork: (send) => this.#socket.cork(send),
      open: (onRoom) => {
        this.#sinks.set(sink, onRoom);
      },
      close: () => {
        this.#sinks.delete(sink);
      },
    };
    return sink;
  }

  /** Resolves once the message has gone out: the next result is not asked for before. */
  async send(text: string): Promise<void> {
    this.#waitingLength += text.length;
    await this.#untilRoom();
    this.#waitingLength -= text.length;
    this.#socket.sendText(text);
    await this.#untilRoom();
  }

  wake(): void {
    this.#onRoom?.();
    this.#room = undefined;
    this.#onRoom = undefined;
    // After those that wait here, which the promise wakes.
    if (this.#sinks.size > 0 && !this.#isClosed) setImmediate(() => this.#wakeSinks());
  }

  close(): void {
    this.#isClosed = true;
    this.wake();
  }

  #wakeSinks(): void {
    for (const [sink, onRoom] of [...this.#sinks]) {
      if (this.#isClosed || !this.#socket.isWritable()) return;
      // It may have ended meanwhile.
      if (!this.#sinks.delete(sink)) continue;
      this.#sinks.set(sink, onRoom);
      onRoom();
    }
  }

  async #untilRoom(): Promise<void> {
    if (this.#isClosed || this.#socket.isWritable()) return;
    // One message may have any length, since nothing less can be sent.
    const isMuch = this.#waitingLength > MAX_WAITING_LENGTH && this.#waiting > 0;
    if (++this.#waiting > this.#maxWaiting || isMuch) {
      // Not the code for unread acks, 4429, which means something else in this protocol.
      this.#socket.endSlow(new Failure('overloaded', 'too many answers wait to be read'));
    }
    while (!this.#isClosed && !this.#socket.isWritable()) {
      this.#room ??= new Promise((resolve) => {
        this.#onRoom = resolve;
      });
      await this.#room;
    }
    this.#waiting--;
  }
}
