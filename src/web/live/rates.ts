/** How fast streams grow, out of what they held a moment ago. */
import type { Overview, StreamOverview } from './overview.js';

export interface StreamRate {
  /** Entries per second. */
  readonly entries: number;
  /** Bytes per second, as if all were as large as the newest. */
  readonly bytes: number;
}

/** A rate follows a change within about this time: shorter flickers, longer lies. */
const SMOOTHING_MS = 2500;
/** Of less than this nothing can be told. */
const SHORTEST_MS = 200;

interface Measured {
  at: number;
  entriesAdded: number;
  rate: StreamRate | undefined;
}

export class Rates {
  #streams = new Map<string, Measured>();

  /** Takes the next overview; streams that it does not tell of are forgotten. */
  update({ at, streams }: Overview): void {
    const next = new Map<string, Measured>();
    for (const stream of streams) next.set(stream.key, measure(this.#streams.get(stream.key), at, stream));
    this.#streams = next;
  }

  /** undefined: it was only seen once so far. */
  of(key: string): StreamRate | undefined {
    return this.#streams.get(key)?.rate;
  }
}

function measure(before: Measured | undefined, at: number, stream: StreamOverview): Measured {
  const { entriesAdded, lastEntryBytes } = stream;
  // Made anew, or the gateway's clock was set back.
  if (before === undefined || entriesAdded < before.entriesAdded || at < before.at) {
    return { at, entriesAdded, rate: undefined };
  }
  const elapsed = at - before.at;
  if (elapsed < SHORTEST_MS) return before;
  const entries = ((entriesAdded - before.entriesAdded) / elapsed) * 1000;
  const fresh = { entries, bytes: entries * lastEntryBytes };
  const { rate } = before;
  // Nothing is smoothed on the way from none: what begins is seen at once.
  if (rate === undefined || rate.entries === 0) return { at, entriesAdded, rate: fresh };
  const weight = 1 - Math.exp(-elapsed / SMOOTHING_MS);
  const mixed = (old: number, now: number) => old + (now - old) * weight;
  const smooth = { entries: mixed(rate.entries, fresh.entries), bytes: mixed(rate.bytes, fresh.bytes) };
  return { at, entriesAdded, rate: smooth.entries < 0.01 ? fresh : smooth };
}
