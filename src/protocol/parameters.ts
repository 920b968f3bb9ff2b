/**
 * Query parameters, REST and WebSocket alike (docs/protocol.md, parameters): names, defaults and checks.
 * Every refusal is a Failure `bad_parameter` whose text names the parameter.
 */
import { BOOLEAN_FORM, parseBoolean } from './booleans.js';
import { BEFORE_FIRST, compareEntryIds, lastIdOf, parseEntryId, precedingId } from './entry-id.js';
import { Failure } from './errors.js';
import { type Moment, parseMoment } from './moment.js';
import { checkDeviceId, checkPrefix, checkStreamId, ID_SEPARATOR } from './names.js';

/** The cursor that stands for the newest entry at the moment the request arrived. */
export const NEWEST = '$';
/** The stream id with which each entry names its own stream. */
export const NAMED_BY_ENTRY = '*';
export const DEFAULT_DEVICE = 'default';

export const DEFAULT_BLOCK_MS = { rest: 500, websocket: 5000 } as const;
/** Milliseconds: more than eleven days. */
export const MAX_BLOCK = 999_999_999;
export const MAX_COUNT = 1_000_000;
export const MAX_STREAMS = 1024;
export const MAX_FPS = 1_000_000;
export const MAX_SPEED = 1_000_000;
/** Each number that is asked for takes a connection to Redis. */
export const MAX_REPLICAS = 9;

export type Framing = 'json' | 'raw' | 'msgpack';
export type Offsets = 'start' | 'end';

/** Which streams a request is about. */
export interface StreamSelection {
  readonly device: string;
  readonly prefix: string;
  readonly sids: readonly string[];
}

export interface PushParameters {
  readonly header: Framing;
  readonly ack: boolean;
  readonly minReplicas: number;
}

export interface PullParameters {
  /** A canonical entry id or `$` for each stream, in the order of the ids. */
  readonly cursors: readonly string[];
  /** Whether each cursor is a place reached before, an entry's whole id or `$`, so that losses after it count. */
  readonly resumes: readonly boolean[];
  /** No entry after this id is wanted. */
  readonly until: string | undefined;
  /** How many times as fast as they were written entries are sent; 0: as fast as possible. */
  readonly speed: number;
  /** Whether to tell of entries that are lost. */
  readonly gaps: boolean;
  readonly latest: boolean;
  readonly count: number;
  /** Milliseconds; 0: no limit; -1: do not wait. */
  readonly block: number;
  readonly header: Framing;
  readonly offsets: Offsets;
  readonly ack: boolean;
  /** Messages a second; 0: no limit. */
  readonly maxFps: number;
  readonly keepDevicePrefix: boolean;
}

function refuse(name: string, expected: string, value: string): Failure {
  return new Failure('bad_parameter', `${name} must be ${expected}, not '${shorten(value)}'`);
}

function shorten(value: string): string {
  return value.length > 64 ? `${value.slice(0, 64)}…` : value;
}

function decode(name: string, encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw refuse(name, 'percent-encoded UTF-8', encoded);
  }
}

/** The parameters of a raw query string; each may be given once. */
export class Query {
  readonly #values = new Map<string, string>();

  /** @throws Failure `bad_parameter` */
  constructor(query: string) {
    for (const pair of query.split('&')) {
      if (pair === '') continue;
      const [encodedName = '', ...rest] = pair.split('=');
      const name = decode('a parameter name', encodedName);
      // Forms write a space as '+'; a literal '+' in a cursor list is undone in `parseRange`.
      const value = decode(name, rest.join('=').replaceAll('+', ' '));
      if (this.#values.has(name)) throw new Failure('bad_parameter', `${name} is given more than once`);
      this.#values.set(name, value);
    }
  }

  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** The same for a client that comes back for what follows these ids, whatever it first asked for. */
  resumedAfter(ids: string): Query {
    const resumed = new Query('');
    for (const [name, value] of this.#values) if (name !== 'from') resumed.#values.set(name, value);
    resumed.#values.set('last_entry_id', ids);
    return resumed;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#values.get(name);
    if (value === undefined) return fallback;
    const parsed = parseBoolean(value);
    if (parsed === undefined) throw refuse(name, BOOLEAN_FORM, value);
    return parsed;
  }

  wholeNumber(name: string, min: number, max: number, fallback: number): number {
    const value = this.#values.get(name);
    if (value === undefined) return fallback;
    const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      throw refuse(name, `a whole number from ${min} to ${max}`, value);
    }
    return number;
  }

  number(name: string, max: number, fallback: number): number {
    const value = this.#values.get(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : Number.NaN;
    if (!(number <= max)) throw refuse(name, `a number from 0 to ${max}`, value);
    return number;
  }
}

/**
 * The streams that a path's still encoded `{sid}` part and the query select.
 * @param home the device that is meant where the query names none
 * @throws Failure `bad_name`, `bad_parameter`
 */
export function parseSelection(
  encodedSid: string,
  query: Query,
  home: string = DEFAULT_DEVICE,
): StreamSelection {
  const device = query.text('device_id') ?? home;
  checkDeviceId(device);
  const prefix = query.text('prefix') ?? '';
  checkPrefix(prefix);
  // Split before decoding: an encoded '+' belongs to a name, where it is refused.
  const sids = encodedSid.split(ID_SEPARATOR).map((sid) => decode('the stream id', sid));
  if (sids.length > MAX_STREAMS) {
    throw new Failure(
      'bad_parameter',
      `${sids.length} streams are named; at most ${MAX_STREAMS} are allowed`,
    );
  }
  for (const sid of sids) checkStreamId(sid);
  if (new Set(sids).size < sids.length) {
    const twice = sids.find((sid, index) => sids.indexOf(sid) !== index)!;
    throw new Failure('bad_name', `the stream id '${shorten(twice)}' is given more than once`);
  }
  return { device, prefix, sids };
}

function parseHeader(query: Query): Framing {
  const value = query.text('header');
  if (value === undefined) return 'json';
  const word = value.toLowerCase();
  if (word === 'json' || word === 'raw' || word === 'msgpack') return word;
  const parsed = parseBoolean(word);
  if (parsed === undefined) throw refuse('header', '1 (json), 0 (raw) or msgpack', value);
  return parsed ? 'json' : 'raw';
}

function parseOffsets(query: Query): Offsets {
  const value = query.text('offsets') ?? 'start';
  if (value !== 'start' && value !== 'end') throw refuse('offsets', 'start or end', value);
  return value;
}

/** A cursor as people write it, as `$` or a canonical id. @throws Failure `bad_parameter` naming `name` */
export function parseCursor(name: string, text: string): string {
  if (text === NEWEST) return NEWEST;
  const id = text === '-' ? BEFORE_FIRST : parseEntryId(text);
  if (id === undefined) throw refuse(name, '$ (newest), 0 or - (all), ms or ms-seq', text);
  return id;
}

/** A time as people write it. @throws Failure `bad_parameter` naming `name` */
export function parseTime(name: string, text: string): Moment {
  const moment = parseMoment(text);
  if (moment === undefined) throw refuse(name, 'ms since 1970, an ISO 8601 time or an entry id', text);
  return moment;
}

/** Where each stream is read from, and up to where. */
function parseRange(query: Query, streams: number): Pick<PullParameters, 'cursors' | 'resumes' | 'until'> {
  const ids = query.text('last_entry_id');
  const from = query.text('from');
  const end = query.text('until');
  if (ids !== undefined && from !== undefined) {
    throw new Failure('bad_parameter', 'from and last_entry_id both say where to begin: give one of them');
  }
  const start = from === undefined ? undefined : parseTime('from', from);
  const until = end === undefined ? undefined : parseTime('until', end).last;
  if (start !== undefined && until !== undefined && compareEntryIds(until, start.first) < 0) {
    throw refuse('until', 'no earlier than from', end!);
  }
  // A literal '+' has become a space; neither can stand in a cursor.
  const given = start === undefined ? (ids ?? NEWEST).split(/[+ ]/) : [precedingId(start.first)];
  if (given.length !== 1 && given.length !== streams) {
    const rule = streams === 1 ? 'one id' : `one id, or one for each of ${streams} streams`;
    throw new Failure('bad_parameter', `last_entry_id must have ${rule}, not ${given.length}`);
  }
  const parsed = given.map((text) => parseCursor('last_entry_id', text));
  const resumes = given.map((text) => start === undefined && isPlaceReached(text));
  return { cursors: forEach(parsed, streams), resumes: forEach(resumes, streams), until };
}

/**
 * Whether a cursor as given is one that a reader gets to: `$`, or an entry's whole id. `0-0` is one, of a stream
 * that had no entries. `0`, `-`, a bare time and the last id of a millisecond, which stands for a time, are not.
 */
function isPlaceReached(text: string): boolean {
  if (text === NEWEST) return true;
  const [ms, seq] = text.split('-');
  return ms !== '' && seq !== undefined && parseEntryId(text) !== lastIdOf(ms!);
}

/** One for all, or one each. */
function forEach<T>(given: readonly T[], streams: number): readonly T[] {
  return given.length === streams ? given : new Array<T>(streams).fill(given[0]!);
}

/** @throws Failure `bad_parameter` */
export function parsePushParameters(query: Query, selection: StreamSelection): PushParameters {
  const header = parseHeader(query);
  if (header === 'raw' && (selection.sids.length !== 1 || selection.sids[0] === NAMED_BY_ENTRY)) {
    throw new Failure('bad_parameter', 'header=0 needs exactly one stream, since no frame names its own');
  }
  const parameters = { header, ack: query.boolean('ack', false), minReplicas: parseMinReplicas(query) };
  if (parameters.minReplicas > 0 && !parameters.ack) {
    throw new Failure('bad_parameter', 'min_replicas needs ack=1, since only an ack can wait for replicas');
  }
  return parameters;
}

/** How many replicas must have an entry before it is acknowledged. @throws Failure `bad_parameter` */
export function parseMinReplicas(query: Query): number {
  return query.wholeNumber('min_replicas', 0, MAX_REPLICAS, 0);
}

/** Messages a second; 0: no limit. @throws Failure `bad_parameter` */
export function parseMaxFps(query: Query): number {
  return query.number('max_fps', MAX_FPS, 0);
}

/** @throws Failure `bad_parameter` */
export function parsePullParameters(
  query: Query,
  selection: StreamSelection,
  transport: 'rest' | 'websocket',
): PullParameters {
  // Not spread: each object would have a hidden class of its own, which costs memory and every read of it.
  const { cursors, resumes, until } = parseRange(query, selection.sids.length);
  const parameters: PullParameters = {
    cursors,
    resumes,
    until,
    speed: query.number('speed', MAX_SPEED, 0),
    gaps: query.boolean('gaps', false),
    latest: query.boolean('latest', false),
    count: query.wholeNumber('count', 1, MAX_COUNT, 1),
    block: query.wholeNumber('block', -1, MAX_BLOCK, DEFAULT_BLOCK_MS[transport]),
    header: parseHeader(query),
    offsets: parseOffsets(query),
    ack: query.boolean('ack', false),
    maxFps: parseMaxFps(query),
    keepDevicePrefix: query.boolean('keep_device_id_in_stream_id', false),
  };
  if (transport === 'websocket' && parameters.header === 'raw') {
    if (selection.sids.length !== 1) {
      throw new Failure('bad_parameter', 'header=0 needs exactly one stream, since no frame names its own');
    }
    if (parameters.count !== 1) {
      throw new Failure('bad_parameter', `count must be 1 with header=0, not ${parameters.count}`);
    }
  }
  return parameters;
}
