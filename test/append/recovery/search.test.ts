/** What became of entries, by clocks and streams that no server has when a test needs them. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Unanswered } from '../../../src/append/batch.js';
import { AppendStream } from '../../../src/append/command.js';
import type { Asking } from '../../../src/append/questions.js';
import type { Fate } from '../../../src/append/recovery/matching.js';
import { findFates, type LostEntries } from '../../../src/append/recovery/recovery.js';
import { StreamSearch } from '../../../src/append/recovery/search.js';
import { compareEntryIds, lastIdOf } from '../../../src/protocol/entry-id.js';
import { bulkReply, ReplyCursor } from '../../../src/redis/resp.js';
import { array, bulk, encodeReply, type Reply } from '../../support/replies.js';

const error = (value: string): Reply => ({ type: 'error', value });
const number = (value: number): Reply => ({ type: 'number', value });
const NOT_ALLOWED = error('NOPERM no permissions');
const NO_STREAM = error('WRONGTYPE of another kind');

/** A stream as Redis has it. */
interface Held {
  entries: { readonly id: string; readonly payload: string }[];
  /** Entries ever added; -1 where the server does not count. */
  added: number;
  lastId: string;
}

let redis: Map<string, Held>;
let streams: Map<string, AppendStream>;
/** What Redis was asked, the scripts without their text. */
let asked: string[];
/** Replies in place of those that the streams would give, by the beginning of the question. */
let instead: [question: string, reply: Reply][];
/** Called before each question is answered. */
let onAsked: (question: string) => void;

/** From 10,000 by Redis' clock on; the connection was lost 6 s later, and the next was there after 10 s. */
const LOST = {
  begun: { runId: 'one', redisTime: 10_000 as number | undefined, askedAt: 0, localTime: 0 },
  writtenAt: 5000,
  lostAt: 6000,
  isFenced: true,
};
const BEGUN_LATE = { ...LOST.begun, redisTime: 14_999, localTime: 4999 };
const NOW = {
  runId: 'one' as string | undefined,
  redisTime: 20_000 as number | undefined,
  askedAt: 10_000,
  localTime: 10_000,
};

beforeEach(() => {
  redis = new Map();
  streams = new Map();
  asked = [];
  instead = [];
  onAsked = () => {};
});

function answer([name, ...words]: readonly string[]): Reply {
  const key = name === 'EVAL' ? words[2]! : words[0]!;
  const held = redis.get(key) ?? { entries: [], added: 0, lastId: '0-0' };
  if (name === 'EVAL') {
    const cursor = words[3];
    if (cursor === undefined) return array(number(held.added), bulk(held.lastId));
    const upTo = cursor.includes('-') ? cursor : lastIdOf(cursor);
    if (held.entries.some(({ id }) => compareEntryIds(id, upTo) <= 0)) return number(0);
    return number(held.added === held.entries.length ? 0 : 1);
  }
  const [, from, to, , count] = words as [string, string, string, string, string];
  const found = held.entries.filter(({ id }) => {
    const isAfter = from.startsWith('(')
      ? compareEntryIds(id, from.slice(1)) > 0
      : compareEntryIds(id, from) >= 0;
    return isAfter && (to === '+' || compareEntryIds(id, to) <= 0);
  });
  return array(
    ...found
      .slice(0, Number(count))
      .map(({ id, payload }) => array(bulk(id), array(bulk('d'), bulk(payload)))),
  );
}

const asking: Asking = {
  ask: async (command, take) => {
    const words = String(command)
      .split(/\r\n\$\d+\r\n/)
      .slice(1);
    words[words.length - 1] = words.at(-1)!.replace(/\r\n$/, '');
    const question = words.filter((_, index) => words[0] !== 'EVAL' || index !== 1).join(' ');
    asked.push(question);
    onAsked(question);
    const other = instead.find(([begin]) => question.startsWith(begin));
    const cursor = new ReplyCursor();
    cursor.place(encodeReply(other?.[1] ?? answer(words)), 0);
    return take(cursor);
  },
};

/** Redis holds these behind what it held, `id payload` each. */
function hold(key: string, ...entries: string[]): Held {
  const held = redis.get(key) ?? { entries: [], added: 0, lastId: '0-0' };
  for (const entry of entries) {
    const [id, payload] = entry.split(' ') as [string, string];
    held.entries.push({ id, payload });
    held.lastId = id;
    if (held.added >= 0) held.added++;
  }
  redis.set(key, held);
  return held;
}

/** Removes the first entries. */
function trim(key: string, count: number): void {
  redis.get(key)!.entries.splice(0, count);
}

/** Under another name after `#` what was known of the stream was forgotten, and is gathered again. */
const keyOf = (name: string) => name.split('#')[0]!;

function streamOf(name: string): AppendStream {
  const stream = streams.get(name) ?? new AppendStream(keyOf(name), 1000);
  streams.set(name, stream);
  return stream;
}

/** The gateway knows how the stream stands now, and that nothing of its own is under way. */
function count(key: string): void {
  const { added, lastId } = redis.get(key)!;
  streamOf(key).count({ added, lastId });
}

/** Entries without an answer: `payload` of k, or `key id payload`. */
function entriesOf(sent: readonly string[]): Unanswered[] {
  return sent.map((text, token): Unanswered => {
    const words = text.split(' ');
    const [key, id, payload] = words.length === 1 ? ['k', '*', text] : (words as [string, string, string]);
    const receipt = { stored: () => {}, refused: () => {} };
    return { stream: streamOf(key!), id: id!, payload: Buffer.from(payload!), receipt, token, bytes: 100 };
  });
}

function find(
  sent: readonly string[],
  lost: Partial<LostEntries> = {},
  now: Partial<typeof NOW> = {},
): Promise<Fate[]> {
  return findFates(asking, { entries: entriesOf(sent), ...LOST, ...lost }, { ...NOW, ...now });
}

const idsOf = (...ids: string[]) => ids.map((id) => ({ id }));

describe('entries that nobody else can have written', () => {
  test('are stored under the ids that they have there; the others are not stored', async () => {
    hold('k', '9000-0 x', '9000-1 a');
    count('k');
    hold('k', '15000-0 a', '15000-1 b');
    expect(await find(['a', 'b', 'c'])).toEqual([...idsOf('15000-0', '15000-1'), 'missing']);
    expect(asked.map((question) => question.split(' ').slice(0, 4).join(' '))).toEqual([
      'EVAL 1 k',
      'XRANGE k 9000-1 15000-1',
    ]);
  });

  test.each([
    // When the first was written, less 5 ms for clocks that differ.
    ['14995-0', {}, {}, { id: '14995-0' }],
    ['14994-0', {}, {}, 'unknown'],
    // It began late.
    ['14998-0', { begun: BEGUN_LATE }, {}, 'missing'],
    ['14999-0', { begun: BEGUN_LATE }, {}, { id: '14999-0' }],
    // A server that went on may have stored it later.
    ['19999-0', {}, {}, { id: '19999-0' }],
    ['16005-0', {}, { runId: 'other' }, { id: '16005-0' }],
    ['16006-0', {}, { runId: 'other' }, 'unknown'],
    ['16006-0', { begun: { ...LOST.begun, runId: undefined } }, { runId: undefined }, 'unknown'],
    // What was asked for long before it was answered.
    ['16015-0', {}, { runId: 'other', askedAt: 9990 }, { id: '16015-0' }],
    ['16016-0', {}, { runId: 'other', askedAt: 9990 }, 'unknown'],
    ['14985-0', {}, { localTime: 10_010 }, { id: '14985-0' }],
    // The clocks say nothing.
    ['15000-0', {}, { redisTime: undefined }, 'unknown'],
    ['15000-0', { begun: { ...LOST.begun, redisTime: undefined } }, {}, 'unknown'],
  ] as const)('are of their time: at %s, %j, %j', async (id, lost, now, fate) => {
    hold('k', '9000-0 x');
    count('k');
    hold('k', `${id} a`);
    expect(await find(['a'], lost, now)).toEqual([fate]);
  });

  test.each([
    [{}, { id: '15000-1' }],
    [{ redisTime: undefined }, 'unknown'],
    // It was put back.
    [{ redisTime: 18_989 }, 'unknown'],
  ])(
    'are not if the clock says nothing, though they are of the time of the last that was answered: %j',
    async (now, fate) => {
      hold('k', '15000-0 x');
      count('k');
      hold('k', '15000-1 a');
      expect(await find(['a', 'b'], {}, now)).toEqual([fate, 'missing']);
    },
  );

  test('are not where the stream has got more than ours', async () => {
    hold('k', '9000-0 x');
    count('k');
    hold('k', '15000-0 other', '15000-1 a');
    expect(await find(['a', 'b'])).toEqual(['unknown', 'missing']);
    // That others write is remembered.
    expect(streamOf('k').isShared).toBe(true);
    hold('k', '16000-0 a');
    expect(await find(['a'])).toEqual(['unknown']);
  });

  test('are not where the stream has got fewer than were answered, which does not show that others write', async () => {
    hold('k', '9000-0 x', '9000-1 y');
    count('k');
    hold('k', '15000-0 a');
    redis.get('k')!.added = 1;
    expect(await find(['a'])).toEqual(['unknown']);
    expect(streamOf('k').isShared).toBe(false);
  });

  test.each([
    [
      ['a', 'b'],
      [{ id: '15000-0' }, 'missing'],
    ],
    [['a'], [{ id: '15000-0' }]],
  ])(
    'of a stream that never got more than these are looked for from its beginning: %j',
    async (sent, fates) => {
      hold('k', '15000-0 a');
      expect(await find(sent)).toEqual(fates);
      expect(asked[1]).toMatch(/^XRANGE k 0-0 /);
    },
  );

  test('are not where there is something though the stream got as many as were answered', async () => {
    hold('k', '9000-0 x', '9000-1 y');
    count('k');
    hold('k', '15000-0 a').added = 2;
    expect(await find(['a'])).toEqual(['unknown']);
    expect(streamOf('k').isShared).toBe(true);
  });

  test('of a stream that got one more are not', async () => {
    hold('k', '15000-0 a', '15000-1 b');
    expect(await find(['b'])).toEqual(['unknown']);
  });

  test('are found by the next search, too, from where this one came to', async () => {
    hold('k', '9000-0 x');
    count('k');
    hold('k', '15000-0 a');
    expect(await find(['a'])).toEqual(idsOf('15000-0'));
    streamOf('k').found(bulkReply('15000-0'));
    hold('k', '15001-0 b');
    expect(await find(['b'])).toEqual(idsOf('15001-0'));
    expect(asked.at(-1)).toMatch(/^XRANGE k 15000-0 15001-0 /);
  });
});

test('a stream that got more before ours is not taken to be shared: what comes next is found', async () => {
  hold('k', '500-0 x', '500-1 y', '500-2 z', '15000-0 a');
  expect(await find(['a'])).toEqual(['unknown']);
  hold('k', '15001-0 b');
  expect(await find(['b'])).toEqual(idsOf('15001-0'));
});

test.each([
  ['9000-0', '9500-0', '9500-0'],
  ['9500-0', '9000-0', '9500-0'],
  [undefined, '9000-0', '9000-0'],
  ['9000-0', undefined, '9000-0'],
])('a stream of which %s and %s were answered is read from %s on', async (first, second, from) => {
  hold('k', '9000-0 x', '9500-0 y').added = -1;
  if (first !== undefined) streamOf('k').found(bulkReply(first));
  if (second !== undefined) streamOf('k#again').found(bulkReply(second));
  hold('k', '15000-0 z');
  expect(await find(['k * a', 'k#again * b'])).toEqual(['missing', 'missing']);
  expect(asked[1]!.split(' ')[2]).toBe(from);
});

describe('a stream to which nothing was added', () => {
  test.each(['9000-0', '8000-0'])('and that ends at %s is not read', async (lastId) => {
    hold('k', '9000-0 x');
    count('k');
    redis.get('k')!.lastId = lastId;
    expect(await find(['a', 'k 9001-5 b', 'k 9002-* c'])).toEqual(['missing', 'missing', 'missing']);
    expect(asked).toEqual(['EVAL 1 k']);
    expect(streamOf('k').knownEnd).toBe(lastId);
  });
});

describe('what was not stored', () => {
  test('may be stored yet where the connection may not have ended', async () => {
    hold('k', '9000-0 x');
    count('k');
    hold('k', '15000-0 a');
    expect(await find(['a', 'b'], { isFenced: false })).toEqual([...idsOf('15000-0'), 'unknown']);
  });

  test('is not known to be so where the stream may not be read', async () => {
    hold('k', '9000-0 x');
    count('k');
    hold('k', '15000-0 a');
    instead = [['XRANGE', NOT_ALLOWED]];
    expect(await find(['a', 'k 15000-7 b'])).toEqual(['unknown', 'unknown']);
  });

  test.each(['EVAL', 'XRANGE'])(
    'is sent again to a key that is no stream, by its reply to %s',
    async (name) => {
      hold('k', '9000-0 x', '9000-1 y', '9000-2 z', '9000-3 z', '9000-4 z');
      instead = [[name, NO_STREAM]];
      expect(await find(['a', 'k 5-5 b'])).toEqual(['missing', 'missing']);
      instead = [[name, NO_STREAM]];
      count('k');
      hold('k', '15000-0 a');
      expect(await find(['a', 'k 15000-7 b'])).toEqual(['missing', 'missing']);
    },
  );
});

describe('without an answer or a count', () => {
  beforeEach(() => {
    hold('k', '500-0 a').added = -1;
  });

  test.each([
    // 10 s passed: 0.1 % and a second less is what clocks may differ.
    [18_990, 'missing'],
    [18_989, 'unknown'],
    [undefined, 'unknown'],
  ])(
    'entries are looked for from the time on at which the connection began, if the clock was not put back: %s',
    async (redisTime, fate) => {
      expect(await find(['a'], {}, { redisTime })).toEqual([fate]);
      if (fate === 'missing') expect(asked[1]).toMatch(/^XRANGE k 10000-0 /);
      else expect(asked).toEqual(['EVAL 1 k']);
    },
  );

  test('of the stream, those behind the last that was answered are looked for', async () => {
    streamOf('k').found(bulkReply('500-0'));
    hold('k', '15000-0 a');
    expect(await find(['a', 'b'])).toEqual(['unknown', 'missing']);
    expect(asked[1]).toMatch(/^XRANGE k 500-0 \+ /);
  });

  test('an equal one since then may be another’s', async () => {
    hold('k', '10000-0 a');
    expect(await find(['a', 'b'])).toEqual(['unknown', 'missing']);
  });

  test('what was removed since then may have been ours', async () => {
    expect(await find(['a'])).toEqual(['missing']);
    expect(asked.at(-1)).toBe('EVAL 1 k 9999');
    trim('k', 1);
    expect(await find(['a'])).toEqual(['unknown']);
  });
});

describe('a long stream', () => {
  const others = (from: number, length: number) =>
    Array.from({ length }, (_, index) => `${from + index}-0 other${index}`);

  beforeEach(() => {
    hold('k', '9000-0 x');
    count('k');
  });

  test('is read to its end, piece by piece', async () => {
    hold('k', ...others(15_000, 300), '16000-0 a');
    expect(await find(['a', 'b'])).toEqual(['unknown', 'missing']);
    const froms = asked.slice(1).map((question) => question.split(' ')[2]);
    expect(froms.length).toBeGreaterThan(3);
    expect(froms).toEqual([...new Set(froms)]);
  });

  test('is not read beyond where it ended when the search began', async () => {
    hold('k', '15000-0 a');
    onAsked = (question) => {
      if (question.startsWith('XRANGE')) hold('k', '15001-0 b');
    };
    expect(await find(['a', 'b'])).toEqual([...idsOf('15000-0'), 'missing']);
  });

  test('may lose what was read before it is read to its end: nothing is missing then', async () => {
    hold('k', '15000-0 a', ...others(15_001, 100));
    let pieces = 0;
    onAsked = (question) => {
      if (question.startsWith('XRANGE') && ++pieces === 3) trim('k', 90);
    };
    expect(await find(['a', 'b'])).toEqual(['unknown', 'unknown']);
  });

  test('may lose what was read before: if all of it is ours, that was stored', async () => {
    const payloads = Array.from({ length: 100 }, (_, index) => `p${index}`);
    hold('k', ...payloads.map((payload, index) => `${15_000 + index}-0 ${payload}`));
    let pieces = 0;
    onAsked = (question) => {
      // The known end, and 90 of ours.
      if (question.startsWith('XRANGE') && ++pieces === 3) trim('k', 91);
    };
    expect(await find(payloads)).toEqual(
      payloads.map((_, index) => (index < 90 ? 'stored' : { id: `${15_000 + index}-0` })),
    );
  });

  test('is read no further than all searches together may read', async () => {
    hold('k', ...Array.from({ length: 10 }, (_, index) => `${15_000 + index}-0 yz`));
    // Of the first piece: field, payload and framing of the known end, and of three more.
    const budget = { bytes: 66 + 3 * 67 };
    const search = new StreamSearch(asking, 'k', entriesOf(['a']), [0], 10_000, undefined, budget);
    await search.run();
    expect(search.evidence).toMatchObject({ isComplete: true, isWhole: false });
    expect(asked.filter((question) => question.startsWith('XRANGE'))).toHaveLength(1);
  });

  test('lost nothing where the last entry that was answered was deleted by itself', async () => {
    hold('k', '11000-0 x', '12000-0 y');
    count('k');
    trim('k', 1);
    redis.get('k')!.entries.pop();
    hold('k', '15000-0 a');
    expect(await find(['a', 'b'])).toEqual([...idsOf('15000-0'), 'missing']);
  });

  test('what was trimmed was stored before what is left, if all of it is ours', async () => {
    hold('k', '15000-0 a', '15000-1 b', '15000-2 c');
    trim('k', 4);
    hold('k', '15000-3 d');
    expect(await find(['a', 'b', 'c', 'd', 'e'])).toEqual([
      'stored',
      'stored',
      'stored',
      { id: '15000-3' },
      'missing',
    ]);
  });
});

describe('entries with times of their own', () => {
  test('are looked for there where no answer or count is known', async () => {
    hold('k', '5-7 a', '6-0 b', '6-1 b', '6-2 c', '9-0 x', '9-1 x', '9-2 x', '9-3 x');
    expect(await find(['k 5-7 a', 'k 6-* b', 'k 6-* b', 'k 6-* d', 'k 7-7 e'])).toEqual([
      ...idsOf('5-7', '6-0', '6-1'),
      'missing',
      'missing',
    ]);
    // No other question: they need no evidence.
    expect(asked.filter((question) => question.startsWith('XRANGE k 5-7 5-7 '))).toHaveLength(1);
    expect(asked.some((question) => /^XRANGE k (?:0-0|10000-0) /.test(question))).toBe(false);
  });

  test('are looked for among many of the same time', async () => {
    hold('k', ...Array.from({ length: 30 }, (_, index) => `6-${index} other${index}`), '6-30 a');
    expect(await find(['k 6-* a', 'k 6-* b'])).toEqual([...idsOf('6-30'), 'missing']);
    const counts = asked
      .filter((question) => question.startsWith('XRANGE'))
      .map((question) => question.split(' ')[5]);
    expect(Math.max(...counts.map(Number))).toBeLessThanOrEqual(8);
  });

  test('may have been removed there', async () => {
    hold('k', '5-7 a', '6-0 b', '7-0 x', '8-0 y');
    trim('k', 1);
    expect(await find(['k 5-7 a', 'k 6-1 a'])).toEqual(['unknown', 'missing']);
  });

  test('are unknown where they may not be looked for', async () => {
    hold('k', '5-7 a', '6-0 b', '7-0 x', '8-0 y');
    instead = [['XRANGE', NOT_ALLOWED]];
    expect(await find(['k 5-7 a', 'k 6-* b'])).toEqual(['unknown', 'unknown']);
  });

  test('behind a known end are found there, and those before it are not stored', async () => {
    hold('k', '100-5 x');
    count('k');
    hold('k', '100-6 a', '200-0 b');
    expect(await find(['k 100-5 z', 'k 99-* z', 'k 100-6 a', 'k 200-* b', 'k 300-1 c'])).toEqual([
      'missing',
      'missing',
      ...idsOf('100-6', '200-0'),
      'missing',
    ]);
  });

  test('before a known end are not stored though the stream cannot be read, and others are not known', async () => {
    hold('k', '100-5 x');
    count('k');
    hold('k', '200-0 b');
    instead = [['XRANGE', NOT_ALLOWED]];
    expect(await find(['k 100-5 z', 'k 100-* z', 'k 300-1 c', 'k 99-* c'])).toEqual([
      'missing',
      'unknown',
      'unknown',
      'missing',
    ]);
  });

  test('behind a known end are not known where something there was trimmed', async () => {
    hold('k', '100-5 x');
    count('k');
    hold('k', '200-0 b');
    trim('k', 2);
    hold('k', '300-0 y');
    expect(await find(['k 250-1 c', 'k 99-1 c'])).toEqual(['unknown', 'missing']);
  });

  test('that others may have written: one with its id may be used as ours, one of its time not', async () => {
    hold('k', '100-5 x');
    count('k');
    hold('k', '150-0 other', '200-0 a', '201-7 b');
    expect(await find(['k 200-* a', 'k 201-7 b'])).toEqual(['unknown', { id: '201-7' }]);
  });

  test.each([
    ['200-*', 'unknown', 'unknown'],
    ['200-0', 'stored', { id: '200-0' }],
  ])('show that those before them were stored only if they are ours: %s', async (id, before, fate) => {
    for (const key of ['j', 'k']) {
      hold(key, '100-5 x');
      count(key);
    }
    hold('j', '15000-0 a');
    trim('j', 2);
    hold('k', '150-0 other', '200-0 b');
    expect(await find(['j * a', `k ${id} b`])).toEqual([before, fate]);
  });

  test('are not taken for entries without, nor these for them', async () => {
    hold('k', '100-5 x');
    count('k');
    hold('k', '200-0 a', '15000-0 a', '15000-1 a');
    expect(await find(['k 200-* a', 'a', 'a', 'a'])).toEqual([
      ...idsOf('200-0', '15000-0', '15000-1'),
      'missing',
    ]);
  });
});

test('each of many streams is searched, and the fates are in the order of the entries', async () => {
  const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);
  for (const key of keys) {
    hold(key, '9000-0 x');
    count(key);
    hold(key, '15000-0 a');
  }
  const sent = [...keys, ...keys].map((key, index) => `${key} * ${index < 10 ? 'a' : 'b'}`);
  expect(await find(sent)).toEqual([...keys.map(() => ({ id: '15000-0' })), ...keys.map(() => 'missing')]);
});
