/**
 * Messages of a push with `header=msgpack` and their answers:
 *
 *   sent      [[sid | null, time | null, bin], …]        one binary frame
 *   answered  ["1700000000000-0", {"error", "code"}, …]  one text frame, in the same order
 */
import { encode } from '@msgpack/msgpack';
import { GatewayError } from './gateway-error.js';

export interface NewEntry {
  /** Null: the one stream of the connection. */
  readonly stream: string | null;
  /** `ms` or `ms-seq`; null: the gateway's clock. */
  readonly time: string | null;
  readonly data: Uint8Array;
}

export function encodeEntries(entries: readonly NewEntry[]): Uint8Array<ArrayBuffer> {
  return encode(entries.map(({ stream, time, data }) => [stream, time, data]));
}

function readAck(
  ack: string | { error?: unknown; code?: unknown } | null,
): string | GatewayError | undefined {
  if (typeof ack === 'string') return ack;
  if (typeof ack?.error !== 'string' || typeof ack.code !== 'string') return undefined;
  return new GatewayError(ack.code, `an entry was not stored: ${ack.error} (${ack.code})`);
}

/**
 * For each of the message's entries its id, or why it was not stored.
 * @throws GatewayError `bad_answer` where `text` is no answer to a message of so many entries
 */
export function parseAcks(text: string, count: number): readonly (string | GatewayError)[] {
  let acks: unknown;
  try {
    acks = JSON.parse(text);
  } catch {
    acks = undefined;
  }
  const read = Array.isArray(acks) ? acks.map(readAck).filter((ack) => ack !== undefined) : [];
  if (count > 0 && read.length === count) return read;
  throw new GatewayError(
    'bad_answer',
    `an ack must be a JSON array of ${count} ids, not ${text.slice(0, 100)}`,
  );
}
