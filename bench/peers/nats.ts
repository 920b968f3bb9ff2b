/**
 * NATS with JetStream, over WebSocket: a broker that stores what is published in streams.
 *
 * A stream in memory is lost with the server, as with a Redis that persists nothing. A message of a stream
 * in files is acknowledged when it was written to the file, before the disk has it; that is asked for every
 * second here, as Redis does it with `appendfsync everysec`, and not every two minutes, its default.
 */
import { type Broker, startBroker } from './broker-process.js';
import { findPeer } from './programs.js';

export const natsProgram = await findPeer('nats-server');

export function startNats(program: string): Promise<Broker> {
  return startBroker(program, (port, folder) => [
    // Clients come by WebSocket; its own protocol gets any free port.
    'listen: "127.0.0.1:-1"',
    `websocket { listen: "127.0.0.1:${port}", no_tls: true }`,
    `jetstream { store_dir: "${folder}", sync_interval: "1s" }`,
  ]);
}
