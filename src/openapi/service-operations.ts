/** What concerns the gateway itself: its state, its pages, and this description. */
import { SAMPLES } from './code-samples.js';
import { ANY, failureResponses, TOKEN, WORK } from './failures.js';
import type { HeaderObject, MediaType, Operation, Paths, ResponseObject } from './model.js';
import { OPEN } from './security.js';

export const ASK_AGAIN: HeaderObject = {
  description: 'To be asked for again each time.',
  required: true,
  schema: { const: 'no-cache' },
};

const answer = (
  description: string,
  content: Readonly<Record<string, MediaType>>,
  headers?: Readonly<Record<string, HeaderObject>>,
): ResponseObject => ({ description, content, ...(headers === undefined ? {} : { headers }) });

const STATE = { $ref: '#/components/schemas/Readiness' };

const greeting: Operation = {
  operationId: 'start',
  tags: ['Gateway'],
  summary: 'Where to begin',
  description: 'The live page for a browser; for others a short text that lists the addresses.',
  responses: {
    200: answer('The page, or the text.', {
      'text/plain': { schema: { type: 'string' } },
      'text/html': { schema: { description: 'The live page.' } },
    }),
    ...failureResponses(WORK),
  },
  security: OPEN,
};

const healthz: Operation = {
  operationId: 'healthz',
  tags: ['Gateway'],
  summary: 'Does the process serve?',
  responses: {
    200: answer('It does.', {
      'application/json': { schema: { type: 'object', properties: { status: { const: 'ok' } } } },
    }),
    ...failureResponses(ANY),
  },
  security: OPEN,
  'x-codeSamples': SAMPLES.healthz,
};

const readyz: Operation = {
  operationId: 'readyz',
  tags: ['Gateway'],
  summary: 'Can it do its work?',
  description:
    'It can while Redis is connected, all threads are up and the gateway is not going down; of several workers one that can is enough, and of the masters of a Redis Cluster one that is connected: `shards` says how many are. `durability` says what an ack means on disk.',
  responses: {
    200: answer('It can.', { 'application/json': { schema: STATE } }),
    ...failureResponses(ANY),
    503: answer('It cannot: `checks` says why.', { 'application/json': { schema: STATE } }),
  },
  security: OPEN,
  'x-codeSamples': SAMPLES.readyz,
};

const metrics: Operation = {
  operationId: 'metrics',
  tags: ['Gateway'],
  summary: 'Metrics for Prometheus',
  description: 'With access control it needs `read` or `admin` for everything.',
  responses: {
    200: answer('The metrics.', { 'text/plain': { schema: { type: 'string' } } }),
    ...failureResponses([...ANY, ...TOKEN]),
  },
  'x-codeSamples': SAMPLES.metrics,
};

const openapi: Operation = {
  operationId: 'openapi',
  tags: ['Gateway'],
  summary: 'This description',
  responses: {
    200: answer(
      'OpenAPI 3.1.',
      { 'application/json': { schema: { type: 'object', required: ['openapi', 'info', 'paths'] } } },
      { 'cache-control': ASK_AGAIN },
    ),
    ...failureResponses(WORK),
  },
  security: OPEN,
  'x-codeSamples': SAMPLES.openapi,
};

const docs: Operation = {
  operationId: 'docs',
  tags: ['Gateway'],
  summary: 'This description, to be read',
  responses: {
    200: answer('The page.', { 'text/html': { schema: { type: 'string' } } }, { 'cache-control': ASK_AGAIN }),
    ...failureResponses([...WORK, 'not_found']),
  },
  security: OPEN,
};

export const SERVICE_PATHS: Paths = {
  '/': { get: greeting },
  '/healthz': { get: healthz },
  '/readyz': { get: readyz },
  '/metrics': { get: metrics },
  '/openapi.json': { get: openapi },
  '/docs': { get: docs },
};
