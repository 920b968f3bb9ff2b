/**
 * XREAD, XRANGE and XREVRANGE: their commands, and their replies as batches.
 *
 *     XREAD     *streams ( *2 $key *entries ( *2 $id *2f ( $field $value )… )… )…
 *     XRANGE                       *entries ( *2 $id *2f ( $field $value )… )…
 */
import { isUtf8 } from 'node:buffer';
import { endsOf, type PackedBatch } from '../protocol/batch.js';
import { AFTER_LAST } from '../protocol/entry-id.js';
import { PAYLOAD_FIELD } from './keys.js';
import { bulk, encodeCommand, type ReplyCursor } from './resp.js';

/** Batches below this size share a buffer with the others of their reply. */
export const SHARED_BELOW_BYTES = 16 * 1024;
const EMPTY = Buffer.alloc(0);
const PAYLOAD_NAME = Buffer.from(PAYLOAD_FIELD);
const ASKING = `*1\r\n${bulk('ASKING')}`;
const PAYLOAD_NAME_BULK = Buffer.from(bulk(PAYLOAD_FIELD));

/** Entries of one stream while they are read: views into the reply, copied by `packBatches`. */
export interface ReadEntries {
  readonly key: string;
  readonly after: string;
  readonly trimmed: boolean;
  readonly ids: string[];
  readonly payloads: Uint8Array[];
  bytes: number;
  /** Where the payloads lie one after the other, if they were copied out of the reply already. */
  own?: ArrayBuffer;
}

/**
 * The XREAD of a set of streams that is sent again and again: the keys are encoded once for each change
 * of the set, since with thousands of streams that is most of the work.
 */
export class BlockingRead {
  #keys: Buffer | undefined;

  /** To be called when streams come or go. */
  changed(): void {
    this.#keys = undefined;
  }

  /** Entries after each stream's cursor, at most `count` a stream. `block`: ms to wait for some. */
  encode(cursors: ReadonlyMap<string, { readonly after: string }>, count: number, block: number): Buffer[] {
    this.#keys ??= Buffer.from([...cursors.keys()].map(bulk).join(''));
    const words = ['XREAD', 'COUNT', String(count), 'BLOCK', String(block), 'STREAMS'];
    const head = `*${words.length + 2 * cursors.size}\r\n${words.map(bulk).join('')}`;
    let ids = '';
    for (const { after } of cursors.values()) ids += `$${after.length}\r\n${after}\r\n`;
    return [Buffer.from(head), this.#keys, Buffer.from(ids, 'latin1')];
  }
}

/** Where a stream is read on. */
export interface StreamCursor {
  /** Its key as a word of a command, encoded once: `bulk` of it. */
  readonly word: string;
  readonly after: string;
}

/** Entries after each stream's cursor that are there now, at most `count` a stream. */
export function xreadNow(cursors: readonly StreamCursor[], count: number): Buffer {
  const words = ['XREAD', 'COUNT', String(count), 'STREAMS'];
  let command = `*${words.length + 2 * cursors.length}\r\n${words.map(bulk).join('')}`;
  for (const cursor of cursors) command += cursor.word;
  for (const { after } of cursors) command += bulk(after);
  return Buffer.from(command);
}

/**
 * The same by an XREAD for each, as a node of a cluster needs it for streams of several slots.
 * @param cursors with ASKING before those whose slot is on its way to the node
 */
export function xreadEach(
  cursors: readonly (StreamCursor & { readonly asks: boolean })[],
  count: number,
): Buffer {
  const head = `*6\r\n${['XREAD', 'COUNT', String(count), 'STREAMS'].map(bulk).join('')}`;
  let commands = '';
  for (const { word, after, asks } of cursors) {
    if (asks) commands += ASKING;
    commands += `${head}${word}$${after.length}\r\n${after}\r\n`;
  }
  return Buffer.from(commands);
}

/** An XREAD that brings nothing, and is refused where one that brings something would be: of no entry is the id larger. */
export function xreadNothing(keys: readonly string[]): Buffer {
  const names = keys.map(bulk).join('');
  const head = `*${2 + 2 * keys.length}\r\n${bulk('XREAD')}${bulk('STREAMS')}`;
  return Buffer.from(head + names + bulk(AFTER_LAST).repeat(keys.length));
}

/** At most `count` entries after `cursor` and up to `until`, oldest first. */
export function xrangeAfter(key: string, cursor: string, count: number, until = '+'): Buffer {
  return encodeCommand(['XRANGE', key, `(${cursor}`, until, 'COUNT', count]);
}

/** At most `count` entries from `first` on, oldest first. */
export function xrangeFrom(key: string, first: string, count: number, until = '+'): Buffer {
  return encodeCommand(['XRANGE', key, first, until, 'COUNT', count]);
}

/** The newest entry. */
export function xnewest(key: string): Buffer {
  return encodeCommand(['XREVRANGE', key, '+', '-', 'COUNT', 1]);
}

/** The newest entry after `cursor` and up to `until`. */
export function xnewestAfter(key: string, cursor: string, until = '+'): Buffer {
  return encodeCommand(['XREVRANGE', key, until, `(${cursor}`, 'COUNT', 1]);
}

/** An entry of other writers' making: its fields as JSON, values that are not text as base64. */
function describeFields(fields: readonly Buffer[]): Buffer {
  const object: Record<string, unknown> = Object.create(null);
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1]!;
    object[fields[index]!.toString()] = isUtf8(value)
      ? value.toString()
      : { base64: value.toString('base64') };
  }
  return Buffer.from(JSON.stringify(object));
}

/** An entry that is too large for a text is described by its size: a reader must not stumble over it for ever. */
function describeSize(fields: readonly Buffer[]): Buffer {
  const bytes = fields.reduce((sum, { length }) => sum + length, 0);
  return Buffer.from(JSON.stringify({ fields: fields.length / 2, bytes }));
}

/** Reads an entry's array of fields: the payload, or a description of fields that are not ours. */
export function readPayload(cursor: ReplyCursor): Uint8Array {
  const count = cursor.array();
  // As nearly all are: without a view of the name.
  if (count === 2 && cursor.skipIf(PAYLOAD_NAME_BULK)) return cursor.bytes() ?? EMPTY;
  const fields: Buffer[] = [];
  for (let index = 0; index < count; index++) fields.push(cursor.bytes() ?? EMPTY);
  for (let index = 0; index + 1 < count; index += 2) {
    if (fields[index]!.equals(PAYLOAD_NAME)) return fields[index + 1]!;
  }
  try {
    return describeFields(fields);
  } catch {
    return describeSize(fields);
  }
}

/** Reads the array of entries at the cursor; the payloads are views into the reply. */
export function readEntries(cursor: ReplyCursor, key: string, after: string): ReadEntries {
  const read: ReadEntries = { key, after, trimmed: false, ids: [], payloads: [], bytes: 0 };
  for (let count = cursor.array(); count > 0; count--) {
    cursor.array();
    read.ids.push(cursor.text());
    const payload = readPayload(cursor);
    read.payloads.push(payload);
    read.bytes += payload.length;
  }
  return read;
}

/**
 * Copies entries out of a reply into buffers that can be transferred, and lists those once each.
 * @param allocate makes the buffer of a large batch, of so many bytes or more
 */
export function packBatches(
  reads: readonly ReadEntries[],
  allocate: (bytes: number) => ArrayBuffer = (bytes) => new ArrayBuffer(bytes),
): {
  batches: PackedBatch[];
  buffers: ArrayBuffer[];
} {
  const sharedBytes = reads.reduce((sum, { bytes }) => sum + (bytes < SHARED_BELOW_BYTES ? bytes : 0), 0);
  const shared = new ArrayBuffer(sharedBytes);
  const buffers = [shared];
  let sharedUsed = 0;
  const batches = reads.map((read) => {
    const isShared = read.bytes < SHARED_BELOW_BYTES;
    const buffer = isShared ? shared : (read.own ?? allocate(read.bytes));
    const offset = isShared ? sharedUsed : 0;
    if (isShared) sharedUsed += read.bytes;
    else buffers.push(buffer);
    const bytes = new Uint8Array(buffer, offset, read.bytes);
    const ends = endsOf(read.payloads.length);
    let at = 0;
    read.payloads.forEach((payload, index) => {
      if (read.own !== buffer) bytes.set(payload, at);
      at += payload.length;
      ends[index] = at;
    });
    const { key, after, trimmed } = read;
    return { key, after, trimmed, ids: read.ids.join(' '), ends, buffer, offset };
  });
  return { batches, buffers };
}
