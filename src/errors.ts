/**
 * Every failure a client can meet, once: its code, its HTTP status, its WebSocket close code and
 * whether the same request may succeed later. Everything else imports from here.
 *
 * Close codes: those that RFC 6455 defines where one fits, else 4000 + the HTTP status.
 */

interface FailureKind {
  /** HTTP status of the answer. */
  readonly status: number;
  /** WebSocket close code where the failure ends the connection. */
  readonly close: number;
  /** Whether the same request may succeed later without a change by the client. */
  readonly retry: boolean;
}

const kind = (status: number, close: number, retry = false): FailureKind => ({ status, close, retry });

export const FAILURES = {
  /** A query parameter or header has a form that is not allowed. */
  bad_parameter: kind(400, 4400),
  /** A device or stream id breaks the naming rules. */
  bad_name: kind(400, 4400),
  /** A push header is malformed or does not fit its payload. */
  bad_header: kind(400, 4400),
  /** A frame came where another kind belongs: text for binary, a payload without a header. */
  bad_frame: kind(400, 4400),
  /** A body or message does not parse (multipart, MessagePack). */
  bad_body: kind(400, 4400),
  /** An entry's time is further ahead of the clock than MAX_FUTURE_MS. */
  time_in_future: kind(400, 4400),
  /** The stream's name is reserved for the system; clients may read it only. */
  reserved_name: kind(403, 4403),
  /** The page's origin is not allowed. */
  forbidden_origin: kind(403, 4403),
  not_found: kind(404, 4404),
  method_not_allowed: kind(405, 4405),
  /** The address is for WebSockets, and the request is not one. */
  upgrade_required: kind(426, 4426),
  /** The key exists and is not a stream. */
  wrong_type: kind(409, 4409),
  /** An entry's time is not after the newest entry of its stream. */
  id_not_increasing: kind(409, 4409),
  length_required: kind(411, 4411),
  payload_too_large: kind(413, 1009),
  unsupported_media_type: kind(415, 4415),
  /** A producer asked for acks and does not read them. */
  acks_unread: kind(429, 4429),
  internal: kind(500, 1011),
  /** Metadata that is not a JSON object. */
  bad_metadata: kind(400, 4400),
  /** The configuration does not allow the operation. */
  not_allowed: kind(403, 4403),
  /** Redis refused the command for a reason that has no code of its own. */
  redis_error: kind(502, 1011),
  /** Redis refused the gateway's credentials or rights. */
  redis_denied: kind(502, 1011),
  /** Redis cannot be reached. */
  redis_unavailable: kind(503, 1013, true),
  /** Redis is reading its data set from disk. */
  redis_loading: kind(503, 1013, true),
  /** Redis takes no writes now: a replica, or one that cannot persist. */
  redis_read_only: kind(503, 1013, true),
  /** Redis is at its memory limit. */
  redis_out_of_memory: kind(503, 1013, true),
  /** More bytes wait for Redis than MAX_BUFFERED_BYTES allows. */
  overloaded: kind(503, 1013, true),
  /** The gateway is going down. */
  shutting_down: kind(503, 1001, true),
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

/** How a failure is told to a client, in HTTP bodies and acks alike. */
export interface FailureBody {
  readonly error: string;
  readonly code: FailureCode;
}

/** A failure that a client is told: one sentence for people, a code for programs. */
export class Failure extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    super(message);
    this.name = 'Failure';
    this.code = code;
  }

  get kind(): FailureKind {
    return FAILURES[this.code];
  }

  get body(): FailureBody {
    return { error: this.message, code: this.code };
  }
}

/** First words of Redis' error replies, and what each means to a client. */
const REDIS_ERRORS: ReadonlyMap<string, FailureCode> = new Map([
  ['WRONGTYPE', 'wrong_type'],
  ['OOM', 'redis_out_of_memory'],
  ['LOADING', 'redis_loading'],
  ['READONLY', 'redis_read_only'],
  ['MISCONF', 'redis_read_only'],
  ['NOREPLICAS', 'redis_read_only'],
  ['MASTERDOWN', 'redis_unavailable'],
  ['CLUSTERDOWN', 'redis_unavailable'],
  ['UNBLOCKED', 'redis_unavailable'],
  ['NOAUTH', 'redis_denied'],
  ['WRONGPASS', 'redis_denied'],
  ['NOPERM', 'redis_denied'],
]);

/** Turns the text of a Redis error reply, such as `WRONGTYPE Operation …`, into a Failure. */
export function failureFromRedis(reply: string): Failure {
  const word = reply.slice(0, Math.max(reply.indexOf(' '), 0)) || reply;
  if (word === 'ERR' && /equal or smaller than the target|greater than 0-0/.test(reply)) {
    return new Failure('id_not_increasing', "the entry's time is not after the newest entry of its stream");
  }
  return new Failure(REDIS_ERRORS.get(word) ?? 'redis_error', `Redis refused: ${reply.replace(/^ERR /, '')}`);
}

/** Any thrown value as a Failure; what is not one already becomes `internal` and tells nothing. */
export function asFailure(cause: unknown): Failure {
  return cause instanceof Failure
    ? cause
    : new Failure('internal', 'the gateway failed to answer this request');
}
