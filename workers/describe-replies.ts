/** What Redis replies of a stream, read into its description. */
import type { AnswerBudget } from '../src/protocol/answer-budget.js';
import type { ReplyCursor } from '../src/redis/resp.js';
import { readPayload } from '../src/redis/stream-reads.js';
import type { DecodedEntry, DescribeRequest, EntryForm, StreamDescription } from './stream-description.js';

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

/** How a payload is decoded; the bytes may change once this has returned. */
export type Decode = (
  payload: Uint8Array,
  forms: readonly EntryForm[],
) => DecodedEntry | Promise<DecodedEntry>;

/** What one request is answered with, while its replies come. */
export interface Reading {
  readonly request: DescribeRequest;
  readonly budget: AnswerBudget;
  readonly decode: Decode;
  /** Entries that are being decoded elsewhere. */
  readonly decoding: Promise<void>[];
}

export function errorText(reply: string): string {
  return reply.replace(/^ERR /, '');
}

/**
 * Reads XINFO STREAM's reply, or the script's, whose entries are their ids alone.
 * @returns the bytes of the entries in it
 */
export function readInfo(reply: ReplyCursor, stream: StreamDescription, reading: Reading): number {
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
    else if (name === 'first-entry') moved += readEntry(reply, stream, 'first', reading);
    else if (name === 'last-entry') moved += readEntry(reply, stream, 'last', reading);
    else if (name === 'error') stream.error = errorText(reply.text());
    else reply.skip();
  }
  return moved;
}

/** Reads the reply of XREVRANGE to a request for one entry. @returns its bytes */
export function readNewest(reply: ReplyCursor, stream: StreamDescription, reading: Reading): number {
  if (reply.isError) {
    stream.error = errorText(reply.text());
    return 0;
  }
  return reply.array() > 0 ? readEntry(reply, stream, 'last', reading) : 0;
}

function readEntry(
  reply: ReplyCursor,
  stream: StreamDescription,
  place: 'first' | 'last',
  { request, budget, decode, decoding }: Reading,
): number {
  const forms = request[place];
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
    stream.largestBytes = Math.max(stream.largestBytes, moved);
    return moved;
  }
  const payload = readPayload(reply);
  const bytes = payload.length * forms.length;
  budget.spend(bytes);
  stream.answerBytes += bytes;
  stream.largestBytes = Math.max(stream.largestBytes, payload.length);
  const decoded = decode(payload, forms);
  if (decoded instanceof Promise) {
    decoding.push(
      decoded.then((entry) => {
        stream[place] = entry;
      }),
    );
  } else stream[place] = decoded;
  return payload.length;
}
