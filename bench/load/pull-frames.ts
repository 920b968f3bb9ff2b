/** What a pull's message is on the wire: made by the gateway's own code, with ids of fixed width. */
import { EntryBatch } from '../../src/protocol/batch.js';
import type { Framing } from '../../src/protocol/parameters.js';
import { pullMessage } from '../../src/protocol/pull-message.js';
import type { EntryWire } from './entry-counter.js';
import { fixedId } from './fixed-entries.js';

export interface PullFrames {
  readonly text: string | null;
  readonly binaryBytes: number;
  readonly wire: EntryWire;
}

/** The message of `count` entries of `bytes` each. */
function messageOf(framing: Framing, sid: string, count: number, bytes: number) {
  const indexes = Array.from({ length: count }, (_, index) => index);
  const batch = new EntryBatch({
    key: sid,
    after: '0-0',
    ids: indexes.map(fixedId).join(' '),
    ends: Uint32Array.from(indexes, (index) => (index + 1) * bytes),
    buffer: new ArrayBuffer(count * bytes),
    offset: 0,
    trimmed: false,
  });
  const { text, binary } = pullMessage(framing, 'start', sid, batch, 0, count);
  const binaryBytes = binary.reduce((sum, part) => sum + part.length, 0);
  return { text: text ?? null, binaryBytes };
}

/** Bytes of a server's frame around its payload. */
const headBytes = (bytes: number) => (bytes < 126 ? 2 : bytes < 0x10000 ? 4 : 10);

const frameBytes = (bytes: number) => headBytes(bytes) + bytes;

export function pullFrames(framing: Framing, sid: string, count: number, bytes: number): PullFrames {
  const { text, binaryBytes } = messageOf(framing, sid, count, bytes);
  if (count === 1) {
    const textBytes = text === null ? 0 : frameBytes(Buffer.byteLength(text));
    const wireBytes = textBytes + frameBytes(binaryBytes);
    return { text, binaryBytes, wire: { entryBytes: bytes, wireBytes } };
  }
  // What one more entry adds; a message may hold fewer than `count`.
  const entryBytes = binaryBytes - messageOf(framing, sid, count - 1, bytes).binaryBytes;
  return { text, binaryBytes, wire: { entryBytes } };
}
