/** The gateway's `/overview`, once a second for as long as the page is open. */
import { BackOff } from '../../protocol/back-off.js';
import type { Overview } from '../../protocol/overview.js';
import { openOverview } from './overview-socket.js';
import { type PageSession, reasonOf, sentence } from './page-session.js';

export type FeedState =
  | { readonly is: 'connecting' }
  /** `away`: masters of a Redis Cluster that the gateway is without. */
  | { readonly is: 'live'; readonly away: readonly string[] }
  /** What is in the way, in a sentence; it is tried again. */
  | { readonly is: 'away'; readonly reason: string };

interface Listener {
  onOverview(overview: Overview): void;
  onState(state: FeedState): void;
}

/** It comes once a second: after so long without one the connection is taken for dead. */
const SILENCE_MS = 8000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

/** Reads the overview, comes back by itself, and asks for a token where one is needed. */
export class OverviewFeed {
  readonly #session: PageSession;
  readonly #listener: Listener;
  #filter = '';
  #connection = new AbortController();
  /** The connection is made anew, and nothing is wrong. */
  #isRenewed = false;

  constructor(session: PageSession, listener: Listener) {
    this.#session = session;
    this.#listener = listener;
  }

  /** Only streams whose keys hold this text are told of. */
  set filter(filter: string) {
    if (filter === this.#filter) return;
    this.#filter = filter;
    this.#renew();
  }

  get filter(): string {
    return this.#filter;
  }

  /** Never ends. */
  async run(): Promise<never> {
    const backOff = new BackOff(FIRST_RETRY_MS, LAST_RETRY_MS, 0.5);
    this.#listener.onState({ is: 'connecting' });
    // Nobody sees a hidden tab, so that it need not cost the gateway anything.
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#renew();
    });
    for (;;) {
      await whileHidden();
      this.#connection = new AbortController();
      this.#isRenewed = false;
      try {
        await this.#read(() => backOff.reset());
      } catch (error) {
        // A gateway that is only being started anew is back before anybody needs to be told.
        const isAway = !this.#isRenewed && !backOff.isFresh;
        if (isAway) this.#listener.onState({ is: 'away', reason: reasonOf(error) });
      }
      if (!this.#isRenewed) await new Promise((resolve) => setTimeout(resolve, backOff.next()));
    }
  }

  #renew(): void {
    this.#isRenewed = true;
    this.#connection.abort();
  }

  async #read(onSuccess: () => void): Promise<void> {
    const { signal } = this.#connection;
    const connection = await this.#session.runWithToken((token) => openOverview(this.#filter, token, signal));
    const cut = () => connection.cut();
    signal.addEventListener('abort', cut, { once: true });
    try {
      for (;;) {
        const frame = await connection.receive(SILENCE_MS);
        if (typeof frame !== 'string') return;
        onSuccess();
        const told = JSON.parse(frame) as Overview | { readonly error: string };
        // The gateway itself lacks something, such as its Redis, and goes on telling.
        if ('error' in told) this.#listener.onState({ is: 'away', reason: sentence(told.error) });
        else {
          this.#listener.onState({ is: 'live', away: told.away ?? [] });
          this.#listener.onOverview(told);
        }
      }
    } finally {
      signal.removeEventListener('abort', cut);
      connection.cut();
    }
  }
}

function whileHidden(): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    look();
  });
}
