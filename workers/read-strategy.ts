/** A way to read the streams that a thread follows. `reader.ts` sends its reads, one at a time. */
import type { ReplyCursor } from '../src/redis/resp.js';
import type { Arrival } from './held-reads.js';
import type { ReadSize } from './read-size.js';

export interface StreamsRead {
  readonly command: readonly Buffer[];
  /** Streams that it reads. */
  readonly keys: () => readonly string[];
  /** Streams that it will probably bring entries of; undefined where nothing more is known than what others brought. */
  readonly likely: readonly string[] | undefined;
}

export interface ReadStrategy {
  /** The next read, for which it settles COUNT; undefined where there is nothing to read now. */
  next(size: ReadSize): StreamsRead | undefined;
  /** The read was answered. @returns ms to wait before the next */
  answered(arrivals: readonly Arrival[]): number;
  /** The read was refused: its streams are still to be read. */
  failed(): void;
  /** Has the read under way end soon. @param clientId of the connection */
  interrupt(clientId: number): void;
  /** No read is under way any more. */
  ended(): void;
  /** Redis has sent something unasked. */
  push(cursor: ReplyCursor): void;
}
