/** `/data/{sid}/push` and `/data/{sid}/pull`: WebSockets, as far as their upgrade; what follows is told in words. */

import type { FailureCode } from '../protocol/errors.js';
import { SAMPLES } from './code-samples.js';
import { closeCodes, failureResponses, NAMED, REDIS_READ, REDIS_WRITE, TOKEN, WORK } from './failures.js';
import type { Operation, Paths, ResponseObject } from './model.js';
import { PARAMETERS, SELECTION, SID } from './parameters.js';
import { GUARDED_SOCKET } from './security.js';

/** What may end any WebSocket once it is open. */
export const OF_ANY_SOCKET: readonly FailureCode[] = [
  'invalid_token',
  'payload_too_large',
  'internal',
  'overloaded',
  'pongs_unread',
  'shutting_down',
];

/** The answer to an upgrade. */
export const SWITCHING: ResponseObject = {
  description: 'The connection is a WebSocket from here on.',
  headers: {
    upgrade: { description: 'The new protocol.', required: true, schema: { const: 'websocket' } },
    'sec-websocket-accept': {
      description: 'The answer to the key (RFC 6455 §4.2.2).',
      required: true,
      schema: { type: 'string' },
    },
    'sec-websocket-protocol': {
      description: 'The first subprotocol that was offered and is not a token.',
      schema: { type: 'string' },
    },
  },
};

const push: Operation = {
  operationId: 'pushEntries',
  tags: ['WebSockets'],
  summary: 'Send entries',
  description: `What you send, by \`header\`:

| \`header\` | a message is | |
| --- | --- | --- |
| \`1\` | a text frame with a JSON header, then a binary frame with the payload | \`[end, …]\`: offsets in the payload, of entries of the one stream or one for each of \`a+b\`; \`[[sid, end], …]\`; \`[[sid, time, end], …]\`; \`[]\`: the payload is one entry |
| \`0\` | any frame | is one entry of the one stream |
| \`msgpack\` | a binary frame | an array of \`[sid or null, time or null, bin]\`, or a single \`bin\` |

Offsets are ends; where the first is 0 they are starts. The entries must cover the payload exactly. \`time\` is \`null\` (the server's clock), milliseconds, or \`ms-seq\`; it must be after the stream's newest entry and not more than \`MAX_FUTURE_MS\` ahead of the clock. With \`/data/*/push\` every entry names its stream.

With \`ack=1\` each message is answered by one text frame, a JSON array in entry order: the id, or \`{"error", "code"}\` for an entry that was not stored (or, with the codes \`unknown_outcome\` and \`not_replicated\`, perhaps or not everywhere); the connection goes on. Without, the first entry that cannot be stored closes the connection with a code and a reason.

Entries of one connection for one stream are stored in the order sent.`,
  parameters: [
    { ...SID.write, description: `${SID.write.description} Several may be joined by \`+\`.` },
    ...SELECTION,
    PARAMETERS.pushHeader,
    PARAMETERS.pushAck,
    PARAMETERS.minReplicas,
  ],
  responses: {
    101: SWITCHING,
    ...failureResponses([...WORK, ...TOKEN, ...NAMED, 'upgrade_required']),
  },
  security: GUARDED_SOCKET,
  'x-websocket': {
    closeCodes: closeCodes([
      ...OF_ANY_SOCKET,
      ...REDIS_WRITE,
      'bad_name',
      'bad_header',
      'bad_frame',
      'bad_body',
      'time_in_future',
      'forbidden',
      'reserved_name',
      'acks_unread',
    ]),
  },
  'x-codeSamples': SAMPLES.pushEntries,
};

const pull: Operation = {
  operationId: 'followStreams',
  tags: ['WebSockets'],
  summary: 'Follow streams',
  description: `What you are sent, by \`header\`:

| \`header\` | a message is | with no data for \`block\` ms |
| --- | --- | --- |
| \`1\` | a text frame \`[[sid, id, offset], …]\`, then a binary frame with the entries' bytes one after the other | \`[]\` and an empty binary frame |
| \`0\` | a binary frame, one entry; one stream and \`count\` 1 only | nothing |
| \`msgpack\` | a binary frame, an array of \`[sid, id, bin]\` | an empty array |

A message holds entries of one stream; several streams take turns. Large frames are sent as WebSocket fragments, which clients put together by themselves.

A follower gets every entry after its cursor that Redis still holds, in order, each once, whatever its speed. With \`latest\` it gets the newest whenever it can take a message, never one older than one it was sent. A pull with \`block=-1\` is sent its heartbeat as soon as it has caught up, once until there was data again or it acknowledged: with \`ack=1\` that makes a WebSocket a poll.

With \`gaps=1\` a loss, an entry that was added after your cursor and that you will never be sent, is reported before the next entry of its stream: by a text frame \`{"gap": {"stream", "after", "resumed_at", "reason"}}\`. All that may be missing lies between the ids \`after\` and \`resumed_at\`. \`reason\` is \`deleted\` where the gateway saw that the stream itself went, and \`trimmed\` otherwise: trimmed, deleted by XDEL, or removed with a stream that was replaced unseen. Where nothing proves that no entry is missing a loss is reported, so false alarms are possible. What \`latest\` skips is no loss.

With \`ack=1\` you send a text frame, of any content, after each message; nothing else is ever expected of you.

While Redis is away the connection stays open, and goes on where it was.`,
  parameters: [
    SID.read,
    ...SELECTION,
    PARAMETERS.lastEntryId,
    PARAMETERS.from,
    PARAMETERS.untilPull,
    PARAMETERS.speed,
    PARAMETERS.latest,
    PARAMETERS.count,
    PARAMETERS.blockPull,
    PARAMETERS.pullHeader,
    PARAMETERS.offsets,
    PARAMETERS.pullAck,
    PARAMETERS.maxFps,
    PARAMETERS.gapsPull,
    PARAMETERS.keepDevice,
  ],
  responses: {
    101: SWITCHING,
    ...failureResponses([...WORK, ...TOKEN, ...NAMED, ...REDIS_READ, 'upgrade_required']),
  },
  security: GUARDED_SOCKET,
  'x-websocket': { closeCodes: closeCodes([...OF_ANY_SOCKET, 'wrong_type', 'redis_error', 'redis_denied']) },
  'x-codeSamples': SAMPLES.followStreams,
};

export const SOCKET_PATHS: Paths = { '/data/{sid}/push': { get: push }, '/data/{sid}/pull': { get: pull } };
