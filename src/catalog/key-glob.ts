/**
 * Redis' globs for keys, matched here in linear time.
 *
 * Redis itself tries each `*` against the rest of the key, so that one pattern with many of them holds it up for
 * seconds, and longer in older versions. So Redis only ever gets a literal prefix, and the pattern is matched
 * against the keys that come. As in Redis a pattern is bytes: `?` is one byte of UTF-8.
 *
 *     pattern   start * middle * … * end
 *
 * What is between two stars is looked for in order, each as early as possible: a later place could do no better.
 * Source: `stringmatchlen` in https://github.com/redis/redis/blob/7.0.15/src/util.c
 */
import { isUtf8 } from 'node:buffer';
import { Failure } from '../protocol/errors.js';

/** One bit of a 32-bit number for each byte of a part that is looked for. */
const MAX_SOUGHT = 31;

const ANY = '*'.charCodeAt(0);
const ONE = '?'.charCodeAt(0);
const OPEN = '['.charCodeAt(0);
const CLOSE = ']'.charCodeAt(0);
const NOT = '^'.charCodeAt(0);
const DASH = '-'.charCodeAt(0);
const ESCAPE = '\\'.charCodeAt(0);

/** A byte, or those that may stand in its place. */
type Token = number | Uint8Array;

export class KeyGlob {
  /** All matching keys begin with it. */
  readonly literalStart: string;
  readonly #start: readonly Token[];
  /** undefined: there is no star, and a key must end where the start ends. */
  readonly #end: readonly Token[] | undefined;
  readonly #middle: readonly Sought[];

  /** @throws Failure `bad_parameter` for a part that cannot be looked for in linear time */
  constructor(pattern: string) {
    const parts = parseParts(Buffer.from(pattern));
    this.#start = parts[0]!;
    this.#end = parts.length > 1 ? parts.at(-1) : undefined;
    this.#middle = parts
      .slice(1, -1)
      .filter((part) => part.length > 0)
      .map((part) => new Sought(part));
    this.literalStart = literalStart(this.#start);
  }

  matches(key: string): boolean {
    const bytes = bytesOf(key);
    const last = this.#end === undefined ? bytes.length : bytes.length - this.#end.length;
    if (this.#end === undefined ? bytes.length !== this.#start.length : last < this.#start.length)
      return false;
    if (!fitsAt(this.#start, bytes, 0)) return false;
    if (this.#end !== undefined && !fitsAt(this.#end, bytes, last)) return false;
    let at = this.#start.length;
    for (const part of this.#middle) {
      at = part.endIn(bytes, at);
      if (at < 0 || at > last) return false;
    }
    return true;
  }
}

/** A key's bytes, one in each character. */
function bytesOf(key: string): string {
  for (let at = 0; at < key.length; at++) {
    if (key.charCodeAt(at) > 0x7f) return Buffer.from(key).toString('latin1');
  }
  return key;
}

const fits = (token: Token, byte: number) => (typeof token === 'number' ? token === byte : token[byte] === 1);

function fitsAt(tokens: readonly Token[], bytes: string, at: number): boolean {
  return tokens.every((token, index) => fits(token, bytes.charCodeAt(at + index)));
}

/** A part between two stars. */
class Sought {
  readonly #text: string | undefined;
  /** Which tokens each byte fits, a bit for each; for a part that is not plain text. */
  readonly #fitting = new Int32Array(256);
  readonly #lastBit: number;

  constructor(part: readonly Token[]) {
    this.#lastBit = 1 << (part.length - 1);
    if (part.every((token) => typeof token === 'number')) {
      this.#text = String.fromCharCode(...part);
      return;
    }
    if (part.length > MAX_SOUGHT) {
      throw new Failure(
        'bad_parameter',
        `match: between two '*' a part with '?' or '[…]' may have at most ${MAX_SOUGHT} characters, not ${part.length}`,
      );
    }
    part.forEach((token, index) => {
      for (let byte = 0; byte < 256; byte++) if (fits(token, byte)) this.#fitting[byte]! |= 1 << index;
    });
  }

  /** Where the part ends that begins first at or behind `from`; -1 where there is none. */
  endIn(bytes: string, from: number): number {
    if (this.#text !== undefined) {
      const found = bytes.indexOf(this.#text, from);
      return found < 0 ? -1 : found + this.#text.length;
    }
    // Bit n: the bytes up to here fit the first n + 1 tokens. Source: Baeza-Yates and Gonnet, 1992
    let state = 0;
    for (let at = from; at < bytes.length; at++) {
      state = ((state << 1) | 1) & this.#fitting[bytes.charCodeAt(at)]!;
      if ((state & this.#lastBit) !== 0) return at + 1;
    }
    return -1;
  }
}

function literalStart(tokens: readonly Token[]): string {
  const end = tokens.findIndex((token) => typeof token !== 'number');
  const bytes = Buffer.from((end < 0 ? tokens : tokens.slice(0, end)) as number[]);
  // A class may stand for a part of a character.
  let length = bytes.length;
  while (length > 0 && !isUtf8(bytes.subarray(0, length))) length--;
  return bytes.subarray(0, length).toString();
}

/** The tokens before, between and behind the stars. */
function parseParts(pattern: Buffer): Token[][] {
  const parts: Token[][] = [[]];
  for (let at = 0; at < pattern.length; ) {
    const byte = pattern[at]!;
    const part = parts.at(-1)!;
    if (byte === ANY) {
      parts.push([]);
      at++;
    } else if (byte === ONE) {
      part.push(new Uint8Array(256).fill(1));
      at++;
    } else if (byte === OPEN) {
      const { fitting, next } = parseClass(pattern, at + 1);
      part.push(fitting);
      at = next;
    } else {
      const isEscape = byte === ESCAPE && at + 1 < pattern.length;
      part.push(isEscape ? pattern[at + 1]! : byte);
      at += isEscape ? 2 : 1;
    }
  }
  return parts;
}

/** A class from behind its bracket on; one without an end goes on to the pattern's. */
function parseClass(pattern: Buffer, start: number): { fitting: Uint8Array; next: number } {
  const isNegated = pattern[start] === NOT;
  const fitting = new Uint8Array(256);
  let at = isNegated ? start + 1 : start;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    const left = pattern.length - at;
    if (pattern[at] === ESCAPE && left >= 2) {
      fitting[pattern[at + 1]!] = 1;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] === DASH) {
      const [one, other] = [pattern[at]!, pattern[at + 2]!];
      fitting.fill(1, Math.min(one, other), Math.max(one, other) + 1);
      at += 3;
    } else {
      fitting[pattern[at]!] = 1;
      at++;
    }
  }
  return { fitting: isNegated ? fitting.map((bit) => 1 - bit) : fitting, next: at + 1 };
}
