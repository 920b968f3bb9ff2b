/** What one machine may carry, where nothing else is said. */
import type { Capacity } from './model.js';

export const USUAL_CAPACITY: Capacity = {
  busy: 0.5,
  // Of a link with 10.
  network: 7e9,
  gatewayMemory: 4 * 2 ** 30,
  shardMemory: 32 * 2 ** 30,
  connections: 50_000,
};
