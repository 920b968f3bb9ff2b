/** Single entries of one stream, and where its newest ones begin. */

import type { Entry, Moment } from '../../client/entry.js';
import type { ReadOptions } from '../../client/rest.js';
import type { Streamgate } from '../../client/streamgate.js';
import { entryTime, precedingId } from '../../protocol/entry-id.js';
import type { PageSession } from './page-session.js';

/** Which stream, as the overview tells of it. */
export interface StreamName {
  readonly key: string;
  /** null: the key names none. */
  readonly device: string | null;
  readonly sid: string;
}

/** The device that is meant where an address names none. */
const DEFAULT_DEVICE = 'default';
const DO_NOT_WAIT = -1;

const EXTENT = /* GraphQL */ `
  query Extent($id: String!) {
    stream(id: $id) { length firstEntryId lastEntryId }
  }
`;

interface Extent {
  readonly stream: {
    readonly length: number;
    readonly firstEntryId: string;
    readonly lastEntryId: string;
  };
}

export class Entries {
  readonly #session: PageSession;
  readonly #stream: StreamName;

  constructor(session: PageSession, stream: StreamName) {
    this.#session = session;
    this.#stream = stream;
  }

  /** The newest entry at a moment, itself included. */
  async at(moment: Moment): Promise<Entry | undefined> {
    const entries = await this.#read({ lastEntryId: '0', until: moment, latest: true });
    return entries.at(-1);
  }

  async before(id: string): Promise<Entry | undefined> {
    const previous = precedingId(id);
    return previous === id ? undefined : this.at(previous);
  }

  /** At most `count` of those that follow. */
  after(id: string, count = 1): Promise<readonly Entry[]> {
    return this.#read({ lastEntryId: id, count });
  }

  /** After which entry about the newest `count` come, but none from before `since` (milliseconds since 1970). */
  async startOf(count: number, since = 0): Promise<string> {
    const { device, key } = this.#stream;
    const { stream } = await this.#session.run(device, (gate) => gate.graphql<Extent>(EXTENT, { id: key }));
    const { length, firstEntryId, lastEntryId } = stream;
    const begin = since <= 0 ? '0' : String(Math.floor(since));
    if (length <= count) return begin;
    const [first, last] = [entryTime(firstEntryId), entryTime(lastEntryId)];
    // As if they had come evenly: whoever reads them keeps the newest.
    const start = Math.floor(last - ((last - first) * count) / length);
    return String(Math.max(start, Math.floor(since), 0));
  }

  /** Where anybody finds this entry. */
  urlOf(id: string): string {
    const { device, sid } = this.#stream;
    const query = new URLSearchParams({ at: id });
    if (device !== null && device !== DEFAULT_DEVICE) query.set('device_id', device);
    return `${location.origin}/data/${encodeURIComponent(sid)}/latest?${query}`;
  }

  /** What is there already. */
  async #read(options: ReadOptions): Promise<readonly Entry[]> {
    const { device, sid } = this.#stream;
    const read = (gate: Streamgate) => gate.read(sid, { ...options, block: DO_NOT_WAIT });
    return (await this.#session.run(device, read)).entries;
  }
}
