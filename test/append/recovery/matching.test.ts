import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Fate, judge, type StreamEvidence } from '../../../src/append/recovery/matching.js';

const STREAMS = 3;
/** Bytes that only other writers send. */
const FOREIGN = 1000;

/** What one connection sent, and what became of it. */
interface Scene {
  /** Each entry's stream and bytes, in the order sent. */
  readonly sent: readonly (readonly [stream: number, bytes: number])[];
  /** Redis carried out so many of them. */
  readonly carriedOut: number;
  /** Before each stored entry, and behind the last: what others stored in that stream. */
  readonly others: readonly (readonly number[])[];
  /** How many of its first entries each stream lost to trimming. */
  readonly trimmed: readonly number[];
}

const sceneOf = (bytes: fc.Arbitrary<number>, foreign: fc.Arbitrary<number>, trims: number) =>
  fc
    .record({
      sent: fc.array(fc.tuple(fc.nat(STREAMS - 1), bytes), { minLength: 1, maxLength: 12 }),
      carriedOut: fc.nat(12),
      others: fc.array(fc.array(foreign, { maxLength: 2 }), { minLength: 16, maxLength: 16 }),
      trimmed: fc.array(fc.nat(trims), { minLength: STREAMS, maxLength: STREAMS }),
    })
    .map((scene): Scene => ({ ...scene, carriedOut: Math.min(scene.carriedOut, scene.sent.length) }));

/** What the streams hold, whose each entry is, and what of it a search would bring. */
function play({ sent, carriedOut, others, trimmed }: Scene) {
  const idOf = new Map<number, string>();
  const streams: StreamEvidence[] = [];
  for (let stream = 0; stream < STREAMS; stream++) {
    const held: { id: string; bytes: number }[] = [];
    const store = (bytes: number) => {
      held.push({ id: `${held.length + 1}-${stream}`, bytes });
      return held.at(-1)!.id;
    };
    const places: number[] = [];
    sent.forEach(([to, bytes], place) => {
      if (to !== stream) return;
      places.push(place);
      if (place >= carriedOut) return;
      for (const other of others[place]!) store(other);
      idOf.set(place, store(bytes));
    });
    for (const other of others[12 + stream]!) store(other);
    const sought = places.map((place) => sent[place]![1]);
    const left = held.slice(trimmed[stream]!);
    streams.push({
      places,
      sought,
      found: left.filter(({ bytes }) => sought.includes(bytes)),
      isComplete: trimmed[stream] === 0,
      isWhole: true,
    });
    for (const { id } of held.slice(0, trimmed[stream]!)) {
      for (const [place, stored] of idOf) if (stored === id) idOf.set(place, 'trimmed');
    }
  }
  return { idOf, streams };
}

const anyBytes = fc.nat(20);
const fewBytes = fc.nat(2);
const foreignBytes = fc.nat(2).map((bytes) => FOREIGN + bytes);
const runs = { numRuns: 500 };

const stream = (sought: number[], found: number[], more: Partial<StreamEvidence> = {}): StreamEvidence => ({
  places: sought.map((_, place) => place),
  sought,
  found: found.map((bytes, index) => ({ id: `${index}-0`, bytes })),
  isComplete: true,
  isWhole: true,
  ...more,
});
const fatesOf = (...streams: StreamEvidence[]): Fate[] => {
  const fates = judge(streams);
  return [...fates.keys()].sort((a, b) => a - b).map((place) => fates.get(place)!);
};

describe('in a stream to which others write', () => {
  test.each([
    ['their bytes are others', anyBytes, foreignBytes, 0],
    ['they send the same bytes', fewBytes, fewBytes, 0],
    ['it was trimmed', fewBytes, fc.oneof(fewBytes, foreignBytes), 4],
  ])('nothing gets an id, and nothing that is stored counts as missing: %s', (_, bytes, foreign, trims) => {
    let missing = 0;
    fc.assert(
      fc.property(sceneOf(bytes, foreign, trims), (scene) => {
        const { idOf, streams } = play(scene);
        const fates = [...judge(streams)];
        const wrong = fates.filter(([place, fate]) => {
          if (fate === 'missing') return idOf.has(place);
          if (fate === 'stored') return !idOf.has(place);
          return fate !== 'unknown';
        });
        expect(wrong).toEqual([]);
        missing += fates.filter(([, fate]) => fate === 'missing').length;
      }),
      runs,
    );
    expect(missing).toBeGreaterThan(runs.numRuns / 2);
  });

  test.each([
    ['an equal entry is no evidence', [1], [1], ['unknown']],
    ['no equal entry is evidence', [1], [], ['missing']],
    ['what is there though the one before is not may be ours', [3, 1], [1], ['missing', 'unknown']],
    ['at most as many as are there are ours', [1, 1, 1], [1, 1], ['unknown', 'unknown', 'missing']],
    ['what is out of order is not ours', [1, 2], [2, 1], ['unknown', 'missing']],
  ] as const)('%s', (_, sought, found, fates) => {
    expect(fatesOf(stream([...sought], [...found]))).toEqual(fates);
  });

  test('another stream can show that it was not stored', () => {
    const after = stream([1], [1, 1], { places: [1] });
    expect(fatesOf(stream([5], [], { places: [0] }), after)).toEqual(['missing', 'missing']);
  });

  test('another stream cannot give it an id', () => {
    const later = stream([5], [5], { places: [1], own: [{ id: '7-0' }] });
    expect(fatesOf(stream([1], [1], { places: [0] }), later)).toEqual(['stored', { id: '7-0' }]);
  });

  test('what was not read to the end says nothing of what is not found', () => {
    expect(fatesOf(stream([1, 2], [1], { isWhole: false }))).toEqual(['unknown', 'unknown']);
  });
});

describe('in a stream to which nobody else writes', () => {
  test('each entry has its fate', () => {
    const own = [{ id: '1-0' }, 'refused', undefined] as const;
    expect(fatesOf(stream([1, 2, 3], [1], { own }))).toEqual([{ id: '1-0' }, 'missing', 'missing']);
    expect(fatesOf(stream([1, 2], [], { own: ['trimmed', { id: '2-0' }] }))).toEqual([
      'stored',
      { id: '2-0' },
    ]);
  });

  test('what is there though an earlier entry of another stream is not leaves it open', () => {
    const found = stream([1], [1], { places: [1], own: [{ id: '1-0' }] });
    expect(fatesOf(stream([5], [], { places: [0] }), found)).toEqual(['missing', 'unknown']);
  });
});

test('where what is stored contradicts what is missing, nothing is concluded about others', () => {
  const missing = stream([5], [], { places: [0] });
  const stored = stream([6], [6], { places: [2], own: [{ id: '1-0' }] });
  // One before the entry that is stored, one after the entry that is missing.
  const open = stream([1, 1], [1, 1], { places: [1, 3] });
  expect(fatesOf(missing, stored, open)).toEqual(['missing', 'unknown', 'unknown', 'unknown']);
});

test('an entry found by its own id shows what was stored before it', () => {
  const evidence = stream([1, 2], [], { isWhole: false });
  expect([...judge([evidence], new Map([[2, '7-7']])).values()]).toEqual(['stored', 'stored', { id: '7-7' }]);
});

test('many entries are judged in no time', () => {
  const sought = Array.from({ length: 100_000 }, (_, index) => index % 50_000);
  const begun = performance.now();
  const fates = fatesOf(stream(sought, sought.slice(0, 80_000)));
  expect(performance.now() - begun).toBeLessThan(5000);
  expect(fates[79_999]).toBe('unknown');
  expect(fates[80_000]).toBe('missing');
});
