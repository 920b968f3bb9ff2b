/** What the bodies are made of, by the names that the operations refer to. */
import { FAILURES } from '../protocol/errors.js';
import type { Schema } from './model.js';

export const SCHEMAS: Readonly<Record<string, Schema>> = {
  EntryId: {
    type: 'string',
    pattern: '^[0-9]{1,20}-[0-9]{1,20}$',
    description: 'Milliseconds since 1970, and a number among entries of the same millisecond.',
  },
  Failure: {
    type: 'object',
    required: ['error', 'code'],
    properties: {
      error: { type: 'string', description: 'One sentence, for people.' },
      code: { $ref: '#/components/schemas/FailureCode', description: 'For programs.' },
      entries: {
        type: 'array',
        description: 'Of a request whose entries were stored in part: the id or the error of each, in order.',
        items: {
          anyOf: [{ $ref: '#/components/schemas/EntryId' }, { $ref: '#/components/schemas/Failure' }],
        },
      },
      id: { $ref: '#/components/schemas/EntryId', description: 'With `not_replicated`: it is stored.' },
      replicas: { type: 'integer', description: 'With `not_replicated`: how many are known to have it.' },
    },
  },
  FailureCode: {
    type: 'string',
    enum: Object.keys(FAILURES),
    description: 'For programs: one of the failures of `x-failures`, which the reference lists under Errors.',
  },
  GraphqlResult: {
    type: 'object',
    properties: {
      data: {
        type: ['object', 'null'],
        description: 'What was asked for; fields with errors are null.',
      },
      errors: {
        type: 'array',
        items: { $ref: '#/components/schemas/GraphqlError' },
        description: 'Only where there are some.',
      },
    },
  },
  GraphqlError: {
    type: 'object',
    required: ['message'],
    properties: {
      message: { type: 'string', description: 'One sentence, for people.' },
      path: { type: 'array', description: 'The field, from the outermost to itself.' },
      locations: { type: 'array', description: 'Where in the document.' },
      extensions: { type: 'object', description: 'With a `code`, one of the failure codes.' },
    },
  },
  Overview: {
    type: 'object',
    required: ['at', 'devices', 'streams', 'omitted'],
    properties: {
      at: { type: 'integer', description: "The gateway's clock, milliseconds since 1970." },
      devices: {
        type: 'array',
        items: { $ref: '#/components/schemas/DeviceOverview' },
        description: 'Those that were ever seen.',
      },
      streams: {
        type: 'array',
        items: { $ref: '#/components/schemas/StreamOverview' },
        description: 'Those written last come first.',
      },
      omitted: { type: 'integer', description: 'Streams that fit and are not told of.' },
      away: {
        type: 'array',
        items: { type: 'string' },
        description:
          'Only while some are: masters of a Redis Cluster that are away, as `host:port`. What is told of their streams may be old.',
      },
    },
  },
  DeviceOverview: {
    type: 'object',
    required: ['id', 'connected'],
    properties: {
      id: { type: 'string' },
      connected: { type: 'boolean', description: 'It has said so, and not that it leaves.' },
    },
  },
  StreamOverview: {
    type: 'object',
    required: [
      ...['key', 'device', 'sid', 'length'],
      ...['entriesAdded', 'lastEntryId', 'lastEntryBytes', 'followers'],
    ],
    properties: {
      key: { type: 'string' },
      device: { type: ['string', 'null'], description: 'null where the key names none.' },
      sid: { type: 'string' },
      length: { type: 'integer', description: 'Entries that it holds.' },
      entriesAdded: { type: 'integer', description: 'Entries that were ever added.' },
      lastEntryId: { type: 'string' },
      lastEntryBytes: { type: ['integer', 'null'], description: 'null where Redis lets no script ask.' },
      followers: { type: 'integer', description: 'Clients that follow it here.' },
    },
  },
  Readiness: {
    type: 'object',
    required: ['status', 'checks', 'durability'],
    properties: {
      status: { enum: ['ready', 'not ready'] },
      reason: { type: 'string' },
      checks: { type: 'object', additionalProperties: { type: 'boolean' } },
      durability: { type: 'object', properties: { meaning: { type: 'string' } } },
      workers: {
        description: 'Where the gateway has several workers.',
        type: 'object',
        required: ['ready', 'of'],
        properties: { ready: { type: 'integer' }, of: { type: 'integer' } },
      },
      shards: {
        description: 'Masters of a Redis Cluster that are connected; where Redis is one.',
        type: 'object',
        required: ['ready', 'of'],
        properties: { ready: { type: 'integer' }, of: { type: 'integer' } },
      },
    },
  },
};
