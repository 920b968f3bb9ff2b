/** From an HTTP request to a WebSocket, with what must be known before the client is told that it is open. */
import type { HttpRequest, HttpResponse, us_socket_context_t } from 'uWebSockets.js';
import type { GatewayContext } from './context.js';
import { HttpExchange } from './http-exchange.js';

/**
 * Upgrades once `prepare` has made the socket's data; what it throws is the HTTP answer instead.
 * Only its part before the first await may use `req`.
 */
export function upgradeSocket<T>(
  context: GatewayContext,
  res: HttpResponse,
  req: HttpRequest,
  socketContext: us_socket_context_t,
  prepare: (exchange: HttpExchange, req: HttpRequest) => T | Promise<T>,
): void {
  const exchange = new HttpExchange(context, res, req);
  if (exchange.isOver) return;
  const key = exchange.header('sec-websocket-key');
  const protocol = exchange.header('sec-websocket-protocol');
  const extensions = exchange.header('sec-websocket-extensions');
  void exchange.run(async () => {
    const data = await prepare(exchange, req);
    if (exchange.isOver) return;
    res.cork(() => res.upgrade(data, key, protocol, extensions, socketContext));
  });
}
