/**
 * What a client is told when something fails: one sentence for people, a code for programs, and whether
 * coming back helps. The gateway's own codes stand in `src/protocol/errors.ts`; those below arise on the client's side.
 */
import { FAILURES, type FailureCode } from '../protocol/errors.js';

export type ClientCode =
  /** Nothing answers at the address. */
  | 'unreachable'
  /** The connection ended before the client ended it: `closeCode` says how. */
  | 'closed'
  /** The answer is not what the protocol promises; something else may live at that address. */
  | 'bad_answer'
  /** A name or address that cannot be asked for. */
  | 'bad_address'
  /** GraphQL refused a question without a code. */
  | 'bad_query';

interface Details {
  /** HTTP status, where an HTTP answer brought the failure. */
  readonly status?: number;
  /** WebSocket close code, where a close frame brought it. */
  readonly closeCode?: number;
  /** What the gateway asks to wait before coming back. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** RFC 6455 §7.4.1: both sides are done; and the codes for no code and no close frame at all. */
export const NORMAL_CLOSE = 1000;
const GOING_AWAY = 1001;
const NO_CODE = 1005;
const NO_FRAME = 1006;
const TOO_BIG = FAILURES.payload_too_large.close;
/** Ends that are no verdict on what was asked, by a proxy perhaps. §7.4.1, and 1012 in IANA's registry. */
const PASSING_CLOSES: ReadonlySet<number> = new Set([NORMAL_CLOSE, NO_CODE, NO_FRAME, 1012, 1015]);
/** Answers without a code that pass: mostly those of a proxy in front of a gateway that is being restarted. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 502, 503, 504]);

function isPassing(code: string, { status, closeCode }: Details): boolean {
  if (code === 'unreachable') return true;
  if (closeCode !== undefined) {
    const passes = Object.values(FAILURES).some(({ close, retry }) => close === closeCode && retry !== 'no');
    return passes || PASSING_CLOSES.has(closeCode);
  }
  if (Object.hasOwn(FAILURES, code)) return FAILURES[code as FailureCode].retry !== 'no';
  return status !== undefined && PASSING_STATUSES.has(status);
}

export class GatewayError extends Error {
  /** `(string & {})`: a gateway newer than this client may send codes that are not known here. */
  readonly code: FailureCode | ClientCode | (string & {});
  /** HTTP status, where an HTTP answer brought the failure. */
  readonly status: number | undefined;
  /** WebSocket close code, where a closed connection brought it. */
  readonly closeCode: number | undefined;
  /** Whether the same may succeed later, or on a new connection, without anybody changing anything. */
  readonly mayPass: boolean;
  /** Milliseconds that the gateway asks to wait before coming back. */
  readonly retryAfterMs: number | undefined;

  constructor(code: FailureCode | ClientCode | (string & {}), message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.status = details.status;
    this.closeCode = details.closeCode;
    this.retryAfterMs = details.retryAfterMs;
    this.mayPass = isPassing(code, details);
  }

  /** The connection broke, as it also does on a message far over `MAX_PAYLOAD_BYTES`. */
  get isBrokenOff(): boolean {
    return this.closeCode === NO_FRAME;
  }

  /** The gateway went down in order: what it took was answered, and nothing else was stored. */
  get isGoingAway(): boolean {
    return this.closeCode === GOING_AWAY;
  }
}

/** The body `{error, code}` of a refusal, where `text` is one. */
function parseRefusal(text: string): { error: string; code: string } | undefined {
  try {
    const body = JSON.parse(text) as { error?: unknown; code?: unknown } | null;
    if (typeof body?.error !== 'string' || typeof body.code !== 'string') return undefined;
    return { error: body.error, code: body.code };
  } catch {
    return undefined;
  }
}

/** Seconds, as the gateway writes it (RFC 9110 §10.2.3 allows dates too, which pass for nothing here). */
function parseRetryAfter(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** An HTTP answer other than the one hoped for, `body` being its text. */
export function errorFromAnswer(
  status: number,
  body: string,
  retryAfter: string | null = null,
): GatewayError {
  const details = { status, retryAfterMs: parseRetryAfter(retryAfter) };
  const refusal = parseRefusal(body);
  if (refusal === undefined) {
    return new GatewayError('bad_answer', `the server answered HTTP ${status}, without a reason`, details);
  }
  const message = `the gateway refused: ${refusal.error} (${refusal.code}, HTTP ${status})`;
  return new GatewayError(refusal.code, message, details);
}

/** A connection that the other side ended with `closeCode` and `reason`, or that broke off. */
export function errorFromClose(closeCode: number, reason: string): GatewayError {
  const details = { closeCode };
  if (closeCode === NO_FRAME) {
    return new GatewayError('closed', 'the connection to the gateway broke off (close code 1006)', details);
  }
  const told = reason === '' ? 'without a reason' : `with: ${reason}`;
  const code = closeCode === NO_CODE ? 'no close code' : `close code ${closeCode}`;
  const failure = closeCode === TOO_BIG ? 'payload_too_large' : 'closed';
  return new GatewayError(failure, `the gateway closed the connection ${told} (${code})`, details);
}

/** A connection that this side gives up, since nothing came for so long. */
export function errorFromSilence(ms: number): GatewayError {
  const message = `the gateway gave no sign for ${Math.round(ms / 1000)} s`;
  return new GatewayError('closed', message, { closeCode: NO_FRAME });
}

/** A failure below HTTP, such as a refused connection; `fetch` hides it as the cause of a TypeError. */
export function errorFromNetwork(cause: unknown, address: URL): GatewayError {
  const layers: string[] = [];
  for (let layer = cause; layer instanceof Error; layer = layer.cause) {
    const code = 'code' in layer && typeof layer.code === 'string' ? layer.code : undefined;
    const known = layer.message.includes(code ?? '\0') ? layer.message : `${layer.message} ${code ?? ''}`;
    layers.push(known.trim());
  }
  const detail = layers.at(-1) || String(cause ?? 'the connection could not be made');
  return new GatewayError('unreachable', `no gateway answers at ${address.origin}: ${detail}`, { cause });
}
