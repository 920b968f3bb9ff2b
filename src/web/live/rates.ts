/** How fast streams grow, out of what they held a moment ago. */
import type { Overview } from '../../protocol/overview.js';

export interface StreamRate {
  /** Entries per second. */
  readonly entries: number;
  /** Bytes per second, as if all were as large as the newest were; undefined: that is not known. */
  readonly bytes: number | undefined;
}

/** A rate is taken over about this time if it held enough entries: over less it flickers, over more it lies. */
const SHORT_MS = 2500;
const ENOUGH_ENTRIES = 5;
/** Slower streams are looked at for so long. */
const LONG_MS = 20_000;
/** A stream stands still once so many of its entries should have come and did not. */
const MISSED_ENTRIES = 3;
const STILL: StreamRate = { entries: 0, bytes: 0 };

interface Sample {
  readonly at: number;
  readonly added: number;
  readonly size: number | null;
}

export class Rates {
  /** What was seen of each stream lately, the newest last. */
  #streams = new Map<string, readonly Sample[]>();

  /** Takes the next overview; streams that it does not tell of are forgotten. */
  update({ at, streams }: Overview): void {
    const next = new Map<string, readonly Sample[]>();
    for (const { key, entriesAdded, lastEntryBytes } of streams) {
      const before = this.#streams.get(key) ?? [];
      const sample = { at, added: entriesAdded, size: lastEntryBytes };
      const last = before.at(-1);
      // Made anew, or the gateway's clock was set back.
      const isNew = last !== undefined && (entriesAdded < last.added || at <= last.at);
      next.set(key, isNew ? [sample] : [...before.filter((one) => at - one.at <= LONG_MS), sample]);
    }
    this.#streams = next;
  }

  /** undefined: it was only seen once so far. */
  of(key: string): StreamRate | undefined {
    const samples = this.#streams.get(key) ?? [];
    const last = samples.at(-1);
    if (last === undefined || samples.length < 2) return undefined;
    const base =
      samples.findLast(({ at, added }) => last.at - at >= SHORT_MS && last.added - added >= ENOUGH_ENTRIES) ??
      samples[0]!;
    const entries = ((last.added - base.added) * 1000) / (last.at - base.at);
    const quietMs = last.at - samples.find(({ added }) => added === last.added)!.at;
    const missed = (quietMs * entries) / 1000;
    if (entries === 0 || (quietMs >= SHORT_MS && missed >= MISSED_ENTRIES)) return STILL;
    const sizes = samples
      .slice(samples.indexOf(base) + 1)
      .map(({ size }) => size)
      .filter((size) => size !== null);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    return { entries, bytes: sizes.length === 0 ? undefined : (entries * bytes) / sizes.length };
  }
}
