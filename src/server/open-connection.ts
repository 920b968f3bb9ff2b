/** A connection that a client holds open: named in the log, and counted, from its beginning to its end. */
import type { Failure } from '../protocol/errors.js';
import type { StreamSelection } from '../protocol/parameters.js';
import { EntryTrace } from '../system/entry-trace.js';
import type { GatewayContext } from './context.js';
import type { ConnectionEndpoint } from './counters.js';

/** Names a connection in the log: short, and its own for as long as the process lives. */
let lastNumber = 0;

export class OpenConnection {
  readonly #context: Pick<GatewayContext, 'counters' | 'logger'>;
  readonly #endpoint: ConnectionEndpoint;
  readonly #about: { readonly connection: string; readonly endpoint: string };
  /** Of the entries that it carries. */
  readonly trace: EntryTrace | undefined;

  /** @param selection what the client asked for: the log names it, and nothing of what the connection carries */
  constructor(
    context: Pick<GatewayContext, 'counters' | 'logger'>,
    endpoint: ConnectionEndpoint,
    selection: StreamSelection | undefined,
  ) {
    this.#context = context;
    this.#endpoint = endpoint;
    this.#about = {
      connection: `c${(++lastNumber).toString(36)}`,
      endpoint,
      ...(selection === undefined ? {} : { device: selection.device, streams: selection.sids }),
    };
    const { connection } = this.#about;
    this.trace = EntryTrace.start(context.logger, { connection, endpoint });
    context.counters.opened(endpoint);
    context.logger.debug(this.#about, 'a connection is open');
  }

  /** It is being closed for a failure. @param isSlow since its client did not read what it was sent */
  fail({ code, message }: Failure, isSlow: boolean): void {
    const { counters, logger } = this.#context;
    counters.failures[code]++;
    if (isSlow) counters.slowCloses[this.#endpoint]++;
    logger.info({ ...this.#about, code, reason: message }, 'a connection is closed');
  }

  closed(): void {
    this.#context.counters.closed(this.#endpoint);
    this.#context.logger.debug(this.#about, 'a connection has ended');
  }
}
