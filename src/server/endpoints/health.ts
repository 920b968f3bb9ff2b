/**
 * `/healthz`: the process serves. `/readyz`: the gateway can do its work, and what an ack means on disk. Of several
 * workers one is enough: a balancer that took the gateway out for one of them would take it out for all.
 */
import type { Readiness } from '../../supervisor/messages.js';
import type { GatewayContext } from '../context.js';
import type { HttpExchange } from '../http/http-exchange.js';

export function healthz(_context: GatewayContext, exchange: HttpExchange): void {
  exchange.answer({ type: 'application/json', body: '{"status":"ok"}' });
}

/** Has other workers know whether this one can do its work. */
export function answerReadiness(context: GatewayContext): void {
  context.siblings?.onAsked('readiness', () => readinessOf(context));
}

export async function readyz(context: GatewayContext, exchange: HttpExchange): Promise<void> {
  const { siblings, config } = context;
  const all = siblings === undefined ? [readinessOf(context)] : await siblings.askOnce('readiness');
  const ready = all.filter(({ isReady }) => isReady);
  const { isReady, body } = ready[0] ?? all[0]!;
  const workers = siblings === undefined ? {} : { workers: { ready: ready.length, of: config.WORKERS } };
  exchange.answer({
    status: isReady ? 200 : 503,
    type: 'application/json',
    body: JSON.stringify({ ...body, ...workers }),
  });
}

/** Of this process alone. */
function readinessOf(context: GatewayContext): Readiness {
  const refusal = context.cluster.failure;
  const { takesManyKeys, figures } = context.control;
  const { connected, away } = figures.nodes;
  const checks = {
    redis: refusal === undefined && context.pipes.isReady && context.control.isReady,
    readers: context.threads.readers.every((reader) => reader.isConnected),
    pool: context.threads.poolThreads > 0,
    accepting: !context.stopping.signal.aborted,
  };
  // Of a cluster one shard is enough: a balancer would take all gateways out for a single one.
  const needed = takesManyKeys ? checks : { ...checks, readers: true };
  const isReady = Object.values(needed).every(Boolean);
  return {
    isReady,
    body: {
      status: isReady ? 'ready' : 'not ready',
      ...(refusal === undefined ? {} : { reason: refusal.message }),
      checks,
      ...(takesManyKeys ? {} : { shards: { ready: connected, of: connected + away } }),
      durability: context.durability.current,
    },
  };
}
