/**
 * What a producer sends over a WebSocket (docs/protocol.md, WebSocket push), as the entries it stands for.
 *
 * JSON header, then one binary payload:
 *
 *     [end, …]                 one stream, or one entry for each id of the path
 *     [[sid, end], …]          each entry names its stream
 *     [[sid, time, end], …]    … and its time
 *     []                       the payload is one entry
 *
 *     payload  | entry 0 | entry 1 | … |
 *              0       end0      end1  payload.length
 *
 * Where the first number is 0 they are starts instead. MessagePack: an array of `[sid, time, bin]`, or
 * a single `bin`. Entries always cover the payload exactly.
 */

import { entryTime, parseEntryId } from './entry-id.js';
import { Failure } from './errors.js';
import { holdsAtMost } from './json-bounds.js';
import { readPacked } from './packed-entries.js';
import { NAMED_BY_ENTRY } from './parameters.js';

/** Bounds the JSON parsing that one frame can cause on the main thread. */
export const MAX_HEADER_BYTES = 1024 * 1024;
/** What takes the main thread some 25 ms to store. */
const MAX_ENTRIES = 16_384;
/** A list of `[sid, time, offset]`. */
const MAX_HEADER_LEVELS = 2;
/** For each entry its own brackets and two commas, and the comma after it. */
const MAX_HEADER_MARKS = 4 * MAX_ENTRIES;

/** XADD's word for "the server's clock". */
export const AUTO_ID = '*';

/** One entry to store; `payload` is a view, valid as long as the message that it came in. */
export interface PushEntry {
  readonly sid: string;
  /** The id as XADD takes it: `*`, `ms-*` or `ms-seq`. */
  readonly id: string;
  readonly payload: Uint8Array;
}

/** What decides whether an entry is taken, besides its own bytes. */
export interface PushRules {
  /** The stream ids of the path. */
  readonly sids: readonly string[];
  /** The latest time in ms that an entry may claim. */
  readonly latestTime: number;
}

interface HeaderEntry {
  readonly sid: string;
  readonly id: string;
  readonly offset: number;
}

const badHeader = (message: string) => new Failure('bad_header', message);

/** A JSON value for a message: objects are not written out, which may be large. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 64 ? `${value.slice(0, 64)}…` : value}'`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** The stream of an entry that names none: that of the path, if that is one. */
function soleStream(rules: PushRules): string {
  if (rules.sids.length !== 1 || rules.sids[0] === NAMED_BY_ENTRY) {
    throw badHeader('an entry must name its stream, unless the path names exactly one');
  }
  return rules.sids[0]!;
}

function entrySid(value: unknown, rules: PushRules): string {
  if (value === null) return soleStream(rules);
  if (typeof value !== 'string') throw badHeader(`a stream id must be a string or null, not ${shown(value)}`);
  return value;
}

/**
 * The id for XADD that an entry's time stands for.
 * @throws Failure `bad_header`, `time_in_future`
 */
export function entryId(time: unknown, rules: PushRules): string {
  if (time === null || time === undefined) return AUTO_ID;
  // An empty text is no id either.
  const text = typeof time === 'string' ? time : Number.isSafeInteger(time) ? String(time) : '';
  const id = parseEntryId(text);
  if (id === undefined) {
    throw badHeader(`an entry's time must be null, whole milliseconds or ms-seq, not ${shown(time)}`);
  }
  if (entryTime(id) > rules.latestTime) {
    throw new Failure(
      'time_in_future',
      `the time ${text} is more than MAX_FUTURE_MS ahead of the gateway's clock; the latest allowed is ${rules.latestTime}`,
    );
  }
  return text.includes('-') ? id : `${id.slice(0, id.indexOf('-'))}-*`;
}

function headerOffset(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw badHeader(`an offset must be a whole number of bytes from 0, not ${shown(value)}`);
  }
  return value;
}

function headerEntry(item: unknown, index: number, total: number, rules: PushRules): HeaderEntry {
  if (typeof item === 'number') {
    if (rules.sids.length === 1) return { sid: soleStream(rules), id: AUTO_ID, offset: headerOffset(item) };
    if (rules.sids.length !== total) {
      throw badHeader(
        `the header must have one offset for each of ${rules.sids.length} streams, not ${total}`,
      );
    }
    return { sid: rules.sids[index]!, id: AUTO_ID, offset: headerOffset(item) };
  }
  if (!Array.isArray(item) || item.length < 2 || item.length > 3) {
    throw badHeader('a header element must be an offset, [sid, offset] or [sid, time, offset]');
  }
  return {
    sid: entrySid(item[0], rules),
    id: item.length === 3 ? entryId(item[1], rules) : AUTO_ID,
    offset: headerOffset(item.at(-1)),
  };
}

/** How many acks a message of this header's shape is owed, if it is refused whole. */
export function countEntries(header: string): number {
  if (!isWithinBounds(header)) return 1;
  try {
    const parsed: unknown = JSON.parse(header);
    return Array.isArray(parsed) ? Math.min(Math.max(parsed.length, 1), MAX_ENTRIES) : 1;
  } catch {
    return 1;
  }
}

/** Whether parsing it takes no longer than a header may take. */
function isWithinBounds(header: string): boolean {
  return header.length <= MAX_HEADER_BYTES && holdsAtMost(header, MAX_HEADER_LEVELS, MAX_HEADER_MARKS);
}

function parseHeader(header: string, rules: PushRules): HeaderEntry[] {
  if (header.length > MAX_HEADER_BYTES)
    throw badHeader(`the header may have at most ${MAX_HEADER_BYTES} bytes`);
  if (!isWithinBounds(header))
    throw badHeader(`the header may have at most ${MAX_ENTRIES} entries, none of which nests deeper`);
  let items: unknown;
  try {
    items = JSON.parse(header);
  } catch {
    throw badHeader('the header does not parse as JSON');
  }
  if (!Array.isArray(items)) throw badHeader(`the header must be a JSON array, not ${shown(items)}`);
  if (items.length > MAX_ENTRIES)
    throw badHeader(`the header has ${items.length} entries; at most ${MAX_ENTRIES} are allowed`);
  return items.map((item, index) => headerEntry(item, index, items.length, rules));
}

/**
 * The entries of a payload under its JSON header.
 * @throws Failure `bad_header` where the header is malformed or does not cover the payload exactly;
 *   `time_in_future`
 */
export function splitPayload(header: string, payload: Uint8Array, rules: PushRules): PushEntry[] {
  const entries = parseHeader(header, rules);
  if (entries.length === 0) return [{ sid: soleStream(rules), id: AUTO_ID, payload }];
  const areStarts = entries[0]!.offset === 0;
  if (!areStarts && entries.at(-1)!.offset !== payload.length) {
    const last = entries.at(-1)!.offset;
    throw badHeader(`the last offset must be the payload's length, ${payload.length} bytes, not ${last}`);
  }
  let start = 0;
  return entries.map(({ sid, id, offset }, index) => {
    const end = areStarts ? (entries[index + 1]?.offset ?? payload.length) : offset;
    if (end < start) throw badHeader(`offsets must not go backwards, but ${end} comes after ${start}`);
    if (end > payload.length)
      throw badHeader(`an offset must be at most the payload's length, ${payload.length} bytes, not ${end}`);
    const entry = { sid, id, payload: payload.subarray(start, end) };
    start = end;
    return entry;
  });
}

/**
 * The entries of a `header=msgpack` message.
 * @throws Failure `bad_body` where it does not parse; `bad_header`, `time_in_future` for its entries
 */
export function unpackEntries(message: Uint8Array, rules: PushRules): PushEntry[] {
  const packed = readPacked(message, MAX_ENTRIES);
  if (packed instanceof Uint8Array) return [{ sid: soleStream(rules), id: AUTO_ID, payload: packed }];
  return packed.map(({ sid, time, payload }) => ({
    sid: sid ?? soleStream(rules),
    id: entryId(time, rules),
    payload,
  }));
}
