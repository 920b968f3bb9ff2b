/** How many REST reads wait for entries: each holds a connection open and follows its streams meanwhile. */
import { Failure } from '../../protocol/errors.js';
import { type Client, ClientShares, type ShareSettings } from './client-shares.js';

export class WaitingReads {
  readonly #max: number;
  readonly #shares: ClientShares;
  #count = 0;

  constructor(settings: ShareSettings & { readonly MAX_WAITING_READS: number }) {
    this.#max = settings.MAX_WAITING_READS;
    this.#shares = new ClientShares('MAX_WAITING_READS', this.#max, settings);
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Counts a read that waits.
   * @returns must be called when it waits no longer
   * @throws Failure `overloaded` where there are too many, of this client or of all
   */
  begin(client: Client): () => void {
    if (this.#count >= this.#max) {
      throw new Failure('overloaded', `too many reads wait for entries (MAX_WAITING_READS=${this.#max})`);
    }
    this.#shares.check(client, 1);
    const share = this.#shares.open(client);
    share.take(1);
    this.#count++;
    return () => {
      share.give(1);
      share.close();
      this.#count--;
    };
  }
}
