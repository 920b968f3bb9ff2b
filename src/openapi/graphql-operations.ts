/** `/graphql`: one address for queries, mutations, subscriptions, and the explorer. */

import { MAX_REQUEST_BYTES } from '../graphql/limits.js';
import { SAMPLES } from './code-samples.js';
import { BODY, closeCodes, failureResponses, TOKEN, WORK } from './failures.js';
import type { MediaType, Operation, Parameter, Paths, ResponseObject } from './model.js';
import { GUARDED_SOCKET } from './security.js';
import { OF_ANY_SOCKET, SWITCHING } from './socket-operations.js';

const RESULT = { $ref: '#/components/schemas/GraphqlResult' };
const CONTENT: Readonly<Record<string, MediaType>> = {
  'application/json': { schema: RESULT },
  'application/graphql-response+json': { schema: RESULT },
  'text/event-stream': {
    schema: {
      description:
        'With `Accept: text/event-stream`: an `event: next` for each result and `event: complete` at the end (distinct connections of graphql-sse).',
    },
  },
};
const RESPONSES: Readonly<Record<string, ResponseObject>> = {
  200: {
    description: 'The result. Errors of single fields stand in `errors`, with a code in `extensions.code`.',
    content: CONTENT,
  },
};

const REFUSED = failureResponses([...WORK, ...TOKEN]);
/** A document that is not valid is told as GraphQL tells it. */
const INVALID: ResponseObject = {
  description:
    'The request or its document is not valid: `errors` says where. A document that is asked for as `application/json` alone has status 200 then, too.',
  content: {
    'application/json': { schema: RESULT },
    'application/graphql-response+json': { schema: RESULT },
  },
};
const UNACCEPTABLE: ResponseObject = { description: 'The header Accept names nothing that can be answered.' };

const text = (name: string, description: string, schema: Parameter['schema'] = { type: 'string' }) =>
  ({ name, in: 'query', description, schema }) satisfies Parameter;

const get: Operation = {
  operationId: 'graphqlQuery',
  tags: ['GraphQL'],
  summary: 'Query, subscribe, explore',
  description: `A query in the address, as [GraphQL over HTTP](https://graphql.github.io/graphql-over-http/draft/) has it; mutations need a POST. A browser that asks without a query gets GraphiQL, with every field described.

A WebSocket upgrade with the subprotocol \`graphql-transport-ws\` opens a connection for subscriptions by [that protocol](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md); a token may also stand in \`connectionParams\` as \`token\`. \`subscription { data(streamIds: ["glf"]) { streamId time string json } }\` delivers entries as they arrive. Beside the close codes below the protocol has its own: 4400 for a message that it does not know, 4401 before \`connection_init\`, 4408 without one within 10 s, 4409 for an operation's id in use, 4429 for a second \`connection_init\`, 4500 for a fault of the gateway.`,
  parameters: [
    text('query', 'The document.'),
    text('variables', 'A JSON object.', { type: 'string', contentMediaType: 'application/json' }),
    text('operationName', 'Which operation of the document is meant, where it has several.'),
  ],
  responses: {
    ...REFUSED,
    101: SWITCHING,
    200: {
      ...RESPONSES[200]!,
      content: { ...CONTENT, 'text/html': { schema: { description: 'GraphiQL.' } } },
    },
    400: INVALID,
    406: UNACCEPTABLE,
  },
  security: GUARDED_SOCKET,
  'x-websocket': { closeCodes: closeCodes([...OF_ANY_SOCKET, 'bad_frame', 'unauthorized', 'forbidden']) },
  'x-codeSamples': SAMPLES.graphqlQuery,
};

const post: Operation = {
  operationId: 'graphqlRequest',
  tags: ['GraphQL'],
  summary: 'Query and mutate',
  description: `A request has at most ${MAX_REQUEST_BYTES / 1024 / 1024} MiB. The schema, with every field described, is to be had by introspection or in GraphiQL.`,
  requestBody: {
    description: 'The request.',
    required: true,
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: ['query'],
          properties: {
            query: { type: 'string', description: 'The document.' },
            variables: { type: ['object', 'null'] },
            operationName: { type: ['string', 'null'] },
            extensions: { type: ['object', 'null'] },
          },
        },
        example: { query: '{ devices { id meta streams { id length lastEntryTime } } }' },
      },
    },
  },
  responses: {
    ...failureResponses([...WORK, ...TOKEN, ...BODY]),
    ...RESPONSES,
    400: INVALID,
    406: UNACCEPTABLE,
  },
  'x-codeSamples': SAMPLES.graphqlRequest,
};

export const GRAPHQL_PATHS: Paths = { '/graphql': { get, post } };
