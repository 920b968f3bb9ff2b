/** `/graphql` over HTTP, by the GraphQL-over-HTTP specification; as server-sent events where asked for. */
import { createHandler, parseRequestParams } from 'graphql-http';
import { limitDocument, MAX_REQUEST_BYTES, parseBounded } from '../graphql/limits.js';
import type { GatewayContext } from './context.js';
import type { GraphqlEndpoint } from './graphql-endpoint.js';
import { streamEvents } from './graphql-events.js';
import type { Header, HttpExchange } from './http-exchange.js';

const EVENT_STREAM = 'text/event-stream';

type Handle = (exchange: HttpExchange, body: string | null) => Promise<void>;

/** Answers GET and POST at `/graphql`. */
export function createGraphqlHandler(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
): (exchange: HttpExchange) => void | Promise<void> {
  const handle = createHttpHandle(endpoint);
  const answer: Handle = (exchange, body) =>
    exchange.header('accept').includes(EVENT_STREAM)
      ? answerEvents(context, endpoint, exchange, body)
      : handle(exchange, body);
  return (exchange) => {
    if (exchange.method !== 'post') return answer(exchange, null);
    exchange.readBody(MAX_REQUEST_BYTES, (body) => {
      // Whole before it is decoded: no character is cut between two chunks.
      const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
      void exchange.run(() => answer(exchange, text));
    });
    return undefined;
  };
}

/** The request in the form that graphql-http takes it from any server. */
function portable(exchange: HttpExchange, body: string | null) {
  return {
    method: exchange.method === 'head' ? 'GET' : exchange.method.toUpperCase(),
    url: `${exchange.path}${exchange.query === '' ? '' : `?${exchange.query}`}`,
    headers: { get: (name: string) => exchange.header(name) || null },
    body,
    raw: exchange,
    context: undefined,
  };
}

function createHttpHandle(endpoint: GraphqlEndpoint): Handle {
  const handler = createHandler({
    schema: endpoint.schema,
    parse: parseBounded,
    // Beside the specification's own, which the library adds.
    validationRules: [limitDocument],
    context: () => endpoint.createContext() as never,
  });
  return async (exchange, body) => {
    const [text, { status, headers }] = await handler(portable(exchange, body));
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

async function answerEvents(
  context: GatewayContext,
  endpoint: GraphqlEndpoint,
  exchange: HttpExchange,
  body: string | null,
): Promise<void> {
  const request = await parseRequestParams(portable(exchange, body));
  if (Array.isArray(request)) {
    const [text, { status, headers }] = request;
    answerPortable(exchange, text, status, headers);
  } else if ('query' in request) {
    await streamEvents(context, endpoint, exchange, request);
  }
}
