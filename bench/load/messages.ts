/** What a producer sends again and again, as bytes on the wire. */
import { pack } from 'msgpackr';
import type { Framing } from '../../src/protocol/parameters.js';
import { clientFrame } from './frames.js';

export interface MessageShape {
  readonly framing: Framing;
  /** Of each entry. */
  readonly bytes: number;
  /** Entries a message: 1 where the framing is raw. */
  readonly entries: number;
  /** Each entry of a message is of another stream, `s0`, `s1` and so on; only where the framing is msgpack. */
  readonly isSpread?: boolean;
}

/** The value of the parameter `header` that goes with each framing. */
export const HEADER_OF: Readonly<Record<Framing, string>> = { raw: '0', json: '1', msgpack: 'msgpack' };

/** One message to `/data/{sid}/push`: its frames one after the other. */
export function pushMessage({ framing, bytes, entries, isSpread }: MessageShape): Buffer {
  const payload = Buffer.alloc(bytes * entries, 'x');
  if (framing === 'raw') return clientFrame(payload);
  if (framing === 'json') {
    const ends = Array.from({ length: entries }, (_, index) => (index + 1) * bytes);
    return Buffer.concat([clientFrame(Buffer.from(JSON.stringify(ends)), true), clientFrame(payload)]);
  }
  const entry = (index: number) => [isSpread ? `s${index}` : null, null, payload.subarray(0, bytes)];
  return clientFrame(pack(Array.from({ length: entries }, (_, index) => entry(index))));
}
