/**
 * Server-sent events. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 *     id: 1795336103800-0      the client comes back with it as Last-Event-ID
 *     event: binary            a plain message where it is left out
 *     data: …                  a line each
 *
 */
import { isUtf8 } from 'node:buffer';

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';
/** Says nothing, and keeps the stream alive. */
export const COMMENT = ':\n\n';
/** Has a client come back so soon after the stream broke off. */
export const retryAfter = (ms: number): string => `retry: ${ms}\n\n`;

/** Larger entries are told of and not sent: their lines, or their base64, are made on the main thread. */
export const MAX_EVENT_BYTES = 1024 * 1024;

const LINE_END = /\r\n|\r|\n/g;
const LF = 10;
const CR = 13;

/** Of an entry's event: who reads it knows by these that it is not the entry's text. */
const BINARY = 'binary';
const LARGE = 'large';

/** An event of the gateway's own; `data` is told as JSON. */
export function jsonEvent(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * An entry as an event, in parts: text as it is; what is not UTF-8 as `event: binary` in base64; what is larger than
 * `MAX_EVENT_BYTES` as `event: large` with its size.
 * @param stream the stream's name, where there are several: it names the event, joined to the kind by `+`
 */
export function entryEvent(
  stream: string | undefined,
  id: string,
  payload: Uint8Array,
): readonly (string | Uint8Array)[] {
  const head = (kind?: string) => {
    const names = [stream, kind].filter((name) => name !== undefined);
    return `id: ${id}\n${names.length === 0 ? '' : `event: ${names.join('+')}\n`}data: `;
  };
  if (payload.length > MAX_EVENT_BYTES) {
    return [`${head(LARGE)}${JSON.stringify({ bytes: payload.length })}\n\n`];
  }
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!isUtf8(bytes)) return [`${head(BINARY)}${bytes.toString('base64')}\n\n`];
  if (bytes.includes(LF) || bytes.includes(CR)) {
    return [`${head()}${bytes.toString().replace(LINE_END, '\ndata: ')}\n\n`];
  }
  return [head(), payload, '\n\n'];
}
