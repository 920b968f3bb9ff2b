/** How much may wait for Redis. */
import { Failure } from '../protocol/errors.js';

/** Bytes that wait, in all pipes together. */
export interface AppendBudget {
  usedBytes: number;
  readonly maxBytes: number;
}

/** Why so many bytes more may not wait; undefined where they may. */
export function overloaded({ usedBytes, maxBytes }: AppendBudget, bytes: number): Failure | undefined {
  if (usedBytes + bytes <= maxBytes) return undefined;
  return new Failure(
    'overloaded',
    `${usedBytes} bytes already wait for Redis (MAX_BUFFERED_BYTES=${maxBytes})`,
  );
}
