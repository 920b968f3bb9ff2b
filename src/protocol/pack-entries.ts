/**
 * Entries as MessagePack: array(n) ( array(3) str(sid) str(id) bin(payload) )…
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Written here and not by the library, because large payloads must not be copied into the message, and because
 * small ones come by the hundred thousand: all that is small is written into one buffer, whose size is known before.
 */
import type { EntryBatch } from './batch.js';

/** Entries `from` to `to` (excluded) of a batch. */
export interface EntryRun {
  /** How the message names the stream. */
  readonly sid: string;
  readonly batch: EntryBatch;
  readonly from: number;
  readonly to: number;
}

/** Payloads from this size on are parts of their own: copying costs more than another fragment. */
const LARGE_BYTES = 64 * 1024;

/** The parts of a message that holds all runs, in order. */
export function packEntries(runs: readonly EntryRun[]): Uint8Array[] {
  const count = runs.reduce((sum, { from, to }) => sum + to - from, 0);
  const heads = runs.map(({ sid }) => Buffer.concat([arrayHead(3), stringParts(sid)]));
  const list = arrayHead(count);
  const size = runs.reduce((sum, run, index) => sum + smallBytes(run, heads[index]!), list.length);
  const out = Buffer.allocUnsafe(size);
  const parts: Uint8Array[] = [];
  /** Where the part begins that is being written. */
  let begin = 0;
  let at = copyShort(list, out, 0);
  runs.forEach(({ batch, from, to }, index) => {
    const head = heads[index]!;
    for (let entry = from; entry < to; entry++) {
      const length = batch.ends[entry]! - batch.start(entry);
      at = copyShort(head, out, at);
      at = writeId(batch.ids[entry]!, out, at);
      at = writeBinaryHead(length, out, at);
      if (length >= LARGE_BYTES) {
        parts.push(out.subarray(begin, at), batch.payload(entry));
        begin = at;
      } else {
        out.set(batch.view(entry), at);
        at += length;
      }
    }
  });
  if (at > begin) parts.push(out.subarray(begin, at));
  return parts;
}

/** The head of an array of `length` elements. */
export function arrayHead(length: number): Buffer {
  if (length < 16) return Buffer.of(0x90 | length);
  if (length < 0x10000) return Buffer.of(0xdc, length >> 8, length & 0xff);
  const head = Buffer.of(0xdd, 0, 0, 0, 0);
  head.writeUInt32BE(length, 1);
  return head;
}

/** What the entries of a run take, large payloads aside. @param head of each entry */
function smallBytes({ batch, from, to }: EntryRun, head: Uint8Array): number {
  let bytes = (to - from) * head.length;
  for (let entry = from; entry < to; entry++) {
    const length = batch.ends[entry]! - batch.start(entry);
    const idLength = batch.ids[entry]!.length;
    bytes += idHeadBytes(idLength) + idLength + binaryHeadBytes(length);
    if (length < LARGE_BYTES) bytes += length;
  }
  return bytes;
}

function stringParts(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length < 32) return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes]);
  if (bytes.length < 0x100) return Buffer.concat([Buffer.of(0xd9, bytes.length), bytes]);
  return Buffer.concat([Buffer.of(0xda, bytes.length >> 8, bytes.length & 0xff), bytes]);
}

const idHeadBytes = (length: number) => (length < 32 ? 1 : 2);
const binaryHeadBytes = (length: number) => (length < 0x100 ? 2 : length < 0x10000 ? 3 : 5);

/** Writes an id, which is short ASCII, as a string. @returns where it ends */
function writeId(id: string, out: Uint8Array, begin: number): number {
  const { length } = id;
  let at = begin;
  if (length < 32) out[at++] = 0xa0 | length;
  else {
    out[at++] = 0xd9;
    out[at++] = length;
  }
  for (let index = 0; index < length; index++) out[at++] = id.charCodeAt(index);
  return at;
}

/** @returns where it ends */
function writeBinaryHead(length: number, out: Uint8Array, begin: number): number {
  let at = begin;
  if (length < 0x100) out[at++] = 0xc4;
  else {
    out[at++] = length < 0x10000 ? 0xc5 : 0xc6;
    if (length >= 0x10000) {
      out[at++] = length >>> 24;
      out[at++] = (length >>> 16) & 0xff;
    }
    out[at++] = (length >>> 8) & 0xff;
  }
  out[at++] = length & 0xff;
  return at;
}

/** For few bytes a loop takes less than a call. @returns where they end */
function copyShort(bytes: Uint8Array, out: Uint8Array, begin: number): number {
  for (let index = 0; index < bytes.length; index++) out[begin + index] = bytes[index]!;
  return begin + bytes.length;
}
