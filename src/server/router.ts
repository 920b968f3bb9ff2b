/** How an app is given its routes: methods, HEAD, OPTIONS and a slash behind are the same everywhere. */
import type { TemplatedApp, WebSocketBehavior } from 'uWebSockets.js';
import { asFailure, Failure } from '../protocol/errors.js';
import type { Duty } from './admission/admission.js';
import type { Handler } from './admission/authorize.js';
import type { GatewayContext } from './context.js';
import { endpoint } from './http/endpoint.js';
import type { HttpExchange } from './http/http-exchange.js';
import type { ClientSocket } from './sockets/client-socket.js';

/** What an address does for each method; HEAD is as GET. */
type Methods = Partial<Record<'get' | 'post', Handler>>;

/** What every WebSocket has, once it is open. */
interface OpenedSocket {
  socket?: ClientSocket;
  /** Whose connection it is: `upgradeSocket` notes it. */
  readonly address?: string;
}

interface Router {
  /** Answers requests at an address, `:name` standing for its variable part. */
  respond(pattern: string, methods: Methods, duty?: Duty): void;
  /** Opens WebSockets at an address. */
  connect<T extends OpenedSocket>(pattern: string, behavior: WebSocketBehavior<T>): void;
}

/** Whatever is asked for at other addresses is not found. */
export function createRouter(app: TemplatedApp, context: GatewayContext): Router {
  const respond = (pattern: string, methods: Methods, duty: Duty = 'work') => {
    const allowed = ['OPTIONS', ...(methods.get ? ['GET', 'HEAD'] : []), ...(methods.post ? ['POST'] : [])];
    const handler = endpoint(
      context,
      (exchange, req) => {
        const { method } = exchange;
        const run = method === 'head' ? methods.get : methods[method as 'get' | 'post'];
        if (run !== undefined) return run(exchange, req.getParameter(0) ?? '');
        return method === 'options'
          ? answerOptions(context, exchange, allowed)
          : refuseMethod(exchange, allowed);
      },
      duty,
    );
    // A trailing slash is the same address.
    for (const path of pattern === '/' ? [pattern] : [pattern, `${pattern}/`]) app.any(path, handler);
  };

  /** Ends the connection whose handler has thrown. */
  const endFailed = ({ socket }: OpenedSocket, error: unknown) => {
    const failure = asFailure(error);
    if (failure.code === 'internal') context.logger.error({ err: error }, 'a WebSocket failed');
    socket?.end(failure);
  };

  const connect = <T extends OpenedSocket>(pattern: string, behavior: WebSocketBehavior<T>) => {
    const whole: WebSocketBehavior<T> = {
      ...behavior,
      // What one connection's handler throws must not end the process: a lack of memory for a large message, say.
      message: (ws, message, isBinary) => {
        try {
          return behavior.message?.(ws, message, isBinary);
        } catch (error) {
          endFailed(ws.getUserData(), error);
        }
      },
      drain: (ws) => {
        try {
          behavior.drain?.(ws);
        } catch (error) {
          endFailed(ws.getUserData(), error);
        }
      },
      ping: (ws) => ws.getUserData().socket?.pinged(),
      close: (ws, code, reason) => {
        behavior.close?.(ws, code, reason);
        const { address } = ws.getUserData();
        if (address !== undefined) context.connections.closed(address);
      },
    };
    for (const path of [pattern, `${pattern}/`]) app.ws(path, whole);
  };

  app.any(
    '/*',
    endpoint(context, ({ path }) => {
      throw new Failure('not_found', `there is nothing at ${path.slice(0, 200)}; GET / lists the addresses`);
    }),
  );
  return { respond, connect };
}

function answerOptions(context: GatewayContext, exchange: HttpExchange, allowed: readonly string[]): void {
  const methods = allowed.join(', ');
  exchange.answer({
    status: 204,
    headers: [
      ['allow', methods],
      ...(exchange.header('origin') === '' ? [] : context.origins.preflightHeaders(methods)),
    ],
  });
}

function refuseMethod(exchange: HttpExchange, allowed: readonly string[]): void {
  const methods = allowed.join(', ');
  const message = `${exchange.method.toUpperCase()} is not allowed here; allowed are ${methods}`;
  exchange.fail(new Failure('method_not_allowed', message), [['allow', methods]]);
}
