/** From an HTTP request to a WebSocket, with what must be known before the client is told that it is open. */
import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import { Failure } from '../errors.js';
import type { GatewayContext } from './context.js';
import { HttpExchange } from './http-exchange.js';

/**
 * Upgrades once `prepare` has made the socket's data; what it throws is the HTTP answer instead.
 * Only its part before the first await may use `req`.
 * @param subprotocol the one that is spoken; undefined: whichever the client offers first
 */
export function upgradeSocket<T>(
  context: GatewayContext,
  res: HttpResponse,
  req: HttpRequest,
  socketContext: us_socket_context_t,
  prepare: (exchange: HttpExchange, req: HttpRequest) => T | Promise<T>,
  subprotocol?: string,
): void {
  const exchange = new HttpExchange(context, res, req);
  if (exchange.isOver) return;
  // With a response that says goodbye the library would close the connection, and upgrade it then.
  if (!req.getHeader('connection').toLowerCase().includes('upgrade')) {
    exchange.fail(new Failure('upgrade_required', "the Connection header must be 'Upgrade'"));
    return;
  }
  const key = exchange.header('sec-websocket-key');
  // A browser that offers subprotocols goes away unless one of them is chosen.
  const protocol = subprotocol ?? exchange.header('sec-websocket-protocol').split(',')[0]!.trim();
  const extensions = exchange.header('sec-websocket-extensions');
  void exchange.run(async () => {
    const data = await prepare(exchange, req);
    if (exchange.isOver) return;
    context.borrowedCork.cork(() => res.upgrade(data, key, protocol, extensions, socketContext));
  });
}
