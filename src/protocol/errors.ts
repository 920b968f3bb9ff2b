/**
 * Every failure a client can meet, once: its code, its HTTP status, its WebSocket close code, when it happens
 * and whether coming back helps. Everything else imports from here.
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
  /** When it happens, for people: what docs/errors.md and the API description say, with `names` as in Markdown. */
  readonly meaning: string;
  readonly retry: Retry;
}

const kind = (status: number, close: number, meaning: string, retry: Retry = 'no'): FailureKind => ({
  status,
  close,
  meaning,
  retry,
});

export const FAILURES = {
  bad_parameter: kind(400, 4400, 'a query parameter has a form that is not allowed'),
  bad_name: kind(400, 4400, 'a device or stream id breaks the naming rules'),
  bad_header: kind(400, 4400, 'a push header is malformed or does not fit its payload'),
  bad_frame: kind(400, 4400, 'text where binary belongs, a payload without a header'),
  bad_body: kind(400, 4400, 'a form or MessagePack that does not parse'),
  time_in_future: kind(400, 4400, "an entry's time is too far ahead of the clock"),
  unauthorized: kind(401, 4401, 'access control is on, and the request has no token'),
  invalid_token: kind(401, 4401, 'the token is unknown, malformed, expired or revoked'),
  forbidden: kind(403, 4403, 'the token does not allow it'),
  reserved_name: kind(403, 4403, 'a system stream can only be read'),
  forbidden_origin: kind(403, 4403, 'pages of that origin may not use the gateway'),
  forbidden_host: kind(421, 4421, 'the Host of the request is not allowed: add it to `ALLOWED_HOSTS`'),
  not_found: kind(404, 4404, 'there is nothing at that address'),
  method_not_allowed: kind(405, 4405, 'the address does not allow that method: see the header Allow'),
  upgrade_required: kind(426, 4426, 'the address is for WebSockets'),
  wrong_type: kind(409, 4409, 'the key exists and is not a stream'),
  id_not_increasing: kind(409, 4409, "an entry's time is not after the stream's newest entry"),
  length_required: kind(411, 4411, 'a body needs a Content-Length'),
  payload_too_large: kind(413, 1009, 'over `MAX_PAYLOAD_BYTES`, or larger than Redis takes'),
  unsupported_media_type: kind(
    415,
    4415,
    'a body has a Content-Encoding, or at `/graphql` a type other than application/json',
  ),
  too_many_connections: kind(
    429,
    4429,
    'too many connections from its address: `MAX_CONNECTIONS_PER_ADDRESS`',
    'later',
  ),
  pongs_unread: kind(429, 4429, 'a client sends pings and does not read the pongs', 'at_once'),
  acks_unread: kind(429, 4429, 'a producer asked for acks and does not read them', 'at_once'),
  internal: kind(500, 1011, 'a fault of the gateway; its log has the cause'),
  bad_metadata: kind(400, 4400, 'metadata that is not a JSON object'),
  not_allowed: kind(403, 4403, 'the configuration does not allow it, such as `flush` without `ALLOW_FLUSH`'),
  redis_error: kind(502, 1011, 'Redis refused for another reason'),
  redis_denied: kind(502, 1011, "Redis refused the gateway's credentials or rights"),
  unknown_outcome: kind(
    504,
    4504,
    'the connection to Redis was lost before it answered, and it cannot be known whether the entry is stored: if you send it again, it may be stored twice',
  ),
  not_replicated: kind(
    504,
    4504,
    'the entry is stored, but fewer replicas than `min_replicas` have it: if you send it again, it is stored twice',
  ),
  redis_unavailable: kind(503, 1013, 'Redis cannot be reached, or is busy and does not answer', 'later'),
  redis_loading: kind(503, 1013, 'Redis is reading its data', 'later'),
  redis_read_only: kind(503, 1013, 'Redis accepts no writes now', 'later'),
  redis_out_of_memory: kind(503, 1013, 'Redis is at its memory limit', 'later'),
  overloaded: kind(503, 1013, 'the gateway is at one of its limits; the sentence names it', 'later'),
  keys_unavailable: kind(503, 1013, 'the keys for checking JWTs cannot be fetched', 'later'),
  shutting_down: kind(503, 1001, 'the gateway is going down', 'later'),
} as const satisfies Record<string, FailureKind>;

export type FailureCode = keyof typeof FAILURES;

/**
 * When a WebSocket ends with which close code, for docs/errors.md. Close codes of {@link FAILURES} that are not here
 * are never sent: such failures are found before the upgrade.
 */
export const CLOSE_CODES: Readonly<Record<number, string>> = {
  1000: '`end of replay`: everything up to `until` was sent',
  1001: 'the gateway is going down: connect again later, to another one if there is one',
  1006: 'no close frame at all: the connection broke, no pong came for 2 minutes, or the client sent something that is not a WebSocket frame, or a message far over the limit',
  1009: 'a message is over `MAX_PAYLOAD_BYTES`, or at `/graphql` over 1 MiB',
  1011: 'a fault of the gateway, or Redis refused',
  1013: 'something that passes: Redis is away, loading, full or read-only, or the gateway is at a limit',
  4400: 'what was sent has a form that is not allowed; at `/graphql` also a message that the protocol does not know',
  4401: 'the token is missing, unknown, expired or revoked; at `/graphql` also an operation before `connection_init`',
  4403: 'not allowed',
  4408: '`/graphql` only: no `connection_init` within 10 s',
  4409: "the key is no stream, or an entry's time is not after the newest; at `/graphql` also an operation id that is in use",
  4429: 'acks or pongs are not read, or the address has too many connections; at `/graphql` also a second `connection_init`',
  4500: '`/graphql` only: a fault of the gateway',
  4504: 'Redis was lost before it answered a producer without acks: what was sent last may or may not be stored',
};

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

  /** @param cause for the log alone */
  constructor(code: FailureCode, message: string, cause?: Error) {
    // Nobody is told where a failure comes from, and to find that out takes longer than all else: a message
    // may have thousands of entries that are refused.
    const { stackTraceLimit } = V8_ERROR;
    V8_ERROR.stackTraceLimit = 0;
    super(message, cause && { cause });
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

/** Whether something was thrown since the system, or its limit for this process, has no memory left. */
export function isOutOfMemory(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  // What Node.js says by itself, since version 22 with a RangeError, too.
  if ('code' in cause && cause.code === 'ERR_MEMORY_ALLOCATION_FAILED') return true;
  return cause instanceof RangeError && cause.message === 'Array buffer allocation failed';
}

/**
 * Any thrown value as a Failure. A failed allocation becomes `overloaded`; anything else that is not a Failure
 * becomes `internal` and says nothing of its cause.
 */
export function asFailure(cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  if (isOutOfMemory(cause)) return new Failure('overloaded', 'the gateway has too little memory for this');
  return new Failure('internal', 'the gateway failed to answer this request');
}
