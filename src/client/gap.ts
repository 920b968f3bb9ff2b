/** Losses that the gateway tells of: entries that were gone before they could be sent. */
import { GatewayError } from './gateway-error.js';

export interface Gap {
  readonly stream: string;
  /** The last id before the loss. */
  readonly after: string;
  /** The id that the stream goes on with. */
  readonly resumedAt: string;
  readonly reason: 'trimmed' | 'deleted' | (string & {});
}

/** @param value `{stream, after, resumed_at, reason}` */
export function readGap(value: unknown): Gap | undefined {
  const { stream, after, resumed_at, reason } = (value ?? {}) as Record<string, unknown>;
  const told = [stream, after, resumed_at, reason];
  if (!told.every((field) => typeof field === 'string')) return undefined;
  const [streamId, last, next, why] = told as [string, string, string, string];
  return { stream: streamId, after: last, resumedAt: next, reason: why };
}

/** The gap in a text frame `{"gap": …}` of a pull. @throws GatewayError `bad_answer` where it is no such frame */
export function parseGapFrame(text: string): Gap {
  let gap: Gap | undefined;
  try {
    gap = readGap((JSON.parse(text) as { gap?: unknown } | null)?.gap);
  } catch {
    gap = undefined;
  }
  if (gap === undefined) {
    throw new GatewayError(
      'bad_answer',
      `a text frame of a pull must report a gap, not ${text.slice(0, 100)}`,
    );
  }
  return gap;
}
