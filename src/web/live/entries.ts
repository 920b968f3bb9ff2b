/** Single entries of one stream, and where its newest ones begin. */
import type { Entry } from '../../client/entry.js';
import { entryTime } from '../../wire/entry-id.js';
import type { Session } from './session.js';
import { refusalOf } from './session.js';

/** Which stream, as the overview tells of it. */
export interface StreamName {
  readonly key: string;
  /** null: the key names none. */
  readonly device: string | null;
  readonly sid: string;
}

/** A stream's second number goes so far. */
const LAST_SEQUENCE = '18446744073709551615';
/** The device that is meant where an address names none. */
const DEFAULT_DEVICE = 'default';

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
  readonly #session: Session;
  readonly #stream: StreamName;

  constructor(session: Session, stream: StreamName) {
    this.#session = session;
    this.#stream = stream;
  }

  newest(): Promise<Entry | undefined> {
    return this.#session.run(this.#stream.device, (gate) => gate.latest(this.#stream.sid));
  }

  /** The newest entry at a moment. @param at milliseconds since 1970 or an entry id */
  async at(at: string): Promise<Entry | undefined> {
    const response = await this.#session.fetch(this.#address(at));
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(await refusalOf(response));
    const id = response.headers.get('etag')?.replace(/^"|"$/g, '');
    if (id === undefined) throw new Error('The answer does not say which entry it is.');
    const data = new Uint8Array(await response.arrayBuffer());
    return { stream: this.#stream.sid, id, time: entryTime(id), data };
  }

  async before(id: string): Promise<Entry | undefined> {
    const previous = idBefore(id);
    return previous === undefined ? undefined : this.at(previous);
  }

  /** At most `count` of those that follow. */
  async after(id: string, count = 1): Promise<readonly Entry[]> {
    const { device, sid } = this.#stream;
    const { entries } = await this.#session.run(device, (gate) =>
      gate.read(sid, { lastEntryId: id, count, block: -1 }),
    );
    return entries;
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
    return new URL(this.#address(id), location.origin).href;
  }

  #address(at: string): string {
    const { device, sid } = this.#stream;
    const query = new URLSearchParams({ at });
    if (device !== null && device !== DEFAULT_DEVICE) query.set('device_id', device);
    return `/data/${encodeURIComponent(sid)}/latest?${query}`;
  }
}

/** The greatest id before this one; undefined before the first. */
export function idBefore(id: string): string | undefined {
  const [ms, sequence] = id.split('-').map(BigInt) as [bigint, bigint];
  if (sequence > 0n) return `${ms}-${sequence - 1n}`;
  return ms > 0n ? `${ms - 1n}-${LAST_SEQUENCE}` : undefined;
}
