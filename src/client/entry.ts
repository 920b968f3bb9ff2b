/** Entries as clients see them, and the messages they come in: MessagePack arrays of `[sid, id, bin]`. */
import { decode } from '@msgpack/msgpack';
import { entryTime } from '../protocol/entry-id.js';
import { GatewayError } from './gateway-error.js';

export interface Entry {
  /** The stream's id, as it was asked for. */
  readonly stream: string;
  /** `ms-seq`: where to go on from. */
  readonly id: string;
  /** Milliseconds since 1970, those of the id. */
  readonly time: number;
  /** The payload, byte for byte. A view into the message it came with: copy it to keep it without its neighbours. */
  readonly data: Uint8Array<ArrayBuffer>;
}

function isTriple(value: unknown): value is [stream: string, id: string, data: Uint8Array<ArrayBuffer>] {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [stream, id, data] = value as unknown[];
  return typeof stream === 'string' && typeof id === 'string' && data instanceof Uint8Array;
}

/**
 * The entries of one message, in order; none for a heartbeat.
 * @throws GatewayError `bad_answer` where it is anything else
 */
export function decodeEntries(message: Uint8Array): Entry[] {
  let triples: unknown;
  try {
    triples = decode(message);
  } catch {
    triples = undefined;
  }
  if (!Array.isArray(triples) || !triples.every(isTriple)) {
    throw new GatewayError('bad_answer', 'a message must be a MessagePack array of [sid, id, bytes]');
  }
  return triples.map(([stream, id, data]) => ({ stream, id, time: entryTime(id), data }));
}

/** A moment, in the forms that the gateway takes: ms since 1970, ISO 8601, or an entry id. */
export type Moment = number | string | Date;

export function nameMoment(moment: Moment | undefined): string | undefined {
  if (moment === undefined) return undefined;
  return moment instanceof Date ? moment.toISOString() : String(moment);
}
