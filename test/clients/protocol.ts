/**
 * How a test talks to a client library: a driver in a process of its own does what it is told.
 *
 * It reads requests from its standard input and writes answers and events to its standard output, a JSON
 * object a line:
 *
 *     → {"client": 1, "call": 7, "do": "append", "stream": "cam", "data": {"text": "hello"}}
 *     ← {"call": 7, "value": "1795336103800-0"}      or      {"call": 7, "error": {"code", "message"}}
 *     ← {"pull": "p", "entry": {"stream", "id", "time", "size", "data" | "sha256"}}
 *     ← {"pull": "p", "gap": {…}}      {"pull": "p", "ended": null | {"code", "message", "closeCode"}}
 *
 * A client is there from its first request, `open`, to its last, `drop`. Requests are answered in any order, as they
 * are done. What a verb takes and gives stands in `Verbs`. The driver ends with its standard input.
 */

/** A payload: text (UTF-8), bytes, or a stamped frame of so many bytes. */
export type Payload =
  | { readonly text: string }
  | { readonly base64: string }
  | { readonly writer: string; readonly seq: number; readonly bytes: number };

/** An entry as a client hands it out. Payloads of more than 64 KiB are told by their hash. */
export interface ToldEntry {
  readonly stream: string;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly size: number;
  /** base64 */
  readonly data?: string;
  readonly sha256?: string;
}

export interface ToldError {
  readonly code: string;
  readonly message: string;
  /** Where a WebSocket's end brought it; 1006: without a close frame. */
  readonly closeCode?: number | null;
}

export type Outcome = string | ToldError;

export interface PullOptions {
  readonly lastEntryId?: string;
  readonly from?: number;
  readonly until?: number;
  readonly latest?: boolean;
  readonly count?: number;
  readonly maxFps?: number;
  readonly ack?: boolean;
  readonly speed?: number;
  readonly gaps?: boolean;
  readonly reconnect?: boolean;
  /** The consumer takes its first entry and so many more, then one for each that `credit` gives it; unset: all. */
  readonly credit?: number;
}

export interface NewEntry {
  readonly data: Payload;
  readonly stream?: string;
  readonly time?: number | string;
}

/** What a driver does: parameters and value of each verb. */
export interface Verbs {
  open: [{ url: string; token?: string; device?: string; prefix?: string }, null];
  append: [{ stream: string; data: Payload }, string];
  latest: [{ stream: string }, ToldEntry | null];
  read: [
    { streams: readonly string[]; lastEntryId: string; count: number; block: number },
    { entries: ToldEntry[]; cursor: string },
  ];
  graphql: [{ query: string; variables: Readonly<Record<string, unknown>> }, unknown];
  streams: [object, { id: string; length: number }[]];
  devices: [object, { id: string; meta: unknown }[]];
  connectDevice: [{ device: string; meta: object }, null];
  disconnectDevice: [{ device: string }, null];
  streamMeta: [{ stream: string }, object];
  updateStreamMeta: [{ stream: string; meta: object; merge: boolean }, null];
  deleteStream: [{ stream: string }, boolean];
  /** Begins a pull, of which events tell. */
  pull: [{ name: string; streams: readonly string[] } & PullOptions, null];
  credit: [{ name: string; entries: number }, null];
  /** The consumer leaves its loop, where it waits for credit; answered when the pull has ended. */
  leave: [{ name: string }, null];
  /** The pull is cancelled from outside; answered when it has ended. */
  cancel: [{ name: string }, null];
  /** Opens a producer. */
  push: [{ name: string; stream: string; resend?: boolean; maxInFlightBytes?: number }, null];
  /** All are given to the producer at once; answered when all are settled. */
  send: [{ name: string; entries: readonly NewEntry[] }, Outcome[]];
  /** Gives a producer `writer#0`, `writer#1`, … of `bytes` bytes each, up to `window` under way at once. */
  load: [{ name: string; writer: string; bytes: number; window: number }, null];
  /** Ends that: what became of each, in order, and how many were under way at most. */
  unload: [{ name: string }, { outcomes: Outcome[]; mostUnsettled: number }];
  flush: [{ name: string }, null];
  close: [{ name: string }, null];
  /** The producer is given up from outside. */
  abort: [{ name: string }, null];
  /** Lets go of whatever is still open. */
  drop: [object, null];
}

/** What a driver writes. */
export type Message =
  | { readonly call: number; readonly value?: unknown; readonly error?: ToldError }
  | { readonly pull: string; readonly entry: ToldEntry }
  | { readonly pull: string; readonly gap: object }
  | { readonly pull: string; readonly ended: ToldError | null };
