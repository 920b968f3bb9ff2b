/** Waits for an ioredis client. */
import type { Redis } from 'ioredis';

/** What ioredis calls a client whose attempt to connect is under way. */
const CONNECTING = new Set(['wait', 'connecting', 'connect']);

/** Resolves once the client is connected. @throws Error where it cannot be connected now, or not within `ms` */
export async function whenConnected(client: Redis, ms: number): Promise<void> {
  if (client.status === 'ready') return;
  if (!CONNECTING.has(client.status)) throw new Error('the node cannot be reached');
  await new Promise<void>((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      client.off('ready', onReady).off('close', onClose);
    };
    const onReady = () => {
      end();
      resolve();
    };
    const onClose = () => {
      end();
      reject(new Error('the node cannot be reached'));
    };
    const timer = setTimeout(onClose, ms);
    client.on('ready', onReady).on('close', onClose);
  });
}
