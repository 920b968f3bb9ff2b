/** `/data/{sid}/latest`, `/mjpeg`, `/events` and `/overview`: streams as what browsers show by an address alone. */
import { SAMPLES } from './code-samples.js';
import { LAST_ENTRY_ID, NO_STORE } from './data-operations.js';
import { closeCodes, failureResponses, NAMED, REDIS_READ, TOKEN, WORK } from './failures.js';
import type { HeaderObject, Operation, Parameter, Paths } from './model.js';
import { PARAMETERS, SELECTION, SID } from './parameters.js';
import { GUARDED_SOCKET } from './security.js';
import { ASK_AGAIN } from './service-operations.js';
import { OF_ANY_SOCKET, SWITCHING } from './socket-operations.js';

const text = (description: string, required = true): HeaderObject => ({
  description,
  required,
  schema: { type: 'string' },
});

/** What keeps a stored page from acting as one of the gateway's. */
const OF_VIEWS: Readonly<Record<string, HeaderObject>> = {
  'content-security-policy': {
    description: 'Opened as a page it runs no script and belongs to no origin.',
    required: true,
    schema: { const: 'sandbox' },
  },
  'cross-origin-resource-policy': text(
    'Whose pages may show it: `same-site`, or `cross-origin` with `CORS_ORIGINS=*`.',
  ),
};
const OF_ENTRY: Readonly<Record<string, HeaderObject>> = {
  etag: text("The entry's id, in quotes."),
  'x-last-entry-id': text("The entry's id."),
  'last-modified': text("The entry's time.", false),
  'cache-control': ASK_AGAIN,
};

const header = (name: string, description: string): Parameter => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});

const REFUSED = [...WORK, ...TOKEN, ...NAMED, ...REDIS_READ] as const;

const latest: Operation = {
  operationId: 'latestEntry',
  tags: ['Views'],
  summary: 'One entry, under its own media type',
  description: `The newest entry, so that a picture has an address; with \`at\` the newest up to a moment, with \`after\` the newest after an id, once there is one.

The media type is the one that the stream's metadata names as \`content_type\`, else it is found from the first bytes: JPEG, PNG, WebP, GIF, JSON, text, or \`application/octet-stream\`.`,
  parameters: [
    SID.one,
    ...SELECTION,
    PARAMETERS.at,
    PARAMETERS.after,
    PARAMETERS.blockAfter,
    header('if-none-match', 'The ETag of an entry that is known already.'),
  ],
  responses: {
    200: {
      description: 'The entry.',
      headers: { ...OF_ENTRY, ...OF_VIEWS },
      content: { '*/*': { schema: { description: 'Its bytes.' } } },
    },
    204: {
      description: 'With `after`: no newer entry came within `block`.',
      headers: { 'x-last-entry-id': LAST_ENTRY_ID, 'cache-control': ASK_AGAIN },
    },
    304: {
      description: 'The entry is the one that is known; it was not read from Redis.',
      headers: OF_ENTRY,
    },
    ...failureResponses([...REFUSED, 'not_found']),
  },
  'x-codeSamples': SAMPLES.latestEntry,
};

const mjpeg: Operation = {
  operationId: 'playPictures',
  tags: ['Views'],
  summary: 'A camera that plays in an <img>',
  description:
    'The newest frame at once, and then each that comes, as soon as you can take it: what came between is skipped, and never is a frame older than the one before. Each part has `Content-Type`, `Content-Length` and `X-Entry-Id`.',
  parameters: [SID.one, ...SELECTION, PARAMETERS.maxFps],
  responses: {
    200: {
      description: 'Frames, until you leave.',
      headers: { 'cache-control': NO_STORE, ...OF_VIEWS },
      content: {
        'multipart/x-mixed-replace': {
          schema: { description: 'A part for each frame, as browsers play it.' },
        },
      },
    },
    ...failureResponses(REFUSED),
  },
  'x-codeSamples': SAMPLES.playPictures,
};

const events: Operation = {
  operationId: 'followEvents',
  tags: ['Views'],
  summary: 'Entries as server-sent events',
  description: `For text and JSON, as a browser's EventSource takes it, which also comes back by itself and goes on after the last event.

| event | data | |
| --- | --- | --- |
| \`cursor\` | \`{}\` | the first event: its id is where the stream begins |
| none | the entry's text | exactly as it was stored |
| \`binary\` | base64 | of an entry that is not UTF-8 or has a carriage return, or of a stream whose \`content_type\` is not text |
| \`large\` | \`{"bytes": …}\` | of an entry over 1 MiB, which is not sent |
| \`gap\` | \`{"stream", "after", "resumed_at", "reason"}\` | with \`gaps=1\`: entries were lost before the next event |
| \`complete\` | \`{}\` | \`until\` is reached: close the EventSource, or it comes back |
| \`error\` | \`{"error", "code"}\` | a failure ends the stream |

The event's id is the entry's; of several streams all their ids joined by \`+\`, and the event is then called by its stream, as \`a\` or \`a+binary\`, or \`gap+text\` where its name alone would be one of the above, \`open\` or \`message\`.`,
  parameters: [
    SID.read,
    ...SELECTION,
    PARAMETERS.lastEntryId,
    PARAMETERS.from,
    PARAMETERS.untilEvents,
    PARAMETERS.speed,
    PARAMETERS.latest,
    PARAMETERS.maxFps,
    PARAMETERS.gapsEvents,
    PARAMETERS.keepDevice,
    header(
      'last-event-id',
      'The id of the last event that came: it counts instead of `last_entry_id` and `from`.',
    ),
  ],
  responses: {
    200: {
      description: 'Events, until you leave.',
      headers: { 'cache-control': NO_STORE },
      content: {
        'text/event-stream': { schema: { description: 'Server-sent events, with comments now and then.' } },
      },
    },
    ...failureResponses(REFUSED),
  },
  'x-codeSamples': SAMPLES.followEvents,
};

const overview: Operation = {
  operationId: 'overview',
  tags: ['Views'],
  summary: 'What there is, once a second',
  description:
    'Devices and streams as server-sent events, `event: overview`, once a second: what the live page shows. It costs Redis one look for all who watch. Of the streams that the token may read those written last come first, 1000 at most; `omitted` counts the others. A failure is an `event: error`, and the next second may be better. An upgrade to a WebSocket gives the same as text frames: an `Overview`, or `{"error", "code"}`. Those do not count towards the six connections that browsers open to a host by HTTP/1.1.',
  parameters: [PARAMETERS.filter],
  responses: {
    101: SWITCHING,
    200: {
      description: 'Events, until you leave.',
      headers: { 'cache-control': NO_STORE },
      content: {
        'text/event-stream': {
          schema: {
            description: 'The data of each event is the schema `Overview`.',
            contentMediaType: 'application/json',
            contentSchema: { $ref: '#/components/schemas/Overview' },
          },
        },
      },
    },
    ...failureResponses([...WORK, ...TOKEN, 'bad_parameter', 'upgrade_required']),
  },
  security: GUARDED_SOCKET,
  'x-websocket': { closeCodes: closeCodes(OF_ANY_SOCKET) },
  'x-codeSamples': SAMPLES.overview,
};

export const VIEW_PATHS: Paths = {
  '/data/{sid}/latest': { get: latest },
  '/data/{sid}/mjpeg': { get: mjpeg },
  '/data/{sid}/events': { get: events },
  '/overview': { get: overview },
};
