/** Answers to pushed entries: one text frame a message, a JSON array with `"id"` or `{error, code}` an entry. */
import { GatewayError } from './gateway-error.js';

/** The one answer in `text`: the entry's id, or why it was not stored. */
export function parseAck(text: string): string | GatewayError {
  let acks: unknown;
  try {
    acks = JSON.parse(text);
  } catch {
    acks = undefined;
  }
  if (Array.isArray(acks) && acks.length === 1) {
    const ack = acks[0] as string | { error?: unknown; code?: unknown } | null;
    if (typeof ack === 'string') return ack;
    if (typeof ack?.error === 'string' && typeof ack.code === 'string') {
      return new GatewayError(ack.code, `an entry was not stored: ${ack.error} (${ack.code})`);
    }
  }
  return new GatewayError('bad_answer', `an ack must be a JSON array of one id, not ${text.slice(0, 100)}`);
}
