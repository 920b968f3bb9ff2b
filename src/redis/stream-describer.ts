/**
 * XINFO STREAM of many streams at once, taking no more from Redis than is asked for: lengths alone by
 * XLEN; all but the entries' data through a script that leaves the entries in Redis; with the data by
 * XINFO STREAM itself, whose first and last entry are decoded here.
 */
import { isUtf8 } from 'node:buffer';
import { failureFromRedis } from '../errors.js';
import { parseJsonText } from '../wire/json-text.js';
import type { CommandConnection } from './command-connection.js';
import { streamMetaKey } from './keys.js';
import { encodeCommand, type ReplyCursor } from './resp.js';
import { DESCRIBE_SCRIPT } from './scripts.js';
import { readPayload } from './stream-reads.js';

/** Forms that an entry's payload can be asked for in. */
export type EntryForm = 'data' | 'string' | 'json';

export interface DescribeRequest {
  readonly keys: readonly string[];
  /** How much of XINFO is wanted. */
  readonly info: 'none' | 'length' | 'all';
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
}

export interface DescribeResult {
  readonly streams: readonly StreamDescription[];
  /** Redis does not run scripts for us, so entries were moved that nobody asked for. */
  readonly scriptsRefused: boolean;
}

/** Keys in one call of the script, which holds up everybody else for as long as it runs. */
const KEYS_A_CALL = 100;
/** What Redis says where scripts as such are refused, be it to us or by a server that has none. */
const NO_SCRIPTS = /^(NOPERM .*'eval'|ERR unknown command)/;
const NUMBERS = new Map<string, 'length' | 'radixTreeKeys' | 'radixTreeNodes' | 'entriesAdded' | 'groups'>([
  ['length', 'length'],
  ['radix-tree-keys', 'radixTreeKeys'],
  ['radix-tree-nodes', 'radixTreeNodes'],
  ['entries-added', 'entriesAdded'],
  ['groups', 'groups'],
]);
const IDS = new Map<string, 'lastGeneratedId' | 'maxDeletedEntryId' | 'recordedFirstEntryId'>([
  ['last-generated-id', 'lastGeneratedId'],
  ['max-deleted-entry-id', 'maxDeletedEntryId'],
  ['recorded-first-entry-id', 'recordedFirstEntryId'],
]);

function emptyDescription(): StreamDescription {
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

export class StreamDescriber {
  readonly #connection: CommandConnection;
  #scriptsRefused = false;

  constructor(connection: CommandConnection) {
    this.#connection = connection;
  }

  /**
   * A description of each key, in order, all in one round trip.
   * @throws Failure where Redis does not answer or refuses it all; what it says of a single key is that
   *   key's `error`
   */
  async describe(request: DescribeRequest): Promise<DescribeResult> {
    const { keys } = request;
    const streams = keys.map(emptyDescription);
    const replies: Promise<unknown>[] = [];
    if (request.meta) replies.push(this.#readMeta(keys, streams));
    const needsEntries = request.first.length + request.last.length > 0;
    if (needsEntries || (request.info === 'all' && this.#scriptsRefused)) {
      replies.push(this.#readWhole(request, keys, streams));
    } else if (request.info === 'all') {
      for (let from = 0; from < keys.length; from += KEYS_A_CALL) {
        const to = from + KEYS_A_CALL;
        replies.push(this.#readStripped(request, keys.slice(from, to), streams.slice(from, to)));
      }
    } else if (request.info === 'length') {
      replies.push(this.#readLengths(keys, streams));
    }
    await Promise.all(replies);
    return { streams, scriptsRefused: this.#scriptsRefused };
  }

  #readMeta(keys: readonly string[], streams: readonly StreamDescription[]): Promise<void> {
    if (keys.length === 0) return Promise.resolve();
    return this.#connection.send(encodeCommand(['MGET', ...keys.map(streamMetaKey)]), (reply) => {
      if (reply.isError) throw failureFromRedis(reply.text());
      const count = reply.array();
      for (let index = 0; index < count; index++) streams[index]!.meta = reply.bytes()?.toString() ?? null;
    });
  }

  #readLengths(keys: readonly string[], streams: readonly StreamDescription[]): Promise<unknown> {
    const replies = keys.map((key, index) =>
      this.#connection.send(encodeCommand(['XLEN', key]), (reply) => {
        if (reply.isError) streams[index]!.error = errorText(reply.text());
        else streams[index]!.length = reply.number();
      }),
    );
    return Promise.all(replies);
  }

  #readWhole(
    request: DescribeRequest,
    keys: readonly string[],
    streams: readonly StreamDescription[],
  ): Promise<unknown> {
    const replies = keys.map((key, index) =>
      this.#connection.send(encodeCommand(['XINFO', 'STREAM', key]), (reply) =>
        readInfo(reply, streams[index]!, request),
      ),
    );
    return Promise.all(replies);
  }

  async #readStripped(
    request: DescribeRequest,
    keys: readonly string[],
    streams: readonly StreamDescription[],
  ): Promise<void> {
    const command = encodeCommand(['EVAL', DESCRIBE_SCRIPT, keys.length, ...keys]);
    const refusal = await this.#connection.send(command, (reply) => {
      if (reply.isError) return reply.text();
      const count = reply.array();
      for (let index = 0; index < count; index++) readInfo(reply, streams[index]!, request);
      return undefined;
    });
    if (refusal === undefined) return;
    if (NO_SCRIPTS.test(refusal)) this.#scriptsRefused = true;
    // A key that one may not read is refused by itself when asked for by itself.
    else if (!refusal.startsWith('NOPERM')) throw failureFromRedis(refusal);
    await this.#readWhole(request, keys, streams);
  }
}

function errorText(reply: string): string {
  return reply.replace(/^ERR /, '');
}

/** Reads XINFO STREAM's reply, or the script's, whose entries are their ids alone. */
function readInfo(reply: ReplyCursor, stream: StreamDescription, request: DescribeRequest): void {
  if (reply.isError) {
    stream.error = errorText(reply.text());
    return;
  }
  const fields = reply.array() / 2;
  for (let field = 0; field < fields; field++) {
    const name = reply.text();
    const number = NUMBERS.get(name);
    const id = IDS.get(name);
    if (number !== undefined) stream[number] = reply.number();
    else if (id !== undefined) stream[id] = reply.text();
    else if (name === 'first-entry') readEntry(reply, stream, 'first', request.first);
    else if (name === 'last-entry') readEntry(reply, stream, 'last', request.last);
    else if (name === 'error') stream.error = errorText(reply.text());
    else reply.skip();
  }
}

function readEntry(
  reply: ReplyCursor,
  stream: StreamDescription,
  place: 'first' | 'last',
  forms: readonly EntryForm[],
): void {
  // The script gives the id alone, and a stream without entries a null.
  if (!reply.isArray) {
    stream[`${place}EntryId`] = reply.text();
    return;
  }
  if (reply.array() < 0) return;
  stream[`${place}EntryId`] = reply.text();
  if (forms.length === 0) reply.skip();
  else stream[place] = decodeEntry(readPayload(reply), forms);
}
