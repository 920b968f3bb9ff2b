/** A Stream as GraphQL answers it: its description under the schema's names. */
import type { StreamDescription } from '../redis/stream-describer.js';
import { decodeMetadata } from '../streams/metadata.js';
import { entryTime } from '../wire/entry-id.js';

/** Dates beyond this cannot be told in ISO 8601 by JavaScript. */
const MAX_DATE_MS = 8.64e15;

function isoTime(id: string): string {
  if (id === '') return '';
  const ms = entryTime(id);
  return ms <= MAX_DATE_MS ? new Date(ms).toISOString() : '';
}

/** What a stream without entries has in place of one. */
const NO_ENTRY = { data: '', string: '', json: {} };

export function streamObject(id: string, described: StreamDescription) {
  const first = described.firstEntryId === '' ? NO_ENTRY : described.first;
  const last = described.lastEntryId === '' ? NO_ENTRY : described.last;
  return {
    id,
    streamId: id,
    sid: id,
    length: described.length,
    entriesAdded: described.entriesAdded,
    groups: described.groups,
    radixTreeKeys: described.radixTreeKeys,
    radixTreeNodes: described.radixTreeNodes,
    lastGeneratedId: described.lastGeneratedId,
    maxDeletedEntryId: described.maxDeletedEntryId,
    recordedFirstEntryId: described.recordedFirstEntryId,
    firstEntryId: described.firstEntryId,
    firstEntryTime: () => isoTime(described.firstEntryId),
    firstEntryData: first?.data,
    firstEntryString: first?.string,
    firstEntryJson: first?.json,
    lastEntryId: described.lastEntryId,
    lastEntryTime: () => isoTime(described.lastEntryId),
    lastEntryData: last?.data,
    lastEntryString: last?.string,
    lastEntryJson: last?.json,
    error: described.error,
    meta: () => decodeMetadata(described.meta),
  };
}
