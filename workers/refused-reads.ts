/** What is done about a read that Redis refuses: another connection, a search for the key at fault, or another attempt. */
import { BackOff } from '../src/protocol/back-off.js';
import type { FailureBody } from '../src/protocol/errors.js';
import { failureFromRedis } from '../src/redis/error-replies.js';
import { CulpritSearch, MAY_BE_A_KEYS } from './culprit-search.js';
import type { Ask } from './followed.js';

/** How long a refused read waits before it is sent again, at first and at most. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 500;
/** Errors that are the key's own where it was read by itself. */
const IS_THE_KEYS = /^(WRONGTYPE|NOPERM|ERR)/;
/** Errors of a connection that is of no use any more: the server's part has changed, or our rights. */
const NEEDS_NEW_CONNECTION = /^(UNBLOCKED|NOAUTH)/;

export interface RefusedReadsHandler {
  ask: Ask;
  /** The connection is of no use any more. */
  renew(cause: Error): void;
  /** The key is at fault. */
  evict(key: string, failure: FailureBody): void;
  /** The keys can be read, but not together. */
  readApart(): void;
  /** No key is at fault; told once until a read succeeds. */
  refused(error: string): void;
  /** The next read may be sent. @param ms after so much time */
  readAgain(ms: number): void;
}

export class RefusedReads {
  readonly #handler: RefusedReadsHandler;
  readonly #retry = new BackOff(FIRST_RETRY_MS, LAST_RETRY_MS);
  /** Streams whose own reads were refused last. */
  readonly #alone = new Set<string>();
  /** The keys are looked through for the reason. */
  isSearching = false;

  constructor(handler: RefusedReadsHandler) {
    this.#handler = handler;
  }

  /** @param keys of the read */
  refused(error: string, keys: readonly string[]): void {
    const { ask, renew, evict } = this.#handler;
    if (NEEDS_NEW_CONNECTION.test(error)) {
      renew(new Error(error));
      return;
    }
    if (!MAY_BE_A_KEYS.test(error)) {
      this.#tryAgain(error);
      return;
    }
    this.isSearching = true;
    const found = (key: string, refusal: string) => evict(key, failureFromRedis(refusal).body);
    new CulpritSearch(ask, keys, found, (culprits) => {
      this.isSearching = false;
      if (culprits > 0) {
        this.#handler.readAgain(0);
        return;
      }
      // As on a node of a cluster.
      if (/^CROSSSLOT/.test(error)) this.#handler.readApart();
      this.#tryAgain(error);
    });
  }

  /** The read of one stream alone was refused. @returns whether it is to be read again a little later */
  refusedAlone(error: string, key: string): boolean {
    const { renew, evict } = this.#handler;
    if (NEEDS_NEW_CONNECTION.test(error)) {
      renew(new Error(error));
      return false;
    }
    if (IS_THE_KEYS.test(error)) {
      this.provenAlone(key);
      evict(key, failureFromRedis(error).body);
      return false;
    }
    if (this.#alone.size === 0 && this.#retry.isFresh) this.#handler.refused(error);
    this.#alone.add(key);
    return true;
  }

  /** The read of one stream alone was answered, or it is not read here any more. */
  provenAlone(key: string): void {
    if (this.#alone.size === 0 || !this.#alone.delete(key)) return;
    if (this.#alone.size === 0) this.#retry.reset();
  }

  /** Ms until streams are read again whose own reads were refused. */
  nextRetry(): number {
    return this.#retry.next();
  }

  /** A read was answered. */
  proven(): void {
    this.#retry.reset();
  }

  /** To be called when the connection is lost. */
  lost(): void {
    this.isSearching = false;
    this.#alone.clear();
  }

  /** The server's fault, and nobody's in particular. */
  #tryAgain(error: string): void {
    if (this.#retry.isFresh) this.#handler.refused(error);
    this.#handler.readAgain(this.#retry.next());
  }
}
