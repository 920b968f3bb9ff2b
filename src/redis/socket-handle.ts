/** What Node's sockets are made of; not in its types or docs, but there since its first releases. */
import type { Socket } from 'node:net';

export interface SocketHandle {
  /** The file descriptor; -1 or missing where there is none (Windows). */
  readonly fd?: number;
  /** Bytes that libuv waits for room for. */
  readonly writeQueueSize?: number;
  /** Closes the descriptor at once; whatever ends the socket calls this. */
  close(whenClosed?: () => void): void;
}

/** Nothing once the socket is closed. */
export function handleOf(socket: Socket): SocketHandle | undefined {
  return (socket as unknown as { _handle?: SocketHandle | null })._handle ?? undefined;
}
