/**
 * How a stream of bytes becomes entries: whole, by lines, by size, or by the pictures of an MJPEG stream.
 *
 * A splitter is given chunks as they come and tells of each entry as soon as its last byte is there.
 */
import { JpegScanner } from './jpeg-scanner.js';

export interface Splitter {
  /** The entries that end in this chunk. @throws Error where an entry is too large */
  add(chunk: Uint8Array<ArrayBuffer>): Iterable<Uint8Array<ArrayBuffer>>;
  /** What is left at the end of the input, where that is an entry, too. @throws Error where it cannot be one */
  end(): Iterable<Uint8Array<ArrayBuffer>>;
}

/** More than any gateway takes: what has no end is not to fill the memory. */
const MOST_BYTES = 1024 * 1024 * 1024;
const NEWLINE = 0x0a;
/** What each marker of a JPEG begins with. */
const MARK = 0xff;

/** The parts of an entry that has begun. */
class Parts {
  #parts: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @throws Error */
  add(part: Uint8Array<ArrayBuffer>): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > MOST_BYTES) {
      throw new Error(
        `an entry may have at most ${MOST_BYTES} bytes: divide the input by --lines, --split or --mjpeg`,
      );
    }
    this.#parts.push(part);
  }

  take(): Uint8Array<ArrayBuffer> {
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}

/** Everything is one entry, also if it is empty. */
export class Whole implements Splitter {
  readonly #parts = new Parts();

  add(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    this.#parts.add(chunk);
    return [];
  }

  end(): Uint8Array<ArrayBuffer>[] {
    return [this.#parts.take()];
  }
}

/** Each line is an entry, without its `\n`; the last one need not have any. */
export class Lines implements Splitter {
  readonly #parts = new Parts();

  *add(chunk: Uint8Array<ArrayBuffer>): Iterable<Uint8Array<ArrayBuffer>> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#parts.add(chunk.subarray(start, end));
      start = end + 1;
      yield this.#parts.take();
    }
    this.#parts.add(chunk.subarray(start));
  }

  end(): Uint8Array<ArrayBuffer>[] {
    return this.#parts.length === 0 ? [] : [this.#parts.take()];
  }
}

/** Entries of so many bytes; the last one may have fewer. */
export class Pieces implements Splitter {
  readonly #bytes: number;
  readonly #parts = new Parts();

  /** @param bytes above 0 */
  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  *add(chunk: Uint8Array<ArrayBuffer>): Iterable<Uint8Array<ArrayBuffer>> {
    let start = 0;
    while (chunk.length - start >= this.#bytes - this.#parts.length) {
      const end = start + this.#bytes - this.#parts.length;
      this.#parts.add(chunk.subarray(start, end));
      start = end;
      yield this.#parts.take();
    }
    this.#parts.add(chunk.subarray(start));
  }

  end(): Uint8Array<ArrayBuffer>[] {
    return this.#parts.length === 0 ? [] : [this.#parts.take()];
  }
}

/**
 * Each JPEG is an entry; what lies between them, as the parts' headers of multipart/x-mixed-replace, is dropped. One
 * that has lost its end mark ends where the next one begins: most decoders show it.
 */
export class Pictures implements Splitter {
  readonly #scanner = new JpegScanner();
  readonly #parts = new Parts();

  *add(chunk: Uint8Array<ArrayBuffer>): Iterable<Uint8Array<ArrayBuffer>> {
    for (const { start, end, ending } of this.#scanner.scan(chunk)) {
      // The first byte of a mark may have been the last one of the chunk before.
      if (start < 0) this.#parts.add(new Uint8Array([MARK]));
      this.#parts.add(chunk.subarray(Math.max(start, 0), end));
      if (ending === 'whole') yield this.#parts.take();
      else if (ending === 'cut') yield withoutMarks(this.#parts.take());
      else if (ending === 'headless') this.#parts.take();
    }
  }

  end(): Uint8Array<ArrayBuffer>[] {
    if (this.#parts.length > 0) {
      throw new Error('the input ends within a JPEG, which is not stored');
    }
    return [];
  }
}

/** Without the marks at its end, of which one or more may belong to what follows. */
function withoutMarks(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === MARK) end--;
  return bytes.subarray(0, end);
}
