/**
 * The MessagePack that a producer sends: an array of `[sid or nil, time or nil, bin]`, or a single `bin`.
 *
 *     array(n) ( array(3) str|nil  int|float|str|nil  bin )…
 *     bin
 *
 * Read here and not by a library, since that would make a value of all that a frame holds before the frame
 * can be refused: 30 MB of empty maps hold up everyone for ten seconds. Nothing is copied, and what cannot
 * be a part of a message ends the reading.
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { isUtf8 } from 'node:buffer';
import { Failure } from './errors.js';

/** An entry as it came: what its parts say is still to be checked. */
export interface PackedEntry {
  readonly sid: string | null;
  /** A number of 64 bits is text. */
  readonly time: string | number | null;
  /** A view of the message. */
  readonly payload: Uint8Array;
}

const NIL = 0xc0;
/** The first of the formats `8`, `16` and `32` of a length. */
const BIN_8 = 0xc4;
const STR_8 = 0xd9;
const ARRAY_16 = 0xdc;
const UINT_8 = 0xcc;
const INT_8 = 0xd0;
const FLOAT_32 = 0xca;
const FLOAT_64 = 0xcb;

const notPacked = () => new Failure('bad_body', 'the frame does not parse as MessagePack');
const badTime = () => new Failure('bad_header', "an entry's time must be null, whole milliseconds or ms-seq");
const noEntry = () => new Failure('bad_body', 'an entry must be [sid or null, time or null, bin]');

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(message: Uint8Array) {
    this.#bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The format of the next value. */
  get format(): number {
    return this.#bytes[this.#need(1)]!;
  }

  /** How many bytes a `bin` has; undefined where the next value is none. */
  bin(): Uint8Array | undefined {
    const size = this.format - BIN_8;
    return size >= 0 && size < 3 ? this.#take(this.#length(size)) : undefined;
  }

  /** How many elements an array has; undefined where the next value is none. */
  array(): number | undefined {
    const { format } = this;
    if (format >> 4 === 0x9) {
      this.#at++;
      return format & 0xf;
    }
    return format === ARRAY_16 || format === ARRAY_16 + 1 ? this.#length(format - ARRAY_16 + 1) : undefined;
  }

  /** Text, or null; undefined where the next value is neither. */
  text(): string | null | undefined {
    const { format } = this;
    if (format === NIL) {
      this.#at++;
      return null;
    }
    let bytes: Buffer;
    if (format >> 5 === 0x5) {
      this.#at++;
      bytes = this.#take(format & 0x1f);
    } else if (format >= STR_8 && format < STR_8 + 3) bytes = this.#take(this.#length(format - STR_8));
    else return undefined;
    // Bytes that are none would all become the same character, and with it different names the same.
    return isUtf8(bytes) ? bytes.toString() : undefined;
  }

  /** A number, as text where it has 64 bits; undefined where the next value is none. */
  number(): string | number | undefined {
    const { format } = this;
    // A small number is its own format.
    if (format < 0x80 || format >= 0xe0) return this.#bytes.readInt8(this.#at++);
    if (format === FLOAT_32) return this.#bytes.readFloatBE(this.#skip(1, 4));
    if (format === FLOAT_64) return this.#bytes.readDoubleBE(this.#skip(1, 8));
    const isSigned = format >= INT_8;
    const size = format - (isSigned ? INT_8 : UINT_8);
    if (size < 0 || size > 3) return undefined;
    const at = this.#skip(1, 1 << size);
    if (size === 3)
      return String(isSigned ? this.#bytes.readBigInt64BE(at) : this.#bytes.readBigUInt64BE(at));
    return isSigned ? this.#bytes.readIntBE(at, 1 << size) : this.#bytes.readUIntBE(at, 1 << size);
  }

  /** The length behind a format, of 1, 2 or 4 bytes. */
  #length(size: number): number {
    return this.#bytes.readUIntBE(this.#skip(1, 1 << size), 1 << size);
  }

  #take(length: number): Buffer {
    const start = this.#skip(0, length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Moves on past a value. @returns where the value begins behind its format */
  #skip(format: number, length: number): number {
    const start = this.#need(format + length) + format;
    this.#at = start + length;
    return start;
  }

  #need(length: number): number {
    if (this.left < length) throw notPacked();
    return this.#at;
  }
}

/**
 * The entries of a message, or its one `bin`.
 * @param maxEntries more are refused before they are read
 * @throws Failure `bad_body`; `bad_header` for too many entries
 */
export function readPacked(message: Uint8Array, maxEntries: number): Uint8Array | PackedEntry[] {
  const cursor = new Cursor(message);
  const value = cursor.bin() ?? readEntries(cursor, maxEntries);
  if (cursor.left > 0) throw notPacked();
  return value;
}

function readEntries(cursor: Cursor, maxEntries: number): PackedEntry[] {
  const count = cursor.array();
  if (count === undefined) {
    throw new Failure('bad_body', 'the frame must be a MessagePack bin or an array of [sid, time, bin]');
  }
  // An element has a byte at least.
  if (count > cursor.left) throw notPacked();
  if (count > maxEntries)
    throw new Failure('bad_header', `the frame has ${count} entries; at most ${maxEntries} are allowed`);
  const entries: PackedEntry[] = [];
  for (let index = 0; index < count; index++) entries.push(readEntry(cursor));
  return entries;
}

function readEntry(cursor: Cursor): PackedEntry {
  if (cursor.array() !== 3) throw noEntry();
  const sid = cursor.text();
  if (sid === undefined) throw new Failure('bad_header', 'a stream id must be a string or null');
  const text = cursor.text();
  const time = text === undefined ? cursor.number() : text;
  if (time === undefined) throw badTime();
  const payload = cursor.bin();
  if (payload === undefined) throw noEntry();
  return { sid, time, payload };
}
