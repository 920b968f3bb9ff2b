/**
 * Every failure a client can meet, once: its code, its HTTP status, its WebSocket close code and
 * whether coming back helps. Everything else imports from here.
 *
 * Close codes: those that RFC 6455 defines where one fits, else 4000 + the HTTP status.
 */

/**
 * Whether the same request may succeed if it is made again:
 * `no`, not before the client or the configuration has changed; `later`, since what is in its way passes by
 * itself; `at_once`, since only the connection was at fault, so that a new one goes on where it was.
 */
export type Retry = 'no' | 'later' | 'at_once';

interface FailureKind {
  /** HTTP status of the answer. */
  readonly status: number;
  /** WebSocket close code where the failure ends the connection. */
  readonly close: number;
  readonly retry: Retry;
}

const kind = (status: number, close: number, retry: Retry = 'no'): FailureKind => ({ status, close, retry });

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
  /** Access control is on, and the request brings no token. */
  unauthorized: kind(401, 4401),
  /** The token is unknown, malformed, expired or revoked. */
  invalid_token: kind(401, 4401),
  /** The token does not allow it. */
  forbidden: kind(403, 4403),
  /** The stream's name is reserved for the system; clients may read it only. */
  reserved_name: kind(403, 4403),
  /** The page's origin is not allowed. */
  forbidden_origin: kind(403, 4403),
  /** The request calls the gateway by a name that may be a stranger's: DNS rebinding. */
  forbidden_host: kind(421, 4421),
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
  /** The client's address has as many connections as MAX_CONNECTIONS_PER_ADDRESS allows. */
  too_many_connections: kind(429, 4429, 'later'),
  /** A client sends pings and does not read the pongs. */
  pongs_unread: kind(429, 4429, 'at_once'),
  /** A producer asked for acks and does not read them. */
  acks_unread: kind(429, 4429, 'at_once'),
  internal: kind(500, 1011),
  /** Metadata that is not a JSON object. */
  bad_metadata: kind(400, 4400),
  /** The configuration does not allow the operation. */
  not_allowed: kind(403, 4403),
  /** Redis refused the command for a reason that has no code of its own. */
  redis_error: kind(502, 1011),
  /** Redis refused the gateway's credentials or rights. */
  redis_denied: kind(502, 1011),
  /** Redis was lost before it answered: the entry may be stored or not. Sent again, it may be twice. */
  unknown_outcome: kind(504, 4504),
  /** The entry is stored, but fewer replicas than `min_replicas` have it. Sent again, it is stored twice. */
  not_replicated: kind(504, 4504),
  /** Redis cannot be reached. */
  redis_unavailable: kind(503, 1013, 'later'),
  /** Redis is reading its data set from disk. */
  redis_loading: kind(503, 1013, 'later'),
  /** Redis takes no writes now: a replica, or one that cannot persist. */
  redis_read_only: kind(503, 1013, 'later'),
  /** Redis is at its memory limit. */
  redis_out_of_memory: kind(503, 1013, 'later'),
  /** The gateway is at one of its limits: of bytes that wait, connections, followed streams, waiting reads. */
  overloaded: kind(503, 1013, 'later'),
  /** The keys that JWTs are checked with cannot be fetched. */
  keys_unavailable: kind(503, 1013, 'later'),
  /** The gateway is going down. */
  shutting_down: kind(503, 1001, 'later'),
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

/** How a failure is told to a client, in HTTP bodies and acks alike. */
export interface FailureBody {
  readonly error: string;
  readonly code: FailureCode;
}

/** Node's, and some browsers': the catalogue is read there, too. */
const V8_ERROR = Error as typeof Error & { stackTraceLimit: number };

/** A failure that a client is told: one sentence for people, a code for programs. */
export class Failure extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string) {
    // Nobody is told where a failure comes from, and to find that out takes longer than all else: a message
    // may have thousands of entries that are refused.
    const { stackTraceLimit } = V8_ERROR;
    V8_ERROR.stackTraceLimit = 0;
    super(message);
    V8_ERROR.stackTraceLimit = stackTraceLimit;
    this.name = 'Failure';
    this.code = code;
  }

  get kind(): FailureKind {
    return FAILURES[this.code];
  }

  /** What is in the way may pass by itself. */
  get mayPass(): boolean {
    return this.kind.retry === 'later';
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
