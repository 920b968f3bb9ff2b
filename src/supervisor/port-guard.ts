/**
 * Sees to it that no second gateway serves on a port. Workers share their port, which the system lets processes of
 * the same user do, so that those of another gateway would share it in silence.
 *
 * A port is free if it can be listened on without sharing it; that is tried for a moment. Between that moment and the
 * first worker's listening, and whenever none is listening, a name guards it: that of an abstract Unix socket, which
 * is known in the same network namespace as the port and goes with its process.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import { ListenError } from '../config/start-error.js';

/** The name of such a socket may have 107 bytes. */
const LONGEST_HOST = 60;

export interface PortGuard {
  /** A free one where 0 was asked for. */
  readonly port: number;
  release(): Promise<void>;
}

/** @throws ListenError where the port is in use, or the host is not one of this machine */
export async function guardPort(host: string, port: number): Promise<PortGuard> {
  let guard: Server | undefined;
  try {
    // Who asks for any port gets one that nobody guards.
    if (port !== 0) guard = await listen({ path: nameOf(host, port) });
    const probe = await listen({ host, port, exclusive: true });
    const free = (probe.address() as AddressInfo).port;
    await close(probe);
    guard ??= await listen({ path: nameOf(host, free) });
    const held = guard;
    return { port: free, release: () => close(held) };
  } catch {
    if (guard !== undefined) await close(guard);
    throw ListenError.at(host, port);
  }
}

/** A NUL begins the name of an abstract socket. */
const nameOf = (host: string, port: number) => `\0streamgate:${port}:${host.slice(0, LONGEST_HOST)}`;

async function listen(options: ListenOptions): Promise<Server> {
  const server = createServer((visitor) => visitor.destroy());
  server.listen(options).unref();
  await once(server, 'listening');
  return server;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
