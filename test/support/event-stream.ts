/** A GraphQL operation answered as server-sent events, read at a pace of one's own. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { GatewayProcess } from './gateway-process.js';
import type { GraphqlAnswer, Variables } from './graphql.js';

export interface ServerEvent<T> {
  readonly event: string;
  /** undefined where it has none. */
  readonly data: GraphqlAnswer<T> | undefined;
}

export class EventStream<T> {
  readonly response: IncomingMessage;
  readonly #chunks: AsyncIterator<Buffer>;
  #received = Buffer.alloc(0);

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.#chunks = response[Symbol.asyncIterator]();
  }

  /** Asks by POST, or by GET as a browser's EventSource does. */
  static async open<T>(
    { port }: Pick<GatewayProcess, 'port'>,
    query: string,
    { variables = {}, method = 'POST', accept = 'text/event-stream', headers = {} } = {} as {
      variables?: Variables;
      method?: 'GET' | 'POST';
      accept?: string;
      headers?: Record<string, string>;
    },
  ): Promise<EventStream<T>> {
    const search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
    const body = Buffer.from(JSON.stringify({ query, variables }));
    const asking = request({
      port,
      host: '127.0.0.1',
      method,
      path: method === 'GET' ? `/graphql?${search}` : '/graphql',
      headers: {
        ...headers,
        accept,
        ...(method === 'GET' ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
      },
    });
    asking.on('error', () => {});
    asking.end(method === 'GET' ? undefined : body);
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    response.on('error', () => {});
    return new EventStream(response);
  }

  /** The next event, comments left out; undefined at the end. Nothing is read from the socket before it is asked for. */
  async next(): Promise<ServerEvent<T> | undefined> {
    for (;;) {
      const end = this.#received.indexOf('\n\n');
      if (end < 0) {
        const { value, done } = await this.#chunks.next();
        if (done) {
          // A comment needs no blank line behind it.
          const rest = this.#received.toString().replace(/^:.*\n/gm, '');
          if (rest !== '') throw new Error(`it ends with half an event: ${rest}`);
          return undefined;
        }
        this.#received = Buffer.concat([this.#received, value]);
        continue;
      }
      const lines = this.#received.subarray(0, end).toString().split('\n');
      this.#received = this.#received.subarray(end + 2);
      const field = (name: string) =>
        lines
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      const event = field('event');
      if (event === undefined) continue;
      const data = field('data');
      return { event, data: data ? (JSON.parse(data) as GraphqlAnswer<T>) : undefined };
    }
  }

  /** The rest, until the end. */
  async rest(): Promise<ServerEvent<T>[]> {
    const events: ServerEvent<T>[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    return events;
  }

  /** What was answered where it is no stream of events. */
  async text(): Promise<string> {
    let body = '';
    for await (const chunk of this.response) body += chunk;
    return body;
  }

  leave(): void {
    this.response.destroy();
  }
}
