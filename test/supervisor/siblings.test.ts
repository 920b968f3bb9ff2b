import { afterEach, expect, test, vi } from 'vitest';
import type { FromWorker, Readiness } from '../../src/supervisor/messages.js';
import { Siblings } from '../../src/supervisor/siblings.js';

afterEach(() => {
  vi.useRealTimers();
});

const READY: Readiness = { isReady: true, body: {} };

type Ask = Extract<FromWorker, { type: 'ask' }>;

function connect(): { siblings: Siblings; sent: FromWorker[]; asks(): Ask[] } {
  const sent: FromWorker[] = [];
  const siblings = new Siblings((message) => sent.push(message));
  return { siblings, sent, asks: () => sent.filter((message) => message.type === 'ask') };
}

/** Answers of other workers to the ask of that place. */
const answerTo = async (siblings: Siblings, { id }: Ask, answers: readonly unknown[]) =>
  siblings.receive({ type: 'answers', id, answers });

test('the own answer goes along with the question, and comes first', async () => {
  const { siblings, asks } = connect();
  siblings.onAsked('followers', (keys) => keys.map((key) => key.length));
  const counts = siblings.ask('followers', ['a', 'bb']);
  await vi.waitFor(() => expect(asks()).toHaveLength(1));
  expect(asks()[0]).toMatchObject({ topic: 'followers', question: ['a', 'bb'], own: [1, 2] });
  await answerTo(siblings, asks()[0]!, [[10, 20]]);
  expect(await counts).toEqual([
    [1, 2],
    [10, 20],
  ]);
});

test('a question that cannot be answered is answered with nothing', async () => {
  const { siblings, sent } = connect();
  siblings.onAsked('readiness', () => {
    throw new Error('out of order');
  });
  await siblings.receive({ type: 'question', id: 7, topic: 'readiness', question: undefined });
  await siblings.receive({ type: 'question', id: 8, topic: 'metrics', question: undefined });
  expect(sent).toEqual([
    { type: 'answer', id: 7, answer: undefined },
    { type: 'answer', id: 8, answer: undefined },
  ]);
});

test('many that ask at once share the question after the one that is under way', async () => {
  const { siblings, asks } = connect();
  siblings.onAsked('readiness', () => READY);
  const first = siblings.askOnce('readiness');
  const later = Array.from({ length: 100 }, () => siblings.askOnce('readiness'));
  await vi.waitFor(() => expect(asks()).toHaveLength(1));
  await answerTo(siblings, asks()[0]!, [READY]);
  expect(await first).toHaveLength(2);
  await vi.waitFor(() => expect(asks()).toHaveLength(2));
  const another = siblings.askOnce('readiness');
  await answerTo(siblings, asks()[1]!, []);
  for (const answers of await Promise.all(later)) expect(answers).toEqual([READY]);
  await vi.waitFor(() => expect(asks()).toHaveLength(3));
  await answerTo(siblings, asks()[2]!, []);
  await another;
  const alone = siblings.askOnce('readiness');
  await vi.waitFor(() => expect(asks()).toHaveLength(4));
  await answerTo(siblings, asks()[3]!, [READY]);
  expect(await alone).toHaveLength(2);
});

test('a supervisor that says nothing leaves the own answer', async () => {
  vi.useFakeTimers();
  const { siblings, asks } = connect();
  siblings.onAsked('readiness', () => READY);
  const asked = siblings.askOnce('readiness');
  await vi.advanceTimersByTimeAsync(2000);
  expect(await asked).toEqual([READY]);
  // An answer that comes too late is for nobody.
  await answerTo(siblings, asks()[0]!, [READY]);
});
