/**
 * The way of single entries through the gateway, in the log at level trace: an entry's id finds all places where it
 * has been. No payloads. Where less is logged there is no EntryTrace, and all it costs is a look whether there is one.
 */
import type { Logger } from './logger.js';

/** What an ack says of an entry. */
type Outcome = string | { readonly code: string };

/** Entries of one stream. */
interface Entries {
  readonly key: string;
  readonly ids: readonly string[];
}

export class EntryTrace {
  readonly #logger: Logger;

  private constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param about where the entries come or go, in each record @returns undefined unless level trace is logged */
  static start(logger: Logger, about: object = {}): EntryTrace | undefined {
    return logger.isLevelEnabled('trace') ? new EntryTrace(logger.child(about)) : undefined;
  }

  /** Redis has it. */
  stored(stream: string, id: string): void {
    this.#logger.trace({ stream, id }, 'an entry is stored');
  }

  /** Redis does not have it, or perhaps has it. @param id the one that was asked for; `*`: any */
  refused(stream: string, id: string, code: string): void {
    this.#logger.trace({ stream, id, code }, 'an entry is refused');
  }

  /** Its producer is told. */
  acknowledged(outcomes: readonly Outcome[]): void {
    const acks = outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.code));
    this.#logger.trace({ acks }, 'acks are sent');
  }

  /** A thread has read them from Redis for all that follow the stream. */
  read({ key, ids }: Entries): void {
    this.#logger.trace({ stream: key, ids }, 'entries are read');
  }

  /** They are handed to a client's connection: those `from` to `to` (excluded). */
  sent({ key, ids }: Entries, from: number, to: number): void {
    if (to > from) this.#logger.trace({ stream: key, ids: ids.slice(from, to) }, 'entries are sent');
  }
}
