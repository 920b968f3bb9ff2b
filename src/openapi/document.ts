/** The whole description, OpenAPI 3.1: what `/openapi.json` answers, and the page at `/docs` shows. */
import { FAILURES } from '../errors.js';
import { DATA_PATHS } from './data-operations.js';
import { GRAPHQL_PATHS } from './graphql-operations.js';
import type { Description, Paths, Schema } from './model.js';
import { GUARDED, SECURITY_SCHEMES } from './security.js';
import { SERVICE_PATHS } from './service-operations.js';
import { SOCKET_PATHS } from './socket-operations.js';
import { VIEW_PATHS } from './view-operations.js';

const DESCRIPTION = `Redis Streams behind REST, binary WebSockets and GraphQL on one port.

- **Parameters.** A wrong form is status 400, before anything is read or upgraded, and the error names the parameter. Unknown parameters are ignored; one given twice is refused. Booleans take 1/0, true/false, yes/no, on/off in any case.
- **Errors.** Bodies and acks carry \`{"error": "<sentence>", "code": "<code>"}\`; a closed WebSocket the close code and the sentence as its reason.
- **Methods.** HEAD works wherever GET does, OPTIONS everywhere, a trailing slash is the same address. Other methods are \`method_not_allowed\`.
- **Tokens.** Off unless access control is set up. A client brings its token in the header \`Authorization: Bearer …\`, or where it can set none, as browsers' WebSockets, as the subprotocol \`bearer.…\` beside any other, which is then the one that is chosen. As \`?token=\` only with \`ALLOW_TOKEN_IN_QUERY=1\`.
- **Pages of other origins** are let in as \`CORS_ORIGINS\` says, and then may read all headers that are described here.`;

const TAGS = [
  { name: 'Data', description: 'Entries of streams by plain HTTP.' },
  { name: 'WebSockets', description: 'Entries of streams as they come, in binary.' },
  { name: 'Views', description: 'Streams as what a browser shows by an address alone: pictures and events.' },
  { name: 'GraphQL', description: 'Devices, streams, metadata.' },
  { name: 'Gateway', description: 'The gateway itself. Nobody is asked for a token, but for the metrics.' },
] as const;

const SCHEMAS: Readonly<Record<string, Schema>> = {
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
      code: { $ref: '#/components/schemas/FailureCode' },
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
  FailureCode: { type: 'string', enum: Object.keys(FAILURES), description: 'For programs.' },
  GraphqlResult: {
    type: 'object',
    properties: {
      data: { type: ['object', 'null'] },
      errors: {
        type: 'array',
        items: {
          type: 'object',
          required: ['message'],
          properties: {
            message: { type: 'string' },
            path: { type: 'array' },
            extensions: {
              type: 'object',
              properties: { code: { type: 'string', description: 'A `FailureCode`.' } },
            },
          },
        },
      },
    },
  },
  Overview: {
    type: 'object',
    required: ['at', 'devices', 'streams', 'omitted'],
    properties: {
      at: { type: 'integer', description: "The gateway's clock, milliseconds since 1970." },
      devices: {
        type: 'array',
        items: {
          type: 'object',
          required: ['id', 'connected'],
          properties: { id: { type: 'string' }, connected: { type: 'boolean' } },
        },
      },
      streams: { type: 'array', items: { $ref: '#/components/schemas/StreamOverview' } },
      omitted: { type: 'integer', description: 'Streams that fit and are not told of.' },
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
      checks: { type: 'object', additionalProperties: { type: 'boolean' } },
      durability: { type: 'object', properties: { meaning: { type: 'string' } } },
    },
  },
};

/** @param version of the package */
export function createDocument(version: string): Description {
  const paths: Paths = { ...DATA_PATHS, ...SOCKET_PATHS, ...VIEW_PATHS, ...GRAPHQL_PATHS, ...SERVICE_PATHS };
  return {
    openapi: '3.1.0',
    info: {
      title: 'streamgate',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description: DESCRIPTION,
    },
    servers: [{ url: '/' }],
    security: GUARDED,
    tags: TAGS,
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: SECURITY_SCHEMES,
    },
    'x-failures': FAILURES,
  };
}
