/** A way to read the streams of a server. `stream-reader.ts` sends its reads, one at a time. */
import type { ReplyCursor } from '../src/redis/resp.js';
import type { Followed } from './followed.js';
import type { Arrival } from './held-reads.js';
import type { ReadSize } from './read-size.js';

export interface StreamsRead {
  readonly command: readonly Buffer[];
  /** Streams that it reads. */
  readonly keys: () => readonly string[];
  /** Streams that it will probably bring entries of; undefined where nothing more is known than what others brought. */
  readonly likely: readonly string[] | undefined;
  /** Streams that are each read by a command of their own; undefined where one command reads all. */
  readonly apart?: readonly Followed[] | undefined;
}

/** Streams whose own reads were refused, for reasons that pass. */
export interface Unread {
  readonly streams: ReadonlySet<Followed>;
  /** Ms until they are read again. */
  readonly againMs: number;
}

export interface ReadStrategy {
  /** The next read, for which it settles COUNT; undefined where there is nothing to read now. */
  next(size: ReadSize): StreamsRead | undefined;
  /** The read was answered. @returns ms to wait before the next */
  answered(arrivals: readonly Arrival[], unread?: Unread): number;
  /** The read was refused: its streams are still to be read. */
  failed(): void;
  /** Has the read under way end soon. @param clientId of the connection */
  interrupt(clientId: number): void;
  /** No read is under way any more. */
  ended(): void;
  /** Redis has sent something unasked. */
  push(cursor: ReplyCursor): void;
}
