/** `/healthz`: the process serves. `/readyz`: it can do its work, and what an ack means on disk. */
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';

export function healthz(_context: GatewayContext, exchange: HttpExchange): void {
  exchange.answer({ type: 'application/json', body: '{"status":"ok"}' });
}

export function readyz(context: GatewayContext, exchange: HttpExchange): void {
  const refusal = context.cluster.failure;
  const checks = {
    redis: refusal === undefined && context.pipes.isReady && context.control.status === 'ready',
    readers: context.threads.readers.every((reader) => reader.isConnected),
    pool: context.threads.poolThreads > 0,
    accepting: !context.stopping.signal.aborted,
  };
  const isReady = Object.values(checks).every(Boolean);
  exchange.answer({
    status: isReady ? 200 : 503,
    type: 'application/json',
    body: JSON.stringify({
      status: isReady ? 'ready' : 'not ready',
      ...(refusal === undefined ? {} : { reason: refusal.message }),
      checks,
      durability: context.durability.current,
    }),
  });
}
