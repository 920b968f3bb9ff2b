/** A Stream as GraphQL answers it: its description under the schema's names. */
import type { StreamDescription } from '../../workers/stream-description.js';
import { decodeMetadata } from '../catalog/metadata.js';
import { entryTime } from '../protocol/entry-id.js';

/** Dates beyond this cannot be told in ISO 8601 by JavaScript. */
const MAX_DATE_MS = 8.64e15;

function isoTime(id: string): string {
  if (id === '') return '';
  const ms = entryTime(id);
  return ms <= MAX_DATE_MS ? new Date(ms).toISOString() : '';
}

/** What a stream without entries has in place of one. */
const NO_ENTRY = { data: '', string: '', json: {} };

/** Made by the hundred thousand: what is not asked for costs nothing. */
export class StreamObject {
  readonly id: string;
  readonly #described: StreamDescription;

  constructor(id: string, described: StreamDescription) {
    this.id = id;
    this.#described = described;
  }

  get streamId() {
    return this.id;
  }
  get sid() {
    return this.id;
  }
  get length() {
    return this.#described.length;
  }
  get entriesAdded() {
    return this.#described.entriesAdded;
  }
  get groups() {
    return this.#described.groups;
  }
  get radixTreeKeys() {
    return this.#described.radixTreeKeys;
  }
  get radixTreeNodes() {
    return this.#described.radixTreeNodes;
  }
  get lastGeneratedId() {
    return this.#described.lastGeneratedId;
  }
  get maxDeletedEntryId() {
    return this.#described.maxDeletedEntryId;
  }
  get recordedFirstEntryId() {
    return this.#described.recordedFirstEntryId;
  }
  get firstEntryId() {
    return this.#described.firstEntryId;
  }
  get firstEntryTime() {
    return isoTime(this.#described.firstEntryId);
  }
  get firstEntryData() {
    return this.#first?.data;
  }
  get firstEntryString() {
    return this.#first?.string;
  }
  get firstEntryJson() {
    return this.#first?.json;
  }
  get lastEntryId() {
    return this.#described.lastEntryId;
  }
  get lastEntryTime() {
    return isoTime(this.#described.lastEntryId);
  }
  get lastEntryData() {
    return this.#last?.data;
  }
  get lastEntryString() {
    return this.#last?.string;
  }
  get lastEntryJson() {
    return this.#last?.json;
  }
  get error() {
    return this.#described.error;
  }
  get meta() {
    return decodeMetadata(this.#described.meta);
  }

  get #first() {
    return this.#described.firstEntryId === '' ? NO_ENTRY : this.#described.first;
  }
  get #last() {
    return this.#described.lastEntryId === '' ? NO_ENTRY : this.#described.last;
  }
}
