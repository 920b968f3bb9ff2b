/** From an HTTP request to a WebSocket, with what must be known before the client is told that it is open. */
import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import { Failure } from '../../protocol/errors.js';
import { chooseSubprotocol } from '../admission/authorize.js';
import type { GatewayContext } from '../context.js';
import { HttpExchange } from '../http/http-exchange.js';
import { readingMethods } from './reading.js';

/** RFC 6455 §4.2.1. */
const VERSION = '13';
/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/**
 * Upgrades once `prepare` has made the socket's data; what it throws is the HTTP answer instead.
 * @param prepare is given the path's variable part, still encoded
 * @param subprotocol the one that is spoken; undefined: whichever the client offers first
 */
export function upgradeSocket<T extends object>(
  context: GatewayContext,
  res: HttpResponse,
  req: HttpRequest,
  socketContext: us_socket_context_t,
  prepare: (exchange: HttpExchange, parameter: string) => T | Promise<T>,
  subprotocol?: string,
): void {
  const exchange = new HttpExchange(context, res, req);
  if (exchange.isOver) return;
  if (exchange.header('sec-websocket-version') !== VERSION) {
    exchange.fail(new Failure('upgrade_required', `Sec-WebSocket-Version must be ${VERSION}`), [
      ['sec-websocket-version', VERSION],
    ]);
    return;
  }
  // The library would take a body for the first frames.
  if (Number(exchange.header('content-length')) > 0) {
    exchange.fail(new Failure('bad_parameter', 'a request for a WebSocket must not have a body'));
    return;
  }
  // With a response that says goodbye the library would close the connection, and upgrade it then.
  if (!req.getHeader('connection').toLowerCase().includes('upgrade')) {
    exchange.fail(new Failure('upgrade_required', "the Connection header must be 'Upgrade'"));
    return;
  }
  const key = exchange.header('sec-websocket-key');
  // A browser that offers subprotocols goes away unless one of them is chosen.
  const protocol = subprotocol ?? chooseSubprotocol(exchange);
  if (protocol !== '' && !TOKEN.test(protocol)) {
    exchange.fail(new Failure('bad_parameter', 'Sec-WebSocket-Protocol must be names, separated by commas'));
    return;
  }
  const extensions = exchange.header('sec-websocket-extensions');
  const parameter = req.getParameter(0) ?? '';
  exchange.run(async () => {
    const data = await prepare(exchange, parameter);
    if (exchange.isOver) return;
    if (context.stopping.signal.aborted) throw new Failure('shutting_down', 'the gateway is going down');
    if (context.cluster.failure !== undefined) throw context.cluster.failure;
    const { address } = exchange;
    const reading = readingMethods(res);
    context.connections.upgrading(address);
    context.borrowedCork.cork(() =>
      res.upgrade({ ...data, address, reading }, key, protocol, extensions, socketContext),
    );
    exchange.upgraded();
  });
}

/**
 * Answers who asks for a WebSocket's address without an upgrade: what would refuse the upgrade refuses this, too.
 * Browsers do not tell pages why a WebSocket was refused, so that they can find out here.
 * @param prepare checks as it would before an upgrade
 */
export function refuseWithoutUpgrade(
  prepare: (exchange: HttpExchange, parameter: string) => unknown,
): (exchange: HttpExchange, parameter: string) => Promise<void> {
  return async (exchange, parameter) => {
    await prepare(exchange, parameter);
    exchange.fail(
      new Failure('upgrade_required', 'this address is for WebSockets: connect to it by ws:// or wss://'),
      [['upgrade', 'websocket']],
    );
  };
}
