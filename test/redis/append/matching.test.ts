import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Fate, judge, type StreamEvidence } from '../../../src/redis/append/matching.js';

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

const bytesAt = (streams: readonly StreamEvidence[], id: string) =>
  streams.flatMap(({ found }) => found).find((entry) => entry.id === id)!.bytes;

const anyBytes = fc.nat(20);
const fewBytes = fc.nat(2);
const foreignBytes = fc.nat(2).map((bytes) => FOREIGN + bytes);
const runs = { numRuns: 2000 };

describe('where nobody else sends the same bytes', () => {
  test('and nothing was trimmed, the fate of every entry is known, also of equal ones', () => {
    fc.assert(
      fc.property(sceneOf(fc.oneof(anyBytes, fewBytes), foreignBytes, 0), (scene) => {
        const { idOf, streams } = play(scene);
        const fates = judge(streams);
        scene.sent.forEach((_, place) => {
          const id = idOf.get(place);
          expect(fates.get(place)).toEqual(id === undefined ? 'missing' : { id });
        });
      }),
      runs,
    );
  });

  test('trimming leaves some unknown, and none mistaken', () => {
    let known = 0;
    fc.assert(
      fc.property(sceneOf(anyBytes, foreignBytes, 4), (scene) => {
        const { idOf, streams } = play(scene);
        const fates = judge(streams);
        scene.sent.forEach((_, place) => {
          const fate = fates.get(place)!;
          const id = idOf.get(place);
          if (fate !== 'unknown') known++;
          if (fate === 'missing') expect(id).toBeUndefined();
          if (fate === 'stored') expect(id).toBeDefined();
          if (typeof fate === 'object') expect(fate.id).toBe(id);
        });
      }),
      runs,
    );
    expect(known).toBeGreaterThan(runs.numRuns);
  });
});

describe('where others send the same bytes', () => {
  test('nothing that is stored is sent again, and an id that is told is of an entry with these bytes', () => {
    fc.assert(
      fc.property(sceneOf(fewBytes, fewBytes, 0), (scene) => {
        const { idOf, streams } = play(scene);
        const fates = judge(streams);
        const told = new Set<string>();
        scene.sent.forEach(([, bytes], place) => {
          const fate = fates.get(place)!;
          if (idOf.has(place)) expect(fate).not.toBe('missing');
          if (typeof fate !== 'object') return;
          expect(bytesAt(streams, fate.id)).toBe(bytes);
          expect(told).not.toContain(fate.id);
          told.add(fate.id);
        });
      }),
      runs,
    );
  });

  const stream = (sought: number[], found: number[], more: Partial<StreamEvidence> = {}): StreamEvidence => ({
    places: sought.map((_, place) => place),
    sought,
    found: found.map((bytes, index) => ({ id: `${index}-0`, bytes })),
    isComplete: true,
    isWhole: true,
    ...more,
  });
  const told = (...streams: StreamEvidence[]): Fate[] => {
    const fates = judge(streams);
    return [...fates.keys()].sort((a, b) => a - b).map((place) => fates.get(place)!);
  };

  test.each([
    ['one too many is no evidence', [1], [1, 1], ['unknown']],
    ['unless what was sent later is there', [1, 2], [1, 1, 2], [{ id: '0-0' }, { id: '2-0' }]],
    ['what is there though the one before is not may be ours', [3, 1], [1], ['missing', 'unknown']],
    ['as many as were sent are ours', [1, 1], [1, 1], [{ id: '0-0' }, { id: '1-0' }]],
    ['as few as are there were stored', [1, 1, 1], [1, 1], [{ id: '0-0' }, { id: '1-0' }, 'missing']],
    ['what is out of order is not ours', [1, 2], [2, 1], [{ id: '1-0' }, 'missing']],
  ] as const)('%s', (_, sought, found, fates) => {
    expect(told(stream([...sought], [...found]))).toEqual(fates);
  });

  test('another stream can decide', () => {
    const contested = stream([1], [1, 1], { places: [0] });
    expect(told(contested, stream([5], [5], { places: [1] }))).toEqual([{ id: '0-0' }, { id: '0-0' }]);
    const after = stream([1], [1, 1], { places: [1] });
    expect(told(stream([5], [], { places: [0] }), after)).toEqual(['missing', 'missing']);
  });

  test('streams that contradict each other leave it open', () => {
    const found = stream([1], [1], { places: [1] });
    expect(told(stream([5], [], { places: [0] }), found)).toEqual(['missing', 'unknown']);
  });
});

describe('a search that did not see everything', () => {
  const evidence = { places: [0, 1], sought: [1, 2], isComplete: true, isWhole: false };

  test('says nothing of what it did not find', () => {
    const found = [{ id: '1-0', bytes: 1 }];
    expect([...judge([{ ...evidence, found }]).values()]).toEqual([{ id: '1-0' }, 'unknown']);
  });

  test('but what came later and is there shows what was before it', () => {
    const fates = judge([{ ...evidence, found: [] }], new Map([[2, '7-7']]));
    expect([...fates.values()]).toEqual(['stored', 'stored', { id: '7-7' }]);
  });
});

test('many entries are judged in no time', () => {
  const sought = Array.from({ length: 100_000 }, (_, index) => index % 50_000);
  const found = sought.slice(0, 80_000).map((bytes, index) => ({ id: `${index}-0`, bytes }));
  const begun = performance.now();
  const fates = judge([
    { places: sought.map((_, place) => place), sought, found, isComplete: true, isWhole: true },
  ]);
  expect(performance.now() - begun).toBeLessThan(2000);
  expect(fates.get(79_999)).toEqual({ id: '79999-0' });
  expect(fates.get(80_000)).toBe('missing');
});
