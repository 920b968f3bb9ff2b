/**
 * What a client is told when something fails: one sentence for people, a code for programs.
 * The gateway's own codes stand in `src/errors.ts`; the three below arise on the client's side.
 */
import type { FailureCode } from '../errors.js';

export type ClientCode =
  /** Nothing answers at the address. */
  | 'unreachable'
  /** The connection ended before the client ended it. */
  | 'closed'
  /** The answer is not what the contract promises; something else may live at that address. */
  | 'bad_answer'
  /** A name or address that cannot be asked for. */
  | 'bad_address';

interface Details {
  /** HTTP status, where an HTTP answer brought the failure. */
  readonly status?: number;
  /** WebSocket close code, where a close frame brought it. */
  readonly closeCode?: number;
  readonly cause?: unknown;
}

export class GatewayError extends Error {
  /** `(string & {})`: a gateway newer than this client may send codes that are not known here. */
  readonly code: FailureCode | ClientCode | (string & {});
  readonly status: number | undefined;
  readonly closeCode: number | undefined;

  constructor(code: FailureCode | ClientCode | (string & {}), message: string, details: Details = {}) {
    super(message, { cause: details.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.status = details.status;
    this.closeCode = details.closeCode;
  }
}

/** RFC 6455 §7.4.1: both sides are done. */
export const NORMAL_CLOSE = 1000;
/** §7.1.5 and §7.1.6: codes of no frame; a close frame without a code, and no close frame at all. */
const NO_CODE = 1005;
const NO_FRAME = 1006;

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

/** An HTTP answer other than the one hoped for, `body` being its text. */
export function errorFromAnswer(status: number, body: string): GatewayError {
  const refusal = parseRefusal(body);
  if (refusal === undefined) {
    return new GatewayError('bad_answer', `the server answered HTTP ${status}, without a reason`, { status });
  }
  const message = `the gateway refused: ${refusal.error} (${refusal.code}, HTTP ${status})`;
  return new GatewayError(refusal.code, message, { status });
}

/** A connection that the other side ended with `closeCode` and `reason`, or that broke off. */
export function errorFromClose(closeCode: number, reason: string): GatewayError {
  const details = { closeCode };
  if (closeCode === NO_FRAME) {
    return new GatewayError('closed', 'the connection to the gateway broke off (close code 1006)', details);
  }
  const told = reason === '' ? 'without a reason' : `with: ${reason}`;
  const code = closeCode === NO_CODE ? 'no close code' : `close code ${closeCode}`;
  return new GatewayError('closed', `the gateway closed the connection ${told} (${code})`, details);
}

/** Whether a close that this side asked for went as it should: echoed, or answered without a code. */
export function isOrderlyClose(closeCode: number): boolean {
  return closeCode === NORMAL_CLOSE || closeCode === NO_CODE || closeCode === NO_FRAME;
}

/** A failure below HTTP, such as a refused connection; `fetch` hides it as the cause of a TypeError. */
export function errorFromNetwork(cause: unknown, address: URL): GatewayError {
  const layers: string[] = [];
  for (let layer = cause; layer instanceof Error; layer = layer.cause) {
    const code = 'code' in layer && typeof layer.code === 'string' ? layer.code : undefined;
    const known = layer.message.includes(code ?? '\0') ? layer.message : `${layer.message} ${code ?? ''}`;
    layers.push(known.trim());
  }
  const detail = layers.at(-1) || String(cause);
  return new GatewayError('unreachable', `no gateway answers at ${address.origin}: ${detail}`, { cause });
}
