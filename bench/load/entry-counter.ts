/** Counts the entries in a server's WebSocket frames, as cheaply as their framing allows. */
import type { TakeBytes } from './received.js';

/** How a follower's entries lie on the wire. */
export interface EntryWire {
  /** What an entry takes of a binary frame's payload. */
  readonly entryBytes: number;
  /** What an entry takes with all that is around it, where that is always the same: bytes are counted only. */
  readonly wireBytes?: number;
}

export interface EntryCounter {
  readonly take: TakeBytes;
  /** So far; a fraction while a part of one has come, where bytes are counted. */
  entries(): number;
}

export function countEntries({ entryBytes, wireBytes }: EntryWire): EntryCounter {
  return wireBytes === undefined ? countByFrames(entryBytes) : countByBytes(wireBytes);
}

function countByBytes(wireBytes: number): EntryCounter {
  let bytes = 0;
  return {
    take: (_buffer, from, to) => {
      bytes += to - from;
    },
    entries: () => bytes / wireBytes,
  };
}

const TEXT = 1;
const LONGEST_HEAD = 10;

/**
 * Walks from frame to frame (RFC 6455 §5.2; a server's are not masked) and looks at lengths only. What
 * is before the entries in a binary frame must be shorter than an entry.
 */
function countByFrames(entryBytes: number): EntryCounter {
  const head = new Uint8Array(LONGEST_HEAD);
  const view = new DataView(head.buffer);
  let headLength = 0;
  /** Bytes of the present frame's payload that are still to come. */
  let rest = 0;
  /** Entries in it. */
  let coming = 0;
  let entries = 0;

  const headSize = () => 2 + (head[1]! < 126 ? 0 : head[1] === 126 ? 2 : 8);
  const takeHead = () => {
    const length =
      head[1]! < 126 ? head[1]! : head[1] === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    if ((head[0]! & 0x80) === 0) throw new Error('a message in fragments is not to be counted this way');
    coming = (head[0]! & 0x0f) === TEXT ? 0 : Math.floor(length / entryBytes);
    rest = length;
    headLength = 0;
  };
  return {
    take: (buffer, from, to) => {
      let at = from;
      while (at < to) {
        if (rest > 0) {
          const skipped = Math.min(rest, to - at);
          rest -= skipped;
          at += skipped;
          if (rest === 0) entries += coming;
        } else {
          head[headLength++] = buffer[at++]!;
          if (headLength >= 2 && headLength === headSize()) takeHead();
        }
      }
    },
    entries: () => entries,
  };
}
