/** Wraps an endpoint as the library's handler. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { Duty } from '../admission/admission.js';
import type { GatewayContext } from '../context.js';
import { HttpExchange } from './http-exchange.js';

/** Nothing that the endpoint does can end the process. */
export function endpoint(
  context: GatewayContext,
  run: (exchange: HttpExchange, req: HttpRequest) => void | Promise<void>,
  duty: Duty = 'work',
): (res: HttpResponse, req: HttpRequest) => void {
  return (res, req) => {
    const exchange = new HttpExchange(context, res, req, duty);
    if (!exchange.isOver) exchange.run(() => run(exchange, req));
  };
}
