/** Sends entries one after the other at the network's pace: the first that is not stored fails what comes next. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Producer, SendOptions } from '../client/push.js';
import type { Payload } from '../client/rest.js';

/** After so many entries in one go other events get their turn: acks, closes, timers, signals. */
const ENTRIES_A_TURN = 64;

export class EntrySender {
  readonly #producer: Producer;
  #entries = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  /**
   * Resolves when there is room for the next entry; that this one is stored is not awaited.
   * @param onStored called with its id when it is
   * @throws GatewayError where an earlier one was not stored
   */
  async send(
    payload: Payload,
    options: SendOptions = {},
    onStored: (id: string) => void = () => {},
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#producer.send(payload, options).then(onStored, (error: unknown) => {
      this.#failure ??= { error };
    });
    this.#entries += 1;
    if (this.#entries % ENTRIES_A_TURN === 0) await nextTurn();
    await this.#producer.ready;
  }

  /** Resolves when all that was sent is stored. @throws GatewayError where some of it is not */
  async close(): Promise<void> {
    try {
      await this.#producer.close();
    } catch (error) {
      this.#failure ??= { error };
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
