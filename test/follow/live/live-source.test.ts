/** A follower's place among the hub's batches: where it goes on, and where it ends. */
import { beforeEach, describe, expect, test } from 'vitest';
import { HubStream } from '../../../src/follow/live/hub-stream.js';
import { LiveSource } from '../../../src/follow/live/live-source.js';
import { Progress } from '../../../src/follow/progress.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { packBatches } from '../../../src/redis/stream-reads.js';

let hub: HubStream;
let progress: Progress;

beforeEach(() => {
  hub = new HubStream('k', '1-0');
});

function bring(after: string, ...ids: string[]): void {
  bringUncounted(true, after, ...ids);
}

function bringUncounted(isCounted: boolean, after: string, ...ids: string[]): void {
  const payloads = ids.map(() => Buffer.from('x'));
  const read = { key: 'k', after, trimmed: false, ids, payloads, bytes: ids.length };
  hub.add(new EntryBatch(packBatches([read]).batches[0]!), isCounted);
}

function newSource(cursor: string, countsLosses = false): LiveSource {
  progress = new Progress({ cursor, tail: '1-0', isResumed: false, countsLosses, until: undefined });
  return new LiveSource(hub, progress, countsLosses);
}

/** Sends up to so many entries of the next batch. */
function send(source: LiveSource, count = Number.POSITIVE_INFINITY): string[] {
  const batch = source.next();
  if (batch === undefined) return [];
  const to = Math.min(source.entry + count, batch.length);
  const ids = batch.ids.slice(source.entry, to);
  progress.moveTo(ids.at(-1)!);
  source.consumed(to);
  return ids;
}

/** Sends the newest entry. */
function sendNewest(source: LiveSource, limit?: string): string | undefined {
  const id = source.newest(limit)?.ids[source.entry];
  if (id !== undefined) {
    progress.moveTo(id);
    source.consumed(source.entry + 1);
  }
  return id;
}

describe('entries in order', () => {
  test('come batch by batch from the cursor on, and as they are read', () => {
    bring('1-0', '2-0', '3-0', '4-0');
    const source = newSource('2-0');
    expect([send(source, 1), send(source, 1), send(source)]).toEqual([['3-0'], ['4-0'], []]);
    bring('4-0', '5-0', '6-0');
    bring('6-0', '7-0');
    expect([send(source), send(source), send(source)]).toEqual([['5-0', '6-0'], ['7-0'], []]);
    expect(source).toMatchObject({ hasEnded: false, isPending: false, held: undefined });
  });

  test('that were let go are to be read elsewhere', () => {
    bring('1-0', '2-0', '3-0');
    bring('3-0', '4-0');
    const source = newSource('1-0');
    expect(send(source, 1)).toEqual(['2-0']);
    hub.dropOldest();
    expect([send(source), source.hasEnded]).toEqual([[], true]);
  });

  test('go on here if all that was let go had been sent', () => {
    bring('1-0', '2-0');
    const source = newSource('1-0');
    expect(send(source)).toEqual(['2-0']);
    bring('2-0', '3-0');
    hub.dropOldest();
    expect([send(source), source.hasEnded]).toEqual([['3-0'], false]);
    hub.dropOldest();
    expect([send(source), source.hasEnded]).toEqual([[], false]);
  });

  test('are waited for where the cursor is ahead of what was read', () => {
    const source = newSource('3-0');
    expect([send(source), source.hasEnded]).toEqual([[], false]);
    bring('1-0', '2-0');
    expect([send(source), source.hasEnded]).toEqual([[], false]);
    bring('2-0', '3-0', '4-0');
    expect(send(source)).toEqual(['4-0']);
  });

  test('before what is held are to be read elsewhere', () => {
    const source = newSource('0-9');
    expect([send(source), source.hasEnded]).toEqual([[], true]);
  });

  test('are looked up by the cursor again after it moved, or the place was let go', () => {
    bring('1-0', '2-0', '3-0', '4-0');
    const source = newSource('1-0');
    send(source, 1);
    source.letGo();
    expect(send(source, 1)).toEqual(['3-0']);
    source.close();
  });
});

describe('a client that wants to know of losses', () => {
  test.each([
    [true, false, ['3-0']],
    [false, true, []],
  ])('is sent entries from here if those before were counted: %s', (isCounted, hasEnded, sent) => {
    bringUncounted(isCounted, '1-0', '2-0');
    bring('2-0', '3-0');
    const source = newSource('1-0', true);
    if (isCounted) send(source);
    expect([send(source), source.hasEnded]).toEqual([sent, hasEnded]);
  });

  test('goes on here right behind what was not counted, and another need not care', () => {
    bringUncounted(false, '1-0', '2-0');
    bring('2-0', '3-0');
    expect(send(newSource('2-0', true))).toEqual(['3-0']);
    expect(send(newSource('1-0', false))).toEqual(['2-0']);
  });
});

describe('the newest entry', () => {
  test('is sent once, and what lies before it is skipped', () => {
    bring('1-0', '2-0', '3-0');
    const source = newSource('1-0');
    expect([sendNewest(source), sendNewest(source)]).toEqual(['3-0', undefined]);
    bring('3-0', '4-0');
    bring('4-0', '5-0', '6-0');
    expect([sendNewest(source), sendNewest(source), source.hasEnded]).toEqual(['6-0', undefined, false]);
  });

  test('that was let go is to be read elsewhere', () => {
    bring('1-0', '2-0');
    hub.dropOldest();
    const source = newSource('1-0');
    expect([sendNewest(source), source.hasEnded]).toEqual([undefined, true]);
  });

  test('is none ahead of what was read', () => {
    bring('1-0', '2-0');
    const source = newSource('3-0');
    expect([sendNewest(source), source.hasEnded]).toEqual([undefined, false]);
  });

  test('is followed by what comes next in order, if that is asked for', () => {
    bring('1-0', '2-0', '3-0');
    bring('3-0', '4-0', '5-0');
    const source = newSource('1-0');
    expect(sendNewest(source, '2-0')).toBe('2-0');
    expect(send(source)).toEqual(['3-0']);
    expect(sendNewest(source)).toBe('5-0');
    bring('5-0', '6-0');
    expect(send(source)).toEqual(['6-0']);
  });

  test.each([
    ['1-5', undefined],
    ['2-0', '2-0'],
    ['3-5', '3-0'],
    ['4-0', '4-0'],
    ['5-0', '5-0'],
    ['9-0', '5-0'],
  ])('up to %s is %s', (limit, id) => {
    bring('1-0', '2-0', '3-0');
    bring('3-0', '4-0', '5-0');
    const source = newSource('1-0');
    expect([sendNewest(source, limit), source.hasEnded]).toEqual([id, false]);
  });

  test('up to a limit is none at the cursor', () => {
    bring('1-0', '2-0', '3-0');
    const source = newSource('2-0');
    expect([sendNewest(source, '2-5'), source.hasEnded]).toEqual([undefined, false]);
  });

  test.each([
    ['1-5', undefined, true],
    // Something that was let go may be the newest up to the limit.
    ['2-0', undefined, true],
    ['3-0', undefined, false],
    ['4-0', '4-0', false],
  ])(
    'up to a limit is to be read elsewhere where it may have been let go: from %s',
    (cursor, id, hasEnded) => {
      bring('1-0', '2-0', '3-0');
      bring('3-0', '4-0', '5-0');
      hub.dropOldest();
      const limit = cursor === '4-0' ? '4-0' : '3-5';
      const source = newSource(cursor === '4-0' ? '3-0' : cursor);
      expect([sendNewest(source, limit), source.hasEnded]).toEqual([id, hasEnded]);
    },
  );
});
