/** What a request may ask for: bounds that no honest client meets. */
import { type DocumentNode, GraphQLError, parse } from 'graphql';
import { Failure } from '../protocol/errors.js';
import { holdsAtMost } from '../protocol/json-bounds.js';

/** Largest request, in bytes of JSON. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
const MAX_TOKENS = 2000;
/** Each error has its line and column, and graphql-js counts them from the document's start. */
const MAX_LINES = 5000;
const LINE_END = /\r\n|[\r\n]/g;
/** Metadata may nest so deep, and lies in the request's variables. */
const MAX_JSON_LEVELS = 1010;
/** Commas and brackets of a request: what its bytes may cost to parse and to copy. */
const MAX_JSON_MARKS = 100_000;
/** Streams and devices that a request names, in all its lists and under all its aliases: two commands each. */
const MAX_NAMED = 2048;
/** Of a device's streams that are asked for one by one, for each of the devices listed. */
const MAX_SINGLE_STREAMS = 32_768;
/** Every key is compared with it. */
const MAX_MATCH_LENGTH = 1024;

/** The JSON of a request, before it is parsed. @throws Failure `payload_too_large` */
export function checkRequestText(text: string): void {
  if (holdsAtMost(text, MAX_JSON_LEVELS, MAX_JSON_MARKS)) return;
  throw new Failure('payload_too_large', 'the request nests too deep or has too many elements');
}

/** What keys of a listing must begin with and fit. @throws Failure `bad_parameter` */
export function checkMatch(match: string | null | undefined, prefix: string): void {
  for (const [name, text] of Object.entries({ match: match ?? '', prefix })) {
    if (text.length <= MAX_MATCH_LENGTH) continue;
    throw new Failure('bad_parameter', `${name} may have at most ${MAX_MATCH_LENGTH} characters`);
  }
}

/** What one request names. */
export class NameBudget {
  #named = 0;
  #single = 0;

  /** Ids of a list, or one. @throws Failure `bad_parameter` */
  name(ids: number): void {
    this.#named += ids;
    if (this.#named <= MAX_NAMED) return;
    throw new Failure('bad_parameter', `a request may name at most ${MAX_NAMED} streams and devices`);
  }

  /** A stream of a device. @throws Failure `bad_parameter` */
  nameSingle(): void {
    if (++this.#single <= MAX_SINGLE_STREAMS) return;
    const limit = `a request may ask for at most ${MAX_SINGLE_STREAMS} streams of devices one by one`;
    throw new Failure('bad_parameter', limit);
  }
}

/** Parses a document of a bounded number of tokens and lines. @throws GraphQLError */
export function parseBounded(text: string): DocumentNode {
  if (hasMoreLines(text, MAX_LINES)) {
    throw new GraphQLError(`a document may have at most ${MAX_LINES} lines`);
  }
  try {
    return parse(text, { maxTokens: MAX_TOKENS });
  } catch (error) {
    // The parser calls itself for each level, and so many tokens may be as many levels.
    throw error instanceof RangeError ? new GraphQLError('the document nests too deep') : error;
  }
}

function hasMoreLines(text: string, most: number): boolean {
  let lines = 1;
  for (const _ of text.matchAll(LINE_END)) if (++lines > most) return true;
  return false;
}
