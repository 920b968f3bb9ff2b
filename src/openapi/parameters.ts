/**
 * Every parameter of the query, and what stands for `{sid}`: names, types, defaults, ranges and meanings.
 * Ranges are those of the parser; a test holds names and defaults against it.
 */
import { MAX_NAME_BYTES } from '../protocol/names.js';
import {
  DEFAULT_BLOCK_MS,
  DEFAULT_DEVICE,
  MAX_BLOCK,
  MAX_COUNT,
  MAX_FPS,
  MAX_REPLICAS,
  MAX_SPEED,
  MAX_STREAMS,
  NEWEST,
} from '../protocol/parameters.js';
import type { Parameter, Schema } from './model.js';

const BOOLEAN: Schema = { type: 'boolean', default: false };
const NO_CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** A cursor, or several joined by `+`, which a query may hold as it is: a form's space. */
const CURSOR = '(?:[$]|-|[0-9]{1,20}(?:-[0-9]{1,20})?)';

const ISO_8601 =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[Zz]|[+ -][0-9]{2}(?::?[0-9]{2})?)?)?';
const MOMENT: Schema = { type: 'string', pattern: `^(?:[0-9]{1,20}(?:-[0-9]{1,20})?|${ISO_8601})$` };
const MOMENT_FORMS =
  'Milliseconds since 1970, an ISO 8601 date or time (UTC where it names no zone), or an entry id.';

const query = (name: string, schema: Schema, description: string): Parameter => ({
  name,
  in: 'query',
  description,
  schema,
});

const flag = (name: string, description: string) => query(name, BOOLEAN, description);

/** Names that only differ in what they say of several streams. */
const sid = (description: string): Parameter => ({
  name: 'sid',
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', minLength: 1 },
  example: 'cam',
});

const NAMING = `An id is 1 to ${MAX_NAME_BYTES} bytes of UTF-8 without control characters and without \`+\`, percent-encoded (\`/\` as \`%2F\`).`;

/** What stands for `{sid}` in an address. */
export const SID = {
  one: sid(`The stream's id. ${NAMING}`),
  read: sid(
    `The stream's id, or up to ${MAX_STREAMS} different ones joined by \`+\`. ${NAMING} One that begins with \`:\` is a system stream's.`,
  ),
  write: sid(
    `The stream's id, or \`*\` where each entry names its own. ${NAMING} It does not begin with \`:\`.`,
  ),
} as const;

const block = (transport: keyof typeof DEFAULT_BLOCK_MS, noLimit: string, subject = 'Milliseconds') =>
  query(
    'block',
    { type: 'integer', minimum: -1, maximum: MAX_BLOCK, default: DEFAULT_BLOCK_MS[transport] },
    `${subject} to wait for data; \`0\`: ${noLimit}; \`-1\`: do not wait.`,
  );

const header = (description: string) =>
  query('header', { type: 'string', enum: ['1', 'json', '0', 'raw', 'msgpack'], default: '1' }, description);

/** By the names of the constants that operations pick from; several may describe one name. */
export const PARAMETERS = {
  device: query(
    'device_id',
    {
      type: 'string',
      default: DEFAULT_DEVICE,
      minLength: 1,
      maxLength: MAX_NAME_BYTES,
      pattern: `^[^:+${NO_CONTROLS}]+$`,
    },
    'The device whose streams are meant. With a token for a device that device, and no other.',
  ),
  prefix: query(
    'prefix',
    { type: 'string', default: '', maxLength: MAX_NAME_BYTES, pattern: `^[^+${NO_CONTROLS}]*$` },
    'Goes between the device and the stream id in the key in Redis.',
  ),
  lastEntryId: query(
    'last_entry_id',
    { type: 'string', default: NEWEST, pattern: `^${CURSOR}(?:[+ ]${CURSOR})*$` },
    'Read entries after this id. `$`: after the newest entry at the moment of the request; `0` or `-`: from the beginning; `ms` or `ms-seq`: a point in time. For several streams one for all, or one each joined by `+`.',
  ),
  from: query(
    'from',
    MOMENT,
    `Read entries from that moment on, instead of \`last_entry_id\`. ${MOMENT_FORMS}`,
  ),
  untilRead: query('until', MOMENT, `Read no entries after that moment, and wait for none. ${MOMENT_FORMS}`),
  untilPull: query(
    'until',
    MOMENT,
    `Send no entries after that moment; once it has passed and all are sent, the connection is closed with 1000. ${MOMENT_FORMS}`,
  ),
  untilEvents: query(
    'until',
    MOMENT,
    `Send no entries after that moment; once it has passed and all are sent, the event \`complete\` ends the stream. ${MOMENT_FORMS}`,
  ),
  speed: query(
    'speed',
    { type: 'number', minimum: 0, maximum: MAX_SPEED, default: 0 },
    'How many times as fast as they were written entries are sent, by the times in their ids; `1`: as they came; `0`: as fast as possible. What comes after the last stored entry is live.',
  ),
  gapsRead: flag('gaps', 'Tell of entries that were lost, in the header `x-gap`.'),
  gapsEvents: flag('gaps', 'Tell of entries that were lost, by an event of its own.'),
  gapsPull: flag(
    'gaps',
    'Tell of entries that were lost, in a text frame before the message that goes on after them.',
  ),
  latest: flag('latest', 'Skip to the newest entry after `last_entry_id`.'),
  count: query(
    'count',
    { type: 'integer', minimum: 1, maximum: MAX_COUNT, default: 1 },
    'At most this many entries a stream in one message or response.',
  ),
  blockRead: block('rest', 'as long as `MAX_BLOCK_MS` allows, which bounds every wait'),
  blockPull: block('websocket', 'no limit'),
  pushHeader: header('The framing: `1` or `json`, `0` or `raw`, or `msgpack`. `0` needs exactly one stream.'),
  pullHeader: header(
    'The framing: `1` or `json`, `0` or `raw`, or `msgpack`. `0` needs exactly one stream, and `count` 1.',
  ),
  at: query('at', MOMENT, `The newest entry up to that moment. ${MOMENT_FORMS}`),
  after: query(
    'after',
    { type: 'string', pattern: `^${CURSOR}$` },
    'The newest entry after this id, once there is one: as `last_entry_id`, for one stream.',
  ),
  blockAfter: block('rest', 'as long as `MAX_BLOCK_MS` allows', 'With `after`: milliseconds'),
  offsets: query(
    'offsets',
    { type: 'string', enum: ['start', 'end'], default: 'start' },
    'Whether an offset is the start or the end of its entry.',
  ),
  pushAck: flag('ack', 'Answer each message with the ids stored.'),
  pullAck: flag(
    'ack',
    'After each message, heartbeats included, wait for any text message from you before the next is sent.',
  ),
  minReplicas: query(
    'min_replicas',
    { type: 'integer', minimum: 0, maximum: MAX_REPLICAS, default: 0 },
    'Acknowledge an entry once so many replicas of Redis have it, too; if they do not within 1 s, its error is `not_replicated`. At a push it needs `ack=1`.',
  ),
  maxFps: query(
    'max_fps',
    { type: 'number', minimum: 0, maximum: MAX_FPS, default: 0 },
    'At most this many messages a second; `0`: no limit.',
  ),
  keepDevice: flag('keep_device_id_in_stream_id', 'Name streams by their whole key.'),
  filter: query(
    'filter',
    { type: 'string', default: '', maxLength: 2048 },
    'Only streams whose key has this in it, letter for letter.',
  ),
} as const satisfies Record<string, Parameter>;

/** Which streams a request is about, beside `{sid}`. */
export const SELECTION: readonly Parameter[] = [PARAMETERS.device, PARAMETERS.prefix];
