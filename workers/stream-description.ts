/** What is asked of streams, and what is told of them. */
import { isUtf8 } from 'node:buffer';
import { parseJsonText } from '../src/protocol/json-text.js';

/** Forms that an entry's payload can be asked for in. */
export type EntryForm = 'data' | 'string' | 'json';

export interface DescribeRequest {
  readonly keys: readonly string[];
  /** How much of XINFO is wanted; `newest`: the last entry and its id; `newest-id`: the length and the last entry's id. */
  readonly info: 'none' | 'length' | 'newest' | 'newest-id' | 'all';
  readonly first: readonly EntryForm[];
  readonly last: readonly EntryForm[];
  readonly meta: boolean;
}

export interface DecodedEntry {
  /** Base64. */
  data?: string;
  /** null where the bytes are not UTF-8. */
  string?: string | null;
  /** The JSON's value; null where it does not parse. */
  json?: unknown;
}

export interface StreamDescription {
  length: number;
  radixTreeKeys: number;
  radixTreeNodes: number;
  lastGeneratedId: string;
  maxDeletedEntryId: string;
  entriesAdded: number;
  recordedFirstEntryId: string;
  groups: number;
  firstEntryId: string;
  lastEntryId: string;
  /** undefined where the stream has no entries or none was asked for. */
  first: DecodedEntry | undefined;
  last: DecodedEntry | undefined;
  /** Redis' message without its `ERR `; '' where there is none. */
  error: string;
  /** The metadata's text; null where there is none. */
  meta: string | null;
  /** What of this an answer holds: its metadata, and its entries in each form asked for. */
  answerBytes: number;
  /** The largest part that Redis sent for it: an entry or its metadata. */
  largestBytes: number;
}

/** Of a stream of which nothing is known. */
export function emptyDescription(): StreamDescription {
  return {
    length: 0,
    radixTreeKeys: 0,
    radixTreeNodes: 0,
    lastGeneratedId: '',
    maxDeletedEntryId: '',
    entriesAdded: 0,
    recordedFirstEntryId: '',
    groups: 0,
    firstEntryId: '',
    lastEntryId: '',
    first: undefined,
    last: undefined,
    error: '',
    meta: null,
    answerBytes: 0,
    largestBytes: 0,
  };
}

/** Decodes a payload into the forms asked for. JSON that does not parse is null, as text that is not UTF-8. */
export function decodeEntry(payload: Uint8Array, forms: readonly EntryForm[]): DecodedEntry {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const decoded: DecodedEntry = {};
  if (forms.includes('data')) decoded.data = bytes.toString('base64');
  const isText = forms.length > (forms.includes('data') ? 1 : 0) && isUtf8(bytes);
  const text = isText ? bytes.toString() : null;
  if (forms.includes('string')) decoded.string = text;
  if (forms.includes('json')) decoded.json = text === null ? null : parseJsonText(text);
  return decoded;
}
