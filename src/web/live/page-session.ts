/** Who asks: the token, if the gateway wants one, and everything that is asked with it. */
import { Streamgate } from '../../client/streamgate.js';
import { PatientSocket } from './patient-socket.js';

/** Asks the person for a token. @param refused what the gateway said of the last one, '' where there was none */
export type AskToken = (refused: string) => Promise<{ token: string; keep: boolean }>;

/** Where the token stays until the tab is closed, for who wishes that. */
const KEPT = 'streamgate:token';
/** What a gateway says where another token would help. */
const TOKEN_CODES = ['unauthorized', 'invalid_token'];

export class PageSession {
  readonly #ask: AskToken;
  #token = sessionStorage.getItem(KEPT) ?? undefined;
  /** The question that is open, so that many refusals ask once. */
  #asking: Promise<void> | undefined;

  constructor(ask: AskToken) {
    this.#ask = ask;
  }

  /** The gateway, for the streams of one device. */
  gate(device: string | null): Streamgate {
    return new Streamgate(location.origin, {
      WebSocket: PatientSocket,
      ...(this.#token === undefined ? {} : { token: this.#token }),
      ...(device === null ? {} : { device }),
    });
  }

  /** Runs a request of the client; where the token is refused the person is asked, and it is run again. */
  run<T>(device: string | null, request: (gate: Streamgate) => Promise<T>): Promise<T> {
    return this.runWithToken(() => request(this.gate(device)));
  }

  /** The same for a request that takes the token itself. */
  async runWithToken<T>(request: (token: string | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      const token = this.#token;
      try {
        return await request(token);
      } catch (error) {
        if (!wantsToken(error)) throw error;
        await this.refused(token, reasonOf(error));
      }
    }
  }

  /** Asks for another token than the one that was refused, unless there is another already. */
  async refused(token: string | undefined, reason: string): Promise<void> {
    if (token !== this.#token) return;
    this.#asking ??= this.#ask(token === undefined ? '' : reason).then((answer) => {
      this.#token = answer.token;
      this.#asking = undefined;
      if (answer.keep) sessionStorage.setItem(KEPT, answer.token);
      else sessionStorage.removeItem(KEPT);
    });
    await this.#asking;
  }
}

function wantsToken(error: unknown): boolean {
  return error instanceof Error && TOKEN_CODES.includes((error as { code?: string }).code ?? '');
}

/** What went wrong, in a sentence. */
export function reasonOf(error: unknown): string {
  // Of a connection that cannot be made browsers say no more than that.
  if (error instanceof TypeError) return 'The gateway cannot be reached.';
  return error instanceof Error ? sentence(error.message) : 'Something went wrong.';
}

/** What a gateway says, as a sentence of a text. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.?$/, '.');
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
}
