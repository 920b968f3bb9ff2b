/** `/graphql` over HTTP, by the GraphQL-over-HTTP specification; as server-sent events where asked for. */
import { getOperationAST, OperationTypeNode } from 'graphql';
import { createHandler, parseRequestParams } from 'graphql-http';
import type { Grant } from '../../../access/grant.js';
import { checkRequestText, MAX_REQUEST_BYTES } from '../../../graphql/limits.js';
import { FAILURES, Failure } from '../../../protocol/errors.js';
import type { BodyHandler, GrantedHandler } from '../../admission/authorize.js';
import type { GatewayContext } from '../../context.js';
import type { Header } from '../../http/answer-head.js';
import type { HttpExchange } from '../../http/http-exchange.js';
import type { GraphqlEndpoint, GraphqlRequest } from './endpoint.js';
import { streamEvents } from './events.js';

const EVENT_STREAM = 'text/event-stream';
/** What is answered otherwise. */
const JSON_TYPES = ['application/json', 'application/graphql-response+json', 'application/*', '*/*'];

const WRONG_TYPE = FAILURES.unsupported_media_type.status;

type Handle = (exchange: HttpExchange, grant: Grant, body: string | null) => Promise<void>;

/** Answers GET and POST at `/graphql`. */
export function createGraphqlHandlers(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
): { readonly get: GrantedHandler; readonly post: BodyHandler } {
  const handle = createHttpHandle(endpoint);
  const answer: Handle = async (exchange, grant, body) => {
    const request = await readEventsRequest(endpoint, exchange, body);
    if (request === undefined) await handle(exchange, grant, body);
    else await streamEvents(context, endpoint, exchange, grant, request);
  };
  return {
    get: (exchange, grant) => answer(exchange, grant, null),
    post: {
      limit: MAX_REQUEST_BYTES,
      prepare: (exchange, grant) => (body) => {
        // Whole before it is decoded: no character is cut between two chunks.
        const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
        checkRequestText(text);
        void exchange.run(() => answer(exchange, grant, text));
      },
    },
  };
}

/** The request in the form that graphql-http takes it from any server. */
function portable<T>(exchange: HttpExchange, body: string | null, context: T) {
  return {
    method: exchange.method === 'head' ? 'GET' : exchange.method.toUpperCase(),
    // A second question mark is part of the query, and the library would end that there.
    url: `${exchange.path}?${exchange.query.replaceAll('?', '%3F')}`,
    headers: { get: (name: string) => exchange.header(name) || null },
    body,
    raw: exchange,
    context,
  };
}

function createHttpHandle(endpoint: GraphqlEndpoint): Handle {
  const handler = createHandler<HttpExchange, Grant>({
    schema: endpoint.schema,
    parse: (source) => endpoint.documents.parse(typeof source === 'string' ? source : source.body),
    validate: (_schema, document) => endpoint.documents.validate(document),
    context: ({ context: grant }) => endpoint.createContext(grant) as never,
    // Errors alone, as of a missing variable, are a bad request, which the library takes for an answer.
    onOperation: (_req, args, result) => {
      endpoint.count(args);
      return 'errors' in result && !('data' in result) ? (result.errors as never) : undefined;
    },
  });
  return async (exchange, grant, body) => {
    const [text, { status, headers }] = await handler(portable(exchange, body, grant));
    // The library gives no reason for this one.
    if (status === WRONG_TYPE) throw wrongType();
    answerPortable(exchange, text, status, headers);
  };
}

function answerPortable(
  exchange: HttpExchange,
  body: string | null,
  status: number,
  headers: Readonly<Record<string, string | undefined>> | undefined,
): void {
  const { 'content-type': type, ...rest } = headers ?? {};
  exchange.answer({
    status,
    ...(type === undefined ? {} : { type }),
    headers: Object.entries(rest).filter(
      (header): header is [string, string] => header[1] !== undefined,
    ) as Header[],
    body: body ?? '',
  });
}

const wrongType = () =>
  new Failure('unsupported_media_type', 'the Content-Type of a body must be application/json');

/** The media types of an Accept header, without their parameters. */
export function acceptedTypes(exchange: Pick<HttpExchange, 'header'>): string[] {
  const accepted = exchange.header('accept').toLowerCase().split(',');
  return accepted.map((type) => type.split(';')[0]!.trim());
}

/**
 * The request, where its client would have events: either rather than JSON, or since it is a subscription,
 * for which there is no other way.
 * @throws Failure `bad_body`, `unsupported_media_type`
 */
async function readEventsRequest(
  endpoint: GraphqlEndpoint,
  exchange: HttpExchange,
  body: string | null,
): Promise<GraphqlRequest | undefined> {
  const types = acceptedTypes(exchange);
  const events = types.indexOf(EVENT_STREAM);
  if (events < 0 || exchange.method === 'head') return undefined;
  const request = await parseRequestParams(portable(exchange, body, undefined)).catch((error: Error) => {
    throw new Failure('bad_body', `the request does not parse: ${error.message}`);
  });
  if (!('query' in request)) {
    throw wrongType();
  }
  const isFirst = !types.slice(0, events).some((type) => JSON_TYPES.includes(type));
  return isFirst || isSubscription(endpoint, request) ? request : undefined;
}

function isSubscription({ documents }: GraphqlEndpoint, { query, operationName }: GraphqlRequest): boolean {
  try {
    const operation = getOperationAST(documents.parse(query), operationName);
    return operation?.operation === OperationTypeNode.SUBSCRIPTION;
  } catch {
    return false;
  }
}
