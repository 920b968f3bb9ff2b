/**
 * Server-sent events. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 *     id: 1795336103800-0      the client comes back with it as Last-Event-ID
 *     event: binary            a plain message where it is left out
 *     data: …                  one per line
 *
 */
import { isUtf8 } from 'node:buffer';

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';
/** Keeps the stream alive. Without a blank line, which fetch-event-source takes for an empty message. */
export const COMMENT = ':\n';

/** Larger entries are announced but not sent: their lines, or their base64, are made on the main thread. */
export const MAX_EVENT_BYTES = 1024 * 1024;

const LF_ALL = /\n/g;
const LF = 10;
const CR = 13;

/** Kinds of entries' events: they say that the data is not the entry's text. */
const BINARY = 'binary';
const LARGE = 'large';
/** The kind of an entry's text, which is named only where the stream's name alone would mislead. */
const TEXT = 'text';

/** The gateway's own events of an entry stream. */
const CURSOR = 'cursor';
const GAP = 'gap';
const COMPLETE = 'complete';
const ERROR = 'error';

/**
 * Names that a stream cannot give its events: those of the gateway, of its kinds of entries, and those that an
 * EventSource has itself.
 */
const TAKEN: ReadonlySet<string> = new Set([
  ...[CURSOR, GAP, COMPLETE, ERROR, BINARY, LARGE],
  ...['open', 'message'],
]);

/** An event of the gateway's own; `data` is written as JSON. */
export function jsonEvent(event: string, data: unknown): string {
  return jsonTextEvent(event, JSON.stringify(data));
}

/** The same of data that is JSON already, in one line. */
export function jsonTextEvent(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}

/**
 * The first event: a client that loses the connection before any entry came goes on from `cursor`. It has data,
 * since eventsource and eventsource-client forget the id of an event without.
 * @param retryMs how soon the client should come back when the connection breaks
 */
export function openingEvent(cursor: string, retryMs: number): string {
  return `retry: ${retryMs}\nid: ${cursor}\n${jsonEvent(CURSOR, {})}`;
}

/** @param gap what was lost */
export const gapEvent = (gap: object): string => jsonEvent(GAP, gap);

/** The last event: all that was asked for was sent, or why the stream cannot go on. */
export function lastEvent(failure: object | undefined): string {
  return failure === undefined ? jsonEvent(COMPLETE, {}) : jsonEvent(ERROR, failure);
}

/** The name of an entry's event; '' for a plain message. @param stream the stream's name, where there are several */
function eventName(stream: string | undefined, kind: string): string {
  if (stream === undefined) return kind === TEXT ? '' : kind;
  return kind === TEXT && !TAKEN.has(stream) ? stream : `${stream}+${kind}`;
}

/**
 * An entry as an event, in parts. Text goes as it is. Bytes that are not UTF-8, text with carriage returns, which
 * the format turns into line feeds, and all of a stream that is declared binary go as `binary` in base64. An entry
 * larger than `MAX_EVENT_BYTES` goes as `large` with its size.
 * @param stream the stream's name, where there are several: it names the event, joined to the kind by `+`
 * @param isBinary whether the stream is declared binary
 */
export function entryEvent(
  stream: string | undefined,
  id: string,
  payload: Uint8Array,
  isBinary: boolean,
): readonly (string | Uint8Array)[] {
  const head = (kind: string) => {
    const name = eventName(stream, kind);
    return `id: ${id}\n${name === '' ? '' : `event: ${name}\n`}data: `;
  };
  if (payload.length > MAX_EVENT_BYTES) {
    return [`${head(LARGE)}${JSON.stringify({ bytes: payload.length })}\n\n`];
  }
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (isBinary || bytes.includes(CR) || !isUtf8(bytes)) {
    return [`${head(BINARY)}${bytes.toString('base64')}\n\n`];
  }
  if (bytes.includes(LF)) return [`${head(TEXT)}${bytes.toString().replace(LF_ALL, '\ndata: ')}\n\n`];
  return [head(TEXT), payload, '\n\n'];
}
