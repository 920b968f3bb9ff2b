/**
 * What writers were told, held against what Redis holds in the end:
 *
 *     told an id              the entry is there, under that id, once
 *     told a failure          it is not there
 *     not told, or unknown    it is there once, or not
 *
 * Entries of one writer for one stream lie in the order sent, and nothing is there that nobody wrote.
 */
import { expect } from 'vitest';
import type { Stored } from './stored-entries.js';
import type { Outcome, Sent } from './stream-writer.js';

export interface WriteCounts {
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  /** Of the unknown, how many are stored. */
  readonly unknownStored: number;
}

/** The id that a writer was told, also of an entry that too few replicas have. */
function idOf(outcome: Outcome): string | undefined {
  if (typeof outcome === 'string') return outcome;
  return outcome?.code === 'not_replicated' ? (outcome as { id?: string }).id : undefined;
}

const isUnknown = (outcome: Outcome): boolean =>
  outcome === undefined || (typeof outcome === 'object' && outcome.code === 'unknown_outcome');

/** @param sent of all writers, each writer's in its order; @param stored by stream id, untrimmed */
export function checkWrites(
  sent: readonly Sent[],
  stored: ReadonlyMap<string, readonly Stored[]>,
): WriteCounts {
  const idsOf = new Map<string, string[]>();
  for (const [sid, entries] of stored) {
    for (const { id, stamp } of entries) {
      const label = `${sid} ${stamp}`;
      idsOf.set(label, [...(idsOf.get(label) ?? []), id]);
    }
  }
  const wrong: string[] = [];
  const counts = { ok: 0, failed: 0, unknown: 0, unknownStored: 0 };
  for (const { sid, stamp, outcome } of sent) {
    const ids = idsOf.get(`${sid} ${stamp}`) ?? [];
    idsOf.delete(`${sid} ${stamp}`);
    const id = idOf(outcome);
    const told = `${sid} ${stamp}: told ${JSON.stringify(outcome)}, stored as ${JSON.stringify(ids)}`;
    if (id !== undefined) {
      counts.ok++;
      if (ids.length !== 1 || ids[0] !== id) wrong.push(told);
    } else if (isUnknown(outcome)) {
      counts.unknown++;
      counts.unknownStored += ids.length;
      if (ids.length > 1) wrong.push(told);
    } else {
      counts.failed++;
      if (ids.length > 0) wrong.push(told);
    }
  }
  expect(wrong).toEqual([]);
  expect([...idsOf.keys()], 'what nobody wrote').toEqual([]);
  for (const [sid, entries] of stored) {
    const last = new Map<string, number>();
    for (const { stamp } of entries) {
      const [writer, seq] = stamp.split('#') as [string, string];
      expect(Number(seq), `${sid} ${stamp} in order`).toBeGreaterThan(last.get(writer) ?? -1);
      last.set(writer, Number(seq));
    }
  }
  return counts;
}
