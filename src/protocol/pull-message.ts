/**
 * What a follower is sent (docs/protocol.md, WebSocket pull): a run of a batch's entries in one of the three framings.
 *
 *     json     text  [[sid, id, offset], …]      then binary  | payload 0 | payload 1 | … |
 *     raw      binary | payload |
 *     msgpack  binary  array(n) ( array(3) str(sid) str(id) bin(payload) )…
 *
 * With `gaps=1`, in any framing, a text frame of its own before the message that follows a loss:
 *
 *     text  {"gap": {"stream": sid, "after": id, "resumed_at": id, "reason": "trimmed" | "deleted"}}
 */
import type { EntryBatch } from './batch.js';
import { arrayHead, packEntries } from './pack-entries.js';
import type { Framing, Offsets } from './parameters.js';

/** One message to a follower: at most one text frame, then one binary frame. */
export interface PullMessage {
  readonly text: string | undefined;
  /** The binary frame's bytes in order; more than one part is sent as fragments of one frame. */
  readonly binary: readonly Uint8Array[];
  readonly bytes: number;
}

/** Entries of a stream that a client was not sent, since Redis held them no more. */
export interface Gap {
  /** The last entry before them, as far as it is known. */
  readonly after: string;
  /** The entry that the stream goes on with. */
  readonly resumedAt: string;
  /** The stream begins later now; or it was itself deleted, renamed, flushed or made anew. */
  readonly reason: 'trimmed' | 'deleted';
}

const EMPTY = new Uint8Array(0);

/** `[sid, id, offset]` of entries `from` to `to` (excluded), offsets counted from the run's first byte. */
export function entryOffsets(
  sid: string,
  batch: EntryBatch,
  from: number,
  to: number,
  offsets: Offsets,
): [string, string, number][] {
  const base = batch.start(from);
  const rows: [string, string, number][] = [];
  for (let index = from; index < to; index++) {
    const offset = offsets === 'start' ? batch.start(index) : batch.ends[index]!;
    rows.push([sid, batch.ids[index]!, offset - base]);
  }
  return rows;
}

function byteLength(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/** The message for entries `from` to `to` (excluded) of a batch; in raw framing that is one entry. */
export function pullMessage(
  framing: Framing,
  offsets: Offsets,
  sid: string,
  batch: EntryBatch,
  from: number,
  to: number,
): PullMessage {
  if (framing === 'msgpack') {
    const binary = packEntries([{ sid, batch, from, to }]);
    return { text: undefined, binary, bytes: byteLength(binary) };
  }
  const payload = batch.run(from, to);
  if (framing === 'raw') return { text: undefined, binary: [payload], bytes: payload.length };
  const text =
    to === from + 1
      ? `[[${JSON.stringify(sid)},"${batch.ids[from]!}",${offsets === 'start' ? 0 : payload.length}]]`
      : JSON.stringify(entryOffsets(sid, batch, from, to, offsets));
  return { text, binary: [payload], bytes: text.length + payload.length };
}

/** A gap as clients are told of it. */
export function describeGap(sid: string, { after, resumedAt, reason }: Gap): object {
  return { stream: sid, after, resumed_at: resumedAt, reason };
}

/** What a follower without data is sent every `block` ms; nothing in raw framing. */
export function heartbeat(framing: Framing): PullMessage | undefined {
  if (framing === 'raw') return undefined;
  if (framing === 'msgpack') return { text: undefined, binary: [arrayHead(0)], bytes: 1 };
  return { text: '[]', binary: [EMPTY], bytes: 2 };
}
