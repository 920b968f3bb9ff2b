/**
 * Finds the entry on which Redis closes the connection: `client-query-buffer-limit`, `maxmemory-clients` and the like
 * end a connection without a word.
 *
 * Entries are sent again with care, the first one alone. One that was alone on as many connections as Redis closed in a
 * row is refused; it would hold up all others for ever.
 */
import { Failure } from '../../protocol/errors.js';
import type { Unanswered } from '../batch.js';

const MAX_LOSSES = 3;
/** The least `client-query-buffer-limit`: smaller entries are not refused for their size. */
const LEAST_LIMIT = 1024 * 1024;
/** Entries as large as one that was refused are refused at once for so long; then one is tried again. */
const REMEMBER_MS = 60_000;

export class Suspects {
  #suspect: Unanswered | undefined;
  #losses = 0;
  #largestUntil = 0;
  /** Entries of so many bytes and more are refused; `tooLarge` says why. */
  largest = Number.POSITIVE_INFINITY;

  /** @param written what was under way on a connection that was lost, without an answer */
  lost(written: readonly Unanswered[]): void {
    const [only] = written;
    if (only === undefined) return;
    if (written.length > 1) {
      this.clear();
    } else if (this.#suspect?.receipt === only.receipt && this.#suspect.token === only.token) {
      this.#losses++;
    } else {
      this.#suspect = only;
      this.#losses = 1;
    }
  }

  /** An entry was answered, or the server died: what was seen proves nothing any more. */
  clear(): void {
    this.#suspect = undefined;
    this.#losses = 0;
  }

  /** @returns why an entry is not sent again; undefined where it is */
  judge({ receipt, token, payload }: Unanswered): Failure | undefined {
    const suspect = this.#suspect;
    if (this.#losses < MAX_LOSSES || suspect?.receipt !== receipt || suspect.token !== token)
      return undefined;
    this.clear();
    if (payload.length < LEAST_LIMIT) {
      return new Failure(
        'redis_error',
        `Redis closed the connection ${MAX_LOSSES} times when it was sent this entry`,
      );
    }
    this.largest = payload.length;
    this.#largestUntil = performance.now() + REMEMBER_MS;
    return largerThanTaken(payload.length);
  }

  /** @returns undefined where one may be tried again */
  tooLarge(bytes: number): Failure | undefined {
    if (performance.now() < this.#largestUntil) return largerThanTaken(bytes);
    this.largest = Number.POSITIVE_INFINITY;
    return undefined;
  }
}

const largerThanTaken = (bytes: number): Failure =>
  new Failure(
    'payload_too_large',
    `Redis closes the connection on an entry of ${bytes} bytes (client-query-buffer-limit, maxmemory-clients)`,
  );
