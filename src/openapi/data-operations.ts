/** `/data/{sid}`: entries stored and read by plain HTTP. */

import type { FailureCode } from '../protocol/errors.js';
import { SAMPLES } from './code-samples.js';
import { BODY, failureResponses, NAMED, REDIS_READ, REDIS_WRITE, TOKEN, WORK } from './failures.js';
import type { HeaderObject, Operation, Paths } from './model.js';
import { PARAMETERS, SELECTION, SID } from './parameters.js';

const MSGPACK = 'application/msgpack';
const IDS = { type: 'array', items: { $ref: '#/components/schemas/EntryId' } };

/** What the cursor of an answer is, wherever it stands. */
export const LAST_ENTRY_ID: HeaderObject = {
  description:
    'The cursor for the next request, never `$`: who polls with it misses nothing and sees nothing twice. For several streams one each, joined by `+`.',
  required: true,
  schema: { type: 'string' },
};
const OFFSETS: HeaderObject = {
  description:
    'JSON `[[sid, id, offset], …]`: which entry lies where in the body. The answer ends with the last entry for which the head, below 4 kB, has room. Not with MessagePack, which names the entries itself.',
  required: false,
  schema: { type: 'string', contentMediaType: 'application/json' },
};
const GAPS: HeaderObject = {
  description:
    'With `gaps=1`, JSON `[{"stream", "after", "resumed_at", "reason"}, …]`: which streams lost entries before those of the answer.',
  schema: { type: 'string', contentMediaType: 'application/json' },
};
export const NO_STORE: HeaderObject = {
  description: 'Nothing of it is to be kept.',
  required: true,
  schema: { const: 'no-store' },
};

const append: Operation = {
  operationId: 'appendEntries',
  tags: ['Data'],
  summary: 'Store entries',
  description: `Stores the parts named \`entries\` of a form, in order, or any other body as one entry. With \`{sid}\` \`*\` each part's filename is its stream id.

Every name is checked before anything is stored. If an entry could not be stored, the error's \`entries\` lists an id or an error for each. Every append trims its stream to about \`REDIS_STREAM_MAXLEN\` entries.`,
  parameters: [SID.write, ...SELECTION, PARAMETERS.minReplicas],
  requestBody: {
    description: 'At most `MAX_PAYLOAD_BYTES`, with a Content-Length and without a Content-Encoding.',
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: ['entries'],
          properties: { entries: { type: 'array', minItems: 1, items: { contentMediaType: '*/*' } } },
        },
      },
      '*/*': { schema: { description: 'One entry, byte for byte.' } },
    },
  },
  responses: {
    200: {
      description: 'All entries are stored: their ids, in the order of the entries.',
      content: { 'application/json': { schema: IDS, example: ['1795336103800-0'] } },
    },
    ...failureResponses([
      ...WORK,
      ...TOKEN,
      ...NAMED,
      ...BODY,
      ...REDIS_WRITE,
      'not_replicated',
    ] satisfies FailureCode[]),
  },
  'x-codeSamples': SAMPLES.appendEntries,
};

const read: Operation = {
  operationId: 'readEntries',
  tags: ['Data'],
  summary: 'Read entries after a cursor',
  description: `Answers the entries' bytes one after the other, and waits for some where there are none yet. No data within \`block\` is status 200 with an empty body. A response ends after about 16 MiB; the cursors lead on.

Entries that other programs wrote without a field \`d\` come as a JSON object of their fields, values that are not UTF-8 as \`{"base64": "…"}\`.`,
  parameters: [
    SID.read,
    ...SELECTION,
    PARAMETERS.lastEntryId,
    PARAMETERS.from,
    PARAMETERS.untilRead,
    PARAMETERS.latest,
    PARAMETERS.count,
    PARAMETERS.blockRead,
    PARAMETERS.offsets,
    PARAMETERS.gapsRead,
    PARAMETERS.keepDevice,
  ],
  responses: {
    200: {
      description: 'The entries, or none.',
      headers: {
        'x-last-entry-id': LAST_ENTRY_ID,
        'x-offsets': OFFSETS,
        'x-gap': GAPS,
        'cache-control': NO_STORE,
      },
      content: {
        'application/octet-stream': {
          schema: { description: 'The bytes of the entries, one after the other.' },
        },
        [MSGPACK]: {
          schema: {
            description: `With \`Accept: ${MSGPACK}\`: an array of \`[sid, id, bin]\`, an entry each.`,
          },
        },
      },
    },
    ...failureResponses([...WORK, ...TOKEN, ...NAMED, ...REDIS_READ]),
  },
  'x-codeSamples': SAMPLES.readEntries,
};

export const DATA_PATHS: Paths = { '/data/{sid}': { get: read, post: append } };
