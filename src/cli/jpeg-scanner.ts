/**
 * Finds where JPEGs begin and end in a stream of bytes that comes in chunks.
 *
 *   FF D8 │ FF E1 len … │ FF DB len … │ … │ FF DA len … coded bytes … │ FF D9
 *   SOI     segments, skipped by length     SOS                        EOI
 *
 * A picture within a segment, as the thumbnail of Exif, is so not taken for one of its own. Among coded bytes
 * FF 00 is a byte FF, and FF D0 to D7 restart the decoder. Source: ITU-T T.81, annex B.
 *
 * A camera that drops bytes also drops end marks: outside segments, another SOI begins the next picture.
 */

/** Where a JPEG's bytes lie in a chunk; a start of -1: from the last byte of the chunk before. */
export interface Span {
  readonly start: number;
  readonly end: number;
  /**
   * `whole`: it ends here, with its end mark; `cut`: the next one begins before its end mark; `headless`: the same,
   * before any of its coded bytes, so that nobody can show it; `open`: it goes on in the next chunk.
   */
  readonly ending: 'whole' | 'cut' | 'headless' | 'open';
}

const MARK = 0xff;
const STUFFED = 0x00;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;

/** Markers without a length: restarts, TEM. */
const isBare = (marker: number) => (marker >= 0xd0 && marker <= 0xd7) || marker === 0x01;

/** What the next byte is. */
type State =
  | 'outside'
  | 'begin'
  | 'mark'
  | 'marker'
  | 'length-high'
  | 'length-low'
  | 'segment'
  | 'coded'
  | 'coded-mark';

export class JpegScanner {
  #state: State = 'outside';
  /** The segment that is being read is followed by coded bytes. */
  #isScan = false;
  /** The picture that is being read has had coded bytes. */
  #hasScan = false;
  #length = 0;
  /** A picture has just begun within another. */
  #isInterrupted = false;

  *scan(chunk: Uint8Array): Iterable<Span> {
    // In a JPEG that began in an earlier chunk its bytes go on here.
    let start = this.#state === 'begin' ? -1 : 0;
    for (let at = 0; at < chunk.length; ) {
      const before = this.#state;
      const next = this.#step(chunk, at);
      // Of several marks the last one begins it.
      if (this.#state === 'begin') start = next - 1;
      if (this.#isInterrupted) {
        this.#isInterrupted = false;
        // Its mark may be the last byte of the chunk before.
        yield { start, end: Math.max(next - 2, 0), ending: this.#hasScan ? 'cut' : 'headless' };
        start = next - 2;
        this.#hasScan = false;
      }
      if (before !== 'outside' && before !== 'begin' && this.#state === 'outside') {
        yield { start, end: next, ending: 'whole' };
      }
      at = next;
    }
    const isInside = this.#state !== 'outside' && this.#state !== 'begin';
    if (isInside) yield { start, end: chunk.length, ending: 'open' };
  }

  /** Takes what stands at `at`. @returns where to go on */
  #step(chunk: Uint8Array, at: number): number {
    const byte = chunk[at]!;
    switch (this.#state) {
      case 'outside':
        return this.#seekMark(chunk, at, 'begin');
      case 'begin':
        if (byte !== MARK) this.#state = byte === SOI ? 'mark' : 'outside';
        this.#hasScan = false;
        return at + 1;
      case 'mark':
        // Anything else than a mark is a broken file: the next one is looked for.
        this.#state = byte === MARK ? 'marker' : 'mark';
        return at + 1;
      case 'marker':
        this.#enter(byte);
        return at + 1;
      case 'length-high':
        this.#length = byte << 8;
        this.#state = 'length-low';
        return at + 1;
      case 'length-low':
        // It counts its own two bytes.
        this.#length = Math.max(this.#length + byte - 2, 0);
        this.#state = 'segment';
        return at + 1;
      case 'segment':
        return this.#skip(chunk, at);
      case 'coded':
        return this.#seekMark(chunk, at, 'coded-mark');
      case 'coded-mark':
        if (byte === STUFFED || isBare(byte)) this.#state = 'coded';
        else this.#enter(byte);
        return at + 1;
    }
  }

  #seekMark(chunk: Uint8Array, at: number, found: State): number {
    const mark = chunk.indexOf(MARK, at);
    if (mark < 0) return chunk.length;
    this.#state = found;
    return mark + 1;
  }

  #enter(marker: number): void {
    // Marks may be filled up with more of the same.
    if (marker === MARK) return;
    this.#isScan = marker === SOS;
    this.#isInterrupted = marker === SOI;
    if (marker === EOI) this.#state = 'outside';
    else if (marker === SOI || isBare(marker)) this.#state = 'mark';
    else this.#state = 'length-high';
  }

  #skip(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#length, chunk.length - at);
    this.#length -= taken;
    if (this.#length > 0) return at + taken;
    this.#state = this.#isScan ? 'coded' : 'mark';
    if (this.#isScan) this.#hasScan = true;
    return at + taken;
  }
}
