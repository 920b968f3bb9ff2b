/**
 * Where a pull stands in each of its streams, so that a new connection goes on where the last one ended.
 *
 * `$` means another id at each connection: it is to be pinned to a concrete one before the first, or what is
 * stored between two connections would be lost. The same goes for a moment: once a stream has got on, all
 * are asked for by ids, those that have not by the last id before the moment.
 */
import { parseEntryId, precedingId } from '../protocol/entry-id.js';
import type { Parameters } from './address.js';
import { nameMoment } from './entry.js';
import { type EntryRange, joinIds } from './entry-range.js';
import { GatewayError } from './gateway-error.js';

const NEWEST = '$';
const ID_SEPARATOR = '+';

export class Cursors {
  readonly #sids: readonly string[];
  readonly #from: string | undefined;
  /** In the streams' order; undefined for those that only have `from`. */
  #ids: (string | undefined)[];
  #hasAdvanced = false;

  /** @throws GatewayError where there are neither one nor as many ids as streams, or two beginnings */
  constructor(sids: readonly string[], start: Pick<EntryRange, 'lastEntryId' | 'from'>) {
    this.#sids = sids;
    this.#from = nameMoment(start.from);
    if (start.lastEntryId !== undefined && this.#from !== undefined) {
      throw new GatewayError(
        'bad_parameter',
        'lastEntryId and from both say where to begin: give one of them',
      );
    }
    const given = joinIds(start.lastEntryId) ?? (this.#from === undefined ? NEWEST : undefined);
    this.#ids = this.#spread(given);
  }

  /** Some stream is to be read from its end, wherever that may be. */
  get needsPin(): boolean {
    return this.#ids.includes(NEWEST);
  }

  /** The query parameters that say all this. */
  get parameters(): Parameters {
    if (this.#from === undefined) return { last_entry_id: this.#join() };
    // Both at once are refused; as long as nothing came, the moment is all there is.
    return this.#hasAdvanced ? { last_entry_id: this.#join() } : { from: this.#from };
  }

  /** @param ids concrete ones, joined by `+`, as `x-last-entry-id` has them */
  pin(ids: string): void {
    this.#ids = this.#spread(ids);
  }

  /** Notes an entry as delivered. */
  advance(sid: string, id: string): void {
    const index = this.#sids.indexOf(sid);
    if (index < 0) return;
    this.#ids[index] = id;
    this.#hasAdvanced = true;
  }

  #join(): string {
    return this.#ids.map((id) => id ?? this.#beforeFrom()).join(ID_SEPARATOR);
  }

  #spread(ids: string | undefined): (string | undefined)[] {
    const parts = ids?.split(ID_SEPARATOR) ?? [];
    if (parts.length <= 1) return this.#sids.map(() => parts[0]);
    if (parts.length !== this.#sids.length) {
      throw new GatewayError(
        'bad_parameter',
        `lastEntryId must have one id, or one for each of ${this.#sids.length} streams, not ${parts.length}`,
      );
    }
    return parts;
  }

  /** The greatest id before `from`: that moment itself is still wanted. */
  #beforeFrom(): string {
    const from = this.#from ?? '';
    return precedingId(parseEntryId(from) ?? `${Math.max(0, Date.parse(from))}-0`);
  }
}
