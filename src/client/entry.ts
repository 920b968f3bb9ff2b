/**
 * Entries of a batch, cut out of its payload by the offsets in its header:
 *
 *   header   [["cam", "1700000000000-0", 0], ["cam", "1700000000033-0", 5]]
 *   payload  h e l l o w o r l d
 *            ^0        ^5        each entry ends where the next begins, the last at the end
 */
import { GatewayError } from './gateway-error.js';

export interface Entry {
  readonly sid: string;
  /** `ms-seq`; undefined in raw mode, where the gateway sends none. */
  readonly id: string | undefined;
  /** A view into the message it came with: copy it to keep it without its neighbours. */
  readonly data: Buffer;
}

type Place = readonly [sid: string, id: string, start: number];

function isPlace(value: unknown): value is Place {
  if (!Array.isArray(value)) return false;
  const [sid, id, start] = value as unknown[];
  return typeof sid === 'string' && typeof id === 'string' && Number.isSafeInteger(start);
}

/**
 * The entries of `payload`, in order; none for the heartbeat `[]`.
 * @param header JSON `[[sid, id, start], …]`, starts in bytes
 * @throws GatewayError `bad_answer` where the header has another form or does not fit the payload
 */
export function splitBatch(header: string, payload: Buffer): Entry[] {
  let places: unknown;
  try {
    places = JSON.parse(header);
  } catch {
    places = undefined;
  }
  if (!Array.isArray(places) || !places.every(isPlace)) {
    throw new GatewayError(
      'bad_answer',
      `a batch header must be [[sid, id, start], …], not ${brief(header)}`,
    );
  }
  return places.map(([sid, id, start], index) => {
    const end = places[index + 1]?.[2] ?? payload.length;
    if (start < 0 || start > end || end > payload.length) {
      throw new GatewayError(
        'bad_answer',
        `the header ${brief(header)} does not fit its payload of ${payload.length} bytes`,
      );
    }
    return { sid, id, data: payload.subarray(start, end) };
  });
}

function brief(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
