/**
 * Stops and resumes reading from a WebSocket: what its client sends then stays in the system's buffers.
 *
 * The library can pause HTTP requests only, but its two methods act on the connection alone, and so do the same for
 * the WebSocket that a request was upgraded to (HttpResponse::pause and WebSocket derive from AsyncSocket; both
 * builds in use were tried). A paused socket has no idle timeout, and does not notice that its client has left,
 * so none should be paused for long.
 */
import type { HttpResponse, WebSocket } from 'uWebSockets.js';

/** The methods of HTTP responses, of the kind (with TLS or without) that a socket was upgraded from. */
export type ReadingMethods = Pick<HttpResponse, 'pause' | 'resume'>;

/** What a socket must have among its data. */
export interface PausableSocket {
  readonly reading: ReadingMethods;
}

export const readingMethods = (res: HttpResponse): ReadingMethods =>
  Object.getPrototypeOf(res) as HttpResponse;

export function pauseReading(ws: WebSocket<unknown>): void {
  (ws.getUserData() as PausableSocket).reading.pause.call(ws);
}

export function resumeReading(ws: WebSocket<unknown>): void {
  (ws.getUserData() as PausableSocket).reading.resume.call(ws);
}
