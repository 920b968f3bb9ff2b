/** A subscription that replays a stream, beside a WebSocket pull of the same. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { GatewayProcess } from '../../test/support/gateway-process.js';
import { openReceivingSocket } from '../load/received.js';
import { roundOf, withCost } from '../side.js';
import type { GraphqlCase } from './graphql-bed.js';

const REPLAYED = 20_000;
const REPLAYED_BYTES = 100;
const FRAME_BYTES = REPLAYED_BYTES + 2;
const SUBSCRIPTION = 'subscription { data(streamIds: ["s"], lastEntryId: "0") { streamId time string } }';

/** @returns milliseconds until a subscription has been sent so many entries */
async function subscribe(gateway: GatewayProcess, entries: number): Promise<number> {
  const ws = new WebSocket(`${gateway.ws}/graphql`, 'graphql-transport-ws', { perMessageDeflate: false });
  try {
    await once(ws, 'open');
    const start = performance.now();
    // One message is the acknowledgement of the connection.
    let missing = entries + 1;
    const done = new Promise<void>((resolve, reject) => {
      ws.on('message', () => {
        if (--missing === 0) resolve();
      });
      ws.on('close', (code) => reject(new Error(`closed with ${code}, ${missing} messages missing`)));
    });
    ws.send(JSON.stringify({ type: 'connection_init' }));
    ws.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: SUBSCRIPTION } }));
    await done;
    return performance.now() - start;
  } finally {
    ws.removeAllListeners('close');
    ws.terminate();
  }
}

/** @returns milliseconds until a follower has been sent so many entries */
async function pull(gateway: GatewayProcess, entries: number): Promise<number> {
  const start = performance.now();
  let missing = entries * FRAME_BYTES;
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const path = '/data/s/pull?header=0&last_entry_id=0';
  const socket = await openReceivingSocket(gateway.port, path, (_buffer, from, to) => {
    missing -= to - from;
    if (missing === 0) finish();
  });
  socket.once('close', () => finish());
  await done;
  const milliseconds = performance.now() - start;
  socket.destroy();
  if (missing !== 0) throw new Error(`closed with ${missing} bytes missing`);
  return milliseconds;
}

const replayed = (scale: number) => Math.round(REPLAYED * scale);

export const subscription: GraphqlCase = {
  name: 'a subscription replays a stream, 100 B',
  unit: 'deliveries/s',
  ceiling: 'WebSocket pull of the same stream, header=0',
  target: 0.05,
  prepare: async (redis, scale) => {
    const pipeline = redis.pipeline();
    for (let index = 0; index < replayed(scale); index++) {
      pipeline.xadd('default:s', '*', 'd', 'x'.repeat(REPLAYED_BYTES));
    }
    await pipeline.exec();
  },
  round: async ({ gateway, redis }, scale) => {
    const entries = replayed(scale);
    const side = { pid: gateway.process.pid!, others: [redis.process.pid!] };
    const ours = await withCost(
      side,
      () => subscribe(gateway, entries),
      () => entries,
    );
    const ceiling = await withCost(
      side,
      () => pull(gateway, entries),
      () => entries,
    );
    return roundOf(ours, [ceiling], (milliseconds) => (entries * 1000) / milliseconds);
  },
};
