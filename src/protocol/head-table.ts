/**
 * What the head of a GET's answer says of its entries. Proxies and clients take heads of a few kB only, so that the
 * table has a bound, and the answer ends with the last entry that fits.
 *
 *     x-last-entry-id: 5-0+7-0                    the cursor of each stream
 *     x-offsets: [["a","5-0",0],["b","7-0",3]]    a row for each entry, unless the body names them itself
 *     x-gap: [{"stream":"a",…}]                   what was lost, if that is asked for
 */

import type { EntryBatch } from './batch.js';
import { AFTER_LAST, compareEntryIds } from './entry-id.js';
import { Failure } from './errors.js';
import type { Offsets } from './parameters.js';
import { describeGap, type Gap } from './pull-message.js';

/** Ids of today's milliseconds, with room for some digits of a sequence number. */
const USUAL_ID_LENGTH = 17;
/** The names of the three headers, and what is around their values. */
const NAMES_LENGTH = 'x-last-entry-id: \r\nx-offsets: []\r\nx-gap: []\r\n'.length;
/** Of several streams each is read for so many rows at least, so that one alone may fill the table. */
const LEAST_ROWS = 16;
/** No answer has more entries: the main thread packs them. */
const MAX_ENTRIES = 16_384;

export interface TableStream {
  /** As the client knows it. */
  readonly sid: string;
  /** What its entries were read after. */
  readonly cursor: string;
  /** Empty where nothing was read. */
  readonly batch: EntryBatch | undefined;
  /** What was lost before the first entry. */
  readonly gap: Gap | undefined;
}

export interface TableForm {
  /** Bytes that the head has for the table. */
  readonly room: number;
  /** What a row says; undefined: there are no rows. */
  readonly rows: Offsets | undefined;
  readonly gaps: boolean;
}

const BEYOND_ASCII = /[\u007f-\uffff]/;

/** Text for a header, whose characters clients take for Latin-1: all beyond ASCII are escaped. */
export function asciiJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!BEYOND_ASCII.test(json)) return json;
  return json.replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const rowLength = (sidLength: number, id: string, offsetLength: number) =>
  sidLength + id.length + offsetLength + '[,"",],'.length;

const gapLength = (sid: string, gap: Gap) => asciiJson(describeGap(sid, gap)).length + 1;

/**
 * How many entries of each stream to read for one answer, at most.
 * @param sids as the client knows them
 */
export function tableCount(sids: readonly string[], { room, rows }: TableForm): number {
  const share = Math.ceil(MAX_ENTRIES / sids.length);
  if (rows === undefined) return share;
  const shortest = Math.min(...sids.map((sid) => rowLength(sid.length + 2, '0-1', 1)));
  return Math.min(share, Math.max(LEAST_ROWS, Math.ceil(room / shortest / sids.length)));
}

/**
 * Whether an answer could hold all cursors and an entry of any of the streams.
 * @param cursors as they were asked for
 * @throws Failure `bad_parameter`
 */
export function checkTable(sids: readonly string[], cursors: readonly string[], form: TableForm): void {
  const { room, rows, gaps } = form;
  // `$` becomes an id of the usual length, too.
  const lengths = cursors.map(({ length }) => Math.max(length, USUAL_ID_LENGTH));
  const cursorBytes = lengths.reduce((sum, length) => sum + length + 1, AFTER_LAST.length);
  const left = room - NAMES_LENGTH - cursorBytes;
  if (left < 0) throw tooManyStreams(sids.length, cursorBytes, room);
  const gap: Gap = { after: AFTER_LAST, resumedAt: AFTER_LAST, reason: 'trimmed' };
  for (const sid of sids) {
    const row = rows === undefined ? 0 : rowLength(asciiJson(sid).length, AFTER_LAST, 10);
    const bytes = row + (gaps ? gapLength(sid, gap) : 0);
    if (bytes > left) throw noRoomForName(sid, bytes, left);
  }
}

function tooManyStreams(streams: number, bytes: number, room: number): Failure {
  return new Failure(
    'bad_parameter',
    `the cursors of ${streams} streams take about ${bytes} bytes in the answer's head, which has room for ${room}: ask for fewer streams at once, or follow them by WebSocket`,
  );
}

function noRoomForName(sid: string, bytes: number, room: number): Failure {
  return new Failure(
    'bad_parameter',
    `the stream '${sid.slice(0, 64)}…' takes ${bytes} bytes in the answer's head, which has room for ${room}: ask for application/msgpack or fewer streams, or follow it by WebSocket`,
  );
}

/**
 * How many entries of each stream fit. They take turns, beginning with the stream that is furthest behind, so that
 * none is passed over for ever.
 * @throws Failure `bad_parameter` where not a single one fits
 */
export function fitEntries(streams: readonly TableStream[], { room, rows, gaps }: TableForm): number[] {
  const counts = streams.map(() => 0);
  const cursorBytes = streams.reduce((sum, { cursor }) => sum + cursor.length + 1, 0);
  const bodyBytes = streams.reduce((sum, { batch }) => sum + (batch?.bytes.length ?? 0), 0);
  const offsetLength = String(bodyBytes).length;
  const sidLengths = rows === undefined ? [] : streams.map(({ sid }) => asciiJson(sid).length);
  let left = room - NAMES_LENGTH - cursorBytes;

  const costOf = (index: number): number => {
    const { sid, cursor, batch, gap } = streams[index]!;
    const count = counts[index]!;
    const id = batch!.ids[count]!;
    const known = count === 0 ? cursor : batch!.ids[count - 1]!;
    const row = rows === undefined ? 0 : rowLength(sidLengths[index]!, id, offsetLength);
    return id.length - known.length + row + (gaps && gap && count === 0 ? gapLength(sid, gap) : 0);
  };

  // Most answers are of one stream, for which nobody has to wait.
  if (streams.length === 1) {
    const length = streams[0]!.batch?.length ?? 0;
    let isFull = false;
    while (!isFull && counts[0]! < length) {
      const cost = costOf(0);
      isFull = cost > left;
      if (!isFull) {
        left -= cost;
        counts[0]!++;
      }
    }
    if (left < 0 || (length > 0 && counts[0] === 0)) throw tooManyStreams(1, cursorBytes, room);
    return counts;
  }

  let turn = streams
    .map((_, index) => index)
    .filter((index) => (streams[index]!.batch?.length ?? 0) > 0)
    .sort((a, b) => compareEntryIds(streams[a]!.cursor, streams[b]!.cursor));
  const [first] = turn;
  while (turn.length > 0) {
    turn = turn.filter((index) => {
      const cost = costOf(index);
      if (cost > left) return false;
      left -= cost;
      counts[index]!++;
      return counts[index]! < streams[index]!.batch!.length;
    });
  }
  if (left < 0 || (first !== undefined && counts[first] === 0)) {
    throw tooManyStreams(streams.length, cursorBytes, room);
  }
  return counts;
}
