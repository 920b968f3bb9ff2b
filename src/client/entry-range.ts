/** Which entries are wanted, of a pull and of a single read alike. */
import type { Moment } from './entry.js';

export interface EntryRange {
  /**
   * Read after this id: `$` the newest at the moment of the request (the default), `0` from the beginning, `ms` or
   * `ms-seq`. For several streams one for all, or one each.
   */
  readonly lastEntryId?: string | readonly string[] | undefined;
  /** Read from this moment on, itself included; not beside `lastEntryId`. */
  readonly from?: Moment | undefined;
  /** Nothing after this moment; a pull ends when it has passed. */
  readonly until?: Moment | undefined;
  /** Skip to the newest entry, rather than fall behind. */
  readonly latest?: boolean | undefined;
}

/** As the gateway takes the ids of several streams. */
export const joinIds = (ids: string | readonly string[] | undefined): string | undefined =>
  typeof ids === 'object' ? ids.join('+') : ids;
