/**
 * XINFO STREAM of many streams at once, taking no more from Redis than is asked for: lengths alone by
 * XLEN; all but the entries' data through a script that leaves the entries in Redis; with the data by
 * XINFO STREAM itself, whose first and last entry are decoded here, of as many streams at a time as make
 * up a few megabytes.
 */
import { isUtf8 } from 'node:buffer';
import { AnswerBudget } from '../src/protocol/answer-budget.js';
import { parseJsonText } from '../src/protocol/json-text.js';
import type { CommandConnection } from '../src/redis/command-connection.js';
import { failureFromRedis } from '../src/redis/error-replies.js';
import { streamMetaKey } from '../src/redis/keys.js';
import { encodeCommand, type ReplyCursor } from '../src/redis/resp.js';
import { DESCRIBE_SCRIPT, NO_SCRIPTS } from '../src/redis/scripts.js';
import { readPayload } from '../src/redis/stream-reads.js';

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
  /** What of this an answer holds: its metadata, and its entries in each form asked for. */
  answerBytes: number;
}

export interface DescribeResult {
  readonly streams: readonly StreamDescription[];
  /** Redis does not run scripts for us, so entries were moved that nobody asked for. */
  readonly scriptsRefused: boolean;
}

/** Keys in one call of the script, which holds up everybody else for as long as it runs. */
const KEYS_A_CALL = 100;
/** Keys in the first round trip for entries, whose size nobody knows then; later ones follow what came. */
const FIRST_KEYS = 4;
/** What Redis may hold for us at a time, and we for the answer. */
const TRIP_BYTES = 8 * 1024 * 1024;
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
  readonly #connection: Pick<CommandConnection, 'send'>;
  #scriptsRefused = false;

  constructor(connection: Pick<CommandConnection, 'send'>) {
    this.#connection = connection;
  }

  /**
   * A description of each key, in order.
   * @throws Failure where Redis does not answer or refuses it all, what it says of a single key being that
   *   key's `error`; `payload_too_large`
   */
  async describe(request: DescribeRequest): Promise<DescribeResult> {
    const { keys } = request;
    const streams = keys.map(emptyDescription);
    const budget = new AnswerBudget();
    const replies: Promise<unknown>[] = [];
    if (request.meta) replies.push(this.#readMeta(keys, streams, budget));
    const needsEntries = request.first.length + request.last.length > 0;
    if (needsEntries || (request.info === 'all' && this.#scriptsRefused)) {
      replies.push(this.#readWhole(request, keys, streams, budget));
    } else if (request.info === 'all') {
      for (let from = 0; from < keys.length; from += KEYS_A_CALL) {
        const to = from + KEYS_A_CALL;
        replies.push(this.#readStripped(request, keys.slice(from, to), streams.slice(from, to), budget));
      }
    } else if (request.info === 'length') {
      replies.push(this.#readLengths(keys, streams));
    }
    await Promise.all(replies);
    return { streams, scriptsRefused: this.#scriptsRefused };
  }

  async #readMeta(
    keys: readonly string[],
    streams: readonly StreamDescription[],
    budget: AnswerBudget,
  ): Promise<void> {
    for (let from = 0; from < keys.length; from += KEYS_A_CALL) {
      const command = encodeCommand(['MGET', ...keys.slice(from, from + KEYS_A_CALL).map(streamMetaKey)]);
      await this.#connection.send(command, (reply) => {
        if (reply.isError) throw failureFromRedis(reply.text());
        const end = from + reply.array();
        for (let index = from; index < end; index++) {
          const stream = streams[index]!;
          const bytes = reply.bytes();
          stream.meta = bytes?.toString() ?? null;
          stream.answerBytes += bytes?.length ?? 0;
          budget.spend(bytes?.length ?? 0);
        }
      });
    }
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

  async #readWhole(
    request: DescribeRequest,
    keys: readonly string[],
    streams: readonly StreamDescription[],
    budget: AnswerBudget,
  ): Promise<void> {
    let count = FIRST_KEYS;
    for (let from = 0; from < keys.length; ) {
      const trip = keys.slice(from, from + count);
      let moved = 0;
      await Promise.all(
        trip.map((key, index) =>
          this.#connection.send(encodeCommand(['XINFO', 'STREAM', key]), (reply) => {
            moved += readInfo(reply, streams[from + index]!, request, budget);
          }),
        ),
      );
      from += trip.length;
      const fitting = Math.floor((TRIP_BYTES * trip.length) / moved);
      count = Math.max(1, Math.min(count * 4, fitting));
    }
  }

  async #readStripped(
    request: DescribeRequest,
    keys: readonly string[],
    streams: readonly StreamDescription[],
    budget: AnswerBudget,
  ): Promise<void> {
    const command = encodeCommand(['EVAL', DESCRIBE_SCRIPT, keys.length, ...keys]);
    const refusal = await this.#connection.send(command, (reply) => {
      if (reply.isError) return reply.text();
      const count = reply.array();
      for (let index = 0; index < count; index++) readInfo(reply, streams[index]!, request, budget);
      return undefined;
    });
    if (refusal === undefined) return;
    if (NO_SCRIPTS.test(refusal)) this.#scriptsRefused = true;
    // A key that one may not read is refused by itself when asked for by itself.
    else if (!refusal.startsWith('NOPERM')) throw failureFromRedis(refusal);
    await this.#readWhole(request, keys, streams, budget);
  }
}

function errorText(reply: string): string {
  return reply.replace(/^ERR /, '');
}

/**
 * Reads XINFO STREAM's reply, or the script's, whose entries are their ids alone.
 * @returns the bytes of the entries in it
 */
function readInfo(
  reply: ReplyCursor,
  stream: StreamDescription,
  request: DescribeRequest,
  budget: AnswerBudget,
): number {
  if (reply.isError) {
    stream.error = errorText(reply.text());
    return 0;
  }
  let moved = 0;
  const fields = reply.array() / 2;
  for (let field = 0; field < fields; field++) {
    const name = reply.text();
    const number = NUMBERS.get(name);
    const id = IDS.get(name);
    if (number !== undefined) stream[number] = reply.number();
    else if (id !== undefined) stream[id] = reply.text();
    else if (name === 'first-entry') moved += readEntry(reply, stream, 'first', request.first, budget);
    else if (name === 'last-entry') moved += readEntry(reply, stream, 'last', request.last, budget);
    else if (name === 'error') stream.error = errorText(reply.text());
    else reply.skip();
  }
  return moved;
}

function readEntry(
  reply: ReplyCursor,
  stream: StreamDescription,
  place: 'first' | 'last',
  forms: readonly EntryForm[],
  budget: AnswerBudget,
): number {
  // The script gives the id alone, and a stream without entries a null.
  if (!reply.isArray) {
    stream[`${place}EntryId`] = reply.text();
    return 0;
  }
  if (reply.array() < 0) return 0;
  stream[`${place}EntryId`] = reply.text();
  if (forms.length === 0) {
    let moved = 0;
    for (let count = reply.array(); count > 0; count--) moved += reply.bytes()?.length ?? 0;
    return moved;
  }
  const payload = readPayload(reply);
  const bytes = payload.length * forms.length;
  budget.spend(bytes);
  stream.answerBytes += bytes;
  stream[place] = decodeEntry(payload, forms);
  return payload.length;
}
