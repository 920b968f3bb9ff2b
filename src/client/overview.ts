/** One look at what there is: the first event of `GET /overview`, which goes on once a second. */
import { buildAddress, type Place } from './address.js';
import { errorFromNetwork, GatewayError } from './gateway-error.js';
import { fetchAnswer, tokenHeaders } from './http.js';

export interface Overview {
  /** The gateway's clock, ms since 1970. */
  readonly at: number;
  readonly devices: readonly { readonly id: string; readonly connected: boolean }[];
  /** Those written to last come first; at most 1000. */
  readonly streams: readonly {
    readonly key: string;
    /** Null where the key names none. */
    readonly device: string | null;
    readonly sid: string;
    readonly length: number;
    readonly entriesAdded: number;
    readonly lastEntryId: string;
    readonly lastEntryBytes: number | null;
    /** Clients that follow it by this gateway. */
    readonly followers: number;
  }[];
  /** Streams that fit and are not told of. */
  readonly omitted: number;
}

/** An event whose data is one line, as the gateway writes it; comments may come before. */
const EVENT = /^event: (\w+)\ndata: (.*)\n\n/m;

/** @param filter what the keys hold that are wanted @throws GatewayError, the signal's reason */
export async function readOverview(
  { url, token }: Place,
  filter: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Overview> {
  const address = buildAddress(url, 'overview', { filter });
  const answer = await fetchAnswer(address, {
    headers: { accept: 'text/event-stream', ...tokenHeaders(token) },
    signal: signal ?? null,
  });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const [, event, data] = EVENT.exec(text) ?? [];
      if (data !== undefined) return readEvent(event!, data);
      const { value, done } = await reader.read();
      if (done) throw new GatewayError('bad_answer', `${address} ended without an event`);
      text += value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof GatewayError ? error : errorFromNetwork(error, address);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function readEvent(event: string, data: string): Overview {
  if (event === 'overview') return JSON.parse(data) as Overview;
  const { code, error } = JSON.parse(data) as { code: string; error: string };
  throw new GatewayError(code, `the gateway refused: ${error} (${code})`);
}
