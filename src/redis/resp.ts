/**
 * RESP, the protocol of Redis, for the connections that move frames: commands out, replies in.
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 *
 *     command  *3\r\n $5\r\nXREAD\r\n …      an array of bulk strings
 *     reply    +text\r\n  -error\r\n  :number\r\n  $length\r\nbytes\r\n  *count\r\n replies…
 *
 * On a connection that asked for RESP3 there are some types more, of which these come where we ask:
 *
 *     _\r\n null   %pairs\r\n map   =length\r\ntxt:text\r\n   >count\r\n a push, which answers no command
 *
 * More than 300 lines: the types of replies are known to what looks for their end and to what reads them.
 */

const CR = 13;
const LF = 10;
const MINUS = 45;
const PLUS = 43;
const COLON = 58;
const DOLLAR = 36;
const STAR = 42;
const ZERO = 48;
const UNDERSCORE = 95;
const PERCENT = 37;
const EQUALS = 61;
const GREATER = 62;

/** A read from the socket is given at least this much room. */
const READ_BYTES = 64 * 1024;
/** A buffer that grew beyond this for one large reply is let go after it, unless its owner says otherwise. */
const KEEP_BYTES = 1024 * 1024;

/** No entry id is longer: two numbers of 64 bits. */
const MOST_ID_BYTES = 41;
/** No bulk string is longer: Redis takes 512 MiB by default (proto-max-bulk-len), and so do we. */
const MAX_BULK_BYTES = 1024 * 1024 * 1024;

/** Redis closes the connection on such a reply, or ours is broken: it must not be used again. */
export class ProtocolError extends Error {}

/** A bulk string, for commands that are put together from prepared parts. */
export const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** Encodes a command; strings as UTF-8. */
export function encodeCommand(args: readonly (string | number | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [];
  // Words that stand together are encoded together: a buffer for each would cost more than all else.
  let words = `*${args.length}\r\n`;
  for (const arg of args) {
    if (typeof arg === 'object') {
      parts.push(Buffer.from(`${words}$${arg.length}\r\n`), arg);
      words = '\r\n';
    } else words += bulk(String(arg));
  }
  const last = Buffer.from(words);
  return parts.length === 0 ? last : Buffer.concat([...parts, last]);
}

/**
 * Collects what a socket receives and tells when a reply is whole.
 *
 *     bytes  | consumed | reply …          | room |
 *            0          start   scanned    filled
 *
 * Scanning resumes where it stopped, so a reply that comes in many pieces is looked at once.
 */
export class ReplyBuffer {
  readonly #keepBytes: number;
  #bytes = Buffer.allocUnsafeSlow(READ_BYTES);
  #start = 0;
  #scanned = 0;
  #filled = 0;
  /** Elements of the reply at `start` that are still to be scanned. */
  #remaining = 1;
  /** Bytes that the element being scanned needs beyond `filled`, where its length is known. */
  #missing = 0;

  constructor(keepBytes = KEEP_BYTES) {
    this.#keepBytes = keepBytes;
  }

  /** Room for the next read; call `received` with how much of it was filled. */
  room(): Uint8Array {
    const wanted = Math.max(READ_BYTES, this.#missing);
    if (this.#start === this.#filled) this.#reset(wanted);
    else if (this.#bytes.length - this.#filled < Math.min(wanted, READ_BYTES)) this.#makeRoom(wanted);
    return this.#bytes.subarray(this.#filled);
  }

  received(bytes: number): void {
    this.#filled += bytes;
  }

  /** Copies in what was received elsewhere. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const room = this.room();
      const part = bytes.subarray(at, at + room.length);
      room.set(part);
      this.received(part.length);
      at += part.length;
    }
  }

  /**
   * @returns a cursor at the next whole reply, or undefined. The cursor and every view it gives are
   *   valid until the next call of `room`. What is not read of it harms no other.
   * @throws ProtocolError
   */
  next(cursor: ReplyCursor): boolean {
    if (!this.#scan()) return false;
    cursor.place(this.#bytes, this.#start);
    this.#start = this.#scanned;
    this.#remaining = 1;
    return true;
  }

  #reset(wanted: number): void {
    this.#start = 0;
    this.#scanned = 0;
    this.#filled = 0;
    const isTooLarge = this.#bytes.length > this.#keepBytes;
    if (isTooLarge || this.#bytes.length < wanted) this.#bytes = Buffer.allocUnsafeSlow(wanted);
  }

  #makeRoom(wanted: number): void {
    const used = this.#filled - this.#start;
    // Where a bulk string's length is known, the buffer grows once, to fit it.
    const needed = used + wanted;
    const target = needed > this.#bytes.length ? Math.max(needed, used * 2) : this.#bytes.length;
    const bytes = target > this.#bytes.length ? Buffer.allocUnsafeSlow(target) : this.#bytes;
    this.#bytes.copy(bytes, 0, this.#start, this.#filled);
    this.#bytes = bytes;
    this.#scanned -= this.#start;
    this.#filled = used;
    this.#start = 0;
  }

  #scan(): boolean {
    const bytes = this.#bytes;
    const filled = this.#filled;
    this.#missing = 0;
    while (this.#remaining > 0) {
      const at = this.#scanned;
      let end = at + 1;
      while (end < filled && bytes[end] !== LF) end++;
      if (end >= filled) return false;
      const type = bytes[at]!;
      const next = end + 1;
      if (type === DOLLAR || type === EQUALS) {
        const length = parseNumber(bytes, at + 1);
        if (length > MAX_BULK_BYTES) throw new ProtocolError(`Redis sent a length of ${length} bytes`);
        const after = length < 0 ? next : next + length + 2;
        if (after > filled) {
          this.#missing = after - filled;
          return false;
        }
        this.#scanned = after;
        this.#remaining--;
      } else if (type === STAR) {
        this.#scanned = next;
        this.#remaining += Math.max(parseNumber(bytes, at + 1), 0) - 1;
      } else if (type === COLON || type === PLUS || type === MINUS || type === UNDERSCORE) {
        this.#scanned = next;
        this.#remaining--;
      } else if (type === GREATER || type === PERCENT) {
        this.#scanned = next;
        this.#remaining += parseNumber(bytes, at + 1) * (type === PERCENT ? 2 : 1) - 1;
      } else {
        throw new ProtocolError(`Redis sent a reply of unknown type ${type}`);
      }
    }
    return true;
  }
}

function parseNumber(bytes: Uint8Array, at: number): number {
  const negative = bytes[at] === MINUS;
  let position = negative ? at + 1 : at;
  let number = 0;
  for (;;) {
    const digit = bytes[position]! - ZERO;
    if (digit < 0 || digit > 9) {
      if (bytes[position] !== CR) throw new ProtocolError('Redis sent a length that is not a number');
      return negative ? -number : number;
    }
    number = number * 10 + digit;
    position++;
  }
}

/** Walks over one whole reply. Each method reads one element and moves on to the next. */
export class ReplyCursor {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  place(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where the next element begins, in bytes from the start of what was received. */
  get position(): number {
    return this.#at;
  }

  /** Whether the element is an error reply; `text` reads it. */
  get isError(): boolean {
    return this.#bytes[this.#at] === MINUS;
  }

  /** The text of the error reply that the element is, and stays before it; undefined where it is none. */
  peekError(): string | undefined {
    if (!this.isError) return undefined;
    const begin = this.#at;
    const error = this.text();
    this.#at = begin;
    return error;
  }

  /** Whether the element is an array, were it a null one. */
  get isArray(): boolean {
    return this.#bytes[this.#at] === STAR;
  }

  /** Whether the reply is a push: Redis sent it unasked. */
  get isPush(): boolean {
    return this.#bytes[this.#at] === GREATER;
  }

  /** Whether the element is a null, in whatever form. */
  get isNull(): boolean {
    const type = this.#bytes[this.#at];
    return type === UNDERSCORE || ((type === STAR || type === DOLLAR) && this.#bytes[this.#at + 1] === MINUS);
  }

  /** Reads a simple string, error, number or bulk string as text; a null as ''. */
  text(): string {
    if (this.#bytes[this.#at] === DOLLAR) {
      const length = this.#length(DOLLAR);
      if (length < 0) return '';
      const from = this.#at;
      const to = from + length;
      this.#at = to + 2;
      // An id is short ASCII, for which latin1 is the fastest decoder; anything else is UTF-8.
      const isShort = length <= MOST_ID_BYTES && isAscii(this.#bytes, from, to);
      return this.#bytes.toString(isShort ? 'latin1' : 'utf8', from, to);
    }
    const begin = this.#at + 1;
    const end = this.#bytes.indexOf(CR, begin);
    this.#at = end + 2;
    return this.#bytes.toString('utf8', begin, end);
  }

  /** Copies the bytes of a short bulk string without CR, and stays before it. @returns how many */
  copyShort(into: Uint8Array): number {
    const bytes = this.#bytes;
    let from = this.#at;
    while (bytes[from] !== LF) from++;
    from++;
    let length = 0;
    while (length < into.length && bytes[from + length] !== CR) {
      into[length] = bytes[from + length]!;
      length++;
    }
    return length;
  }

  /** Moves past the element if it is exactly `element`, as it is encoded. @returns whether it was */
  skipIf(element: Uint8Array): boolean {
    const bytes = this.#bytes;
    const from = this.#at;
    for (let index = 0; index < element.length; index++) {
      if (bytes[from + index] !== element[index]) return false;
    }
    this.#at = from + element.length;
    return true;
  }

  number(): number {
    return Number(this.text());
  }

  /** Reads a bulk string as a view; null where Redis has none. */
  bytes(): Buffer | null {
    const length = this.#length(DOLLAR);
    if (length < 0) return null;
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length + 2;
    return view;
  }

  /** Reads the head of an array, a map or a push: how many elements follow; -1 for a null. */
  array(): number {
    // XREAD answers a null bulk string or a null array where nothing came in time.
    const type = this.#bytes[this.#at];
    if (type === PERCENT) return 2 * this.#length(type);
    return this.#length(type === DOLLAR || type === GREATER ? type : STAR);
  }

  /** Goes back to where an element of this reply begins. @param position as it was there */
  moveTo(position: number): void {
    this.#at = position;
  }

  /** Moves past the element and all that it contains. */
  skip(): void {
    const type = this.#bytes[this.#at];
    if (type === STAR || type === PERCENT || type === GREATER) {
      for (let count = this.array(); count > 0; count--) this.skip();
    } else if (type === DOLLAR) this.bytes();
    else if (type === EQUALS) this.#at += this.#length(EQUALS) + 2;
    else this.text();
  }

  #length(type: number): number {
    if (this.#bytes[this.#at] !== type) {
      throw new ProtocolError(`Redis sent a reply of type ${this.#bytes[this.#at]} where ${type} belongs`);
    }
    const length = parseNumber(this.#bytes, this.#at + 1);
    let end = this.#at + 1;
    while (this.#bytes[end] !== LF) end++;
    this.#at = end + 1;
    return length;
  }
}

/** A reply of a bulk string, as if Redis had answered it. */
export function bulkReply(text: string): ReplyCursor {
  const cursor = new ReplyCursor();
  cursor.place(Buffer.from(`$${Buffer.byteLength(text)}\r\n${text}\r\n`), 0);
  return cursor;
}

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at]! > 127) return false;
  return true;
}
