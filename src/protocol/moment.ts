/**
 * Moments as people write them: milliseconds since 1970, ISO 8601, or an entry's id.
 *
 * A stream may hold several entries of one millisecond, so that a moment is a range of ids.
 */
import { lastIdOf, parseEntryId } from './entry-id.js';

/** The ids that entries of that moment can have; for an entry's id that one. */
export interface Moment {
  readonly first: string;
  readonly last: string;
}

/** A date, or a date and a time; without a zone in UTC. In a query a zone's '+' has become a space. */
const ISO_8601 =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)(Z|[+ -]\d\d(?::?\d\d)?)?)?$/i;

/** @returns undefined where `text` is none, or no time of the calendar from 1970 on */
export function parseMoment(text: string): Moment | undefined {
  const id = parseEntryId(text);
  if (id !== undefined && text.includes('-')) return { first: id, last: id };
  const ms = id === undefined ? parseIsoTime(text) : id.slice(0, id.indexOf('-'));
  return ms === undefined ? undefined : { first: `${ms}-0`, last: lastIdOf(ms) };
}

function parseIsoTime(text: string): number | undefined {
  const match = ISO_8601.exec(text);
  if (match === null) return undefined;
  const [, date, time = '00:00', zone = 'Z'] = match;
  const ms = Date.parse(`${date}T${time.replace(',', '.')}${extendedZone(zone)}`);
  if (!(ms >= 0) || !isOfCalendar(date!)) return undefined;
  return Math.floor(ms);
}

/** `Z` as `+00:00`; `+02`, `+0200` and ` 02:00` as `+02:00`, which is the one form that JavaScript takes. */
function extendedZone(zone: string): string {
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  return `${zone[0] === '-' ? '-' : '+'}${digits.slice(0, 2)}:${digits.slice(2)}`;
}

/** JavaScript takes the 31st of every month for a date, and goes on into the next. */
function isOfCalendar(date: string): boolean {
  return new Date(`${date}T00:00Z`).toISOString().startsWith(date);
}
