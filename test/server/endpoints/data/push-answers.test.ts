/** Which acks are answered together, and when. */
import { beforeEach, expect, test } from 'vitest';
import { type AckResult, PushAcks } from '../../../../src/server/endpoints/data/push-acks.js';

let answers: (readonly (readonly AckResult[])[])[];
let acks: PushAcks;

beforeEach(() => {
  answers = [];
  acks = new PushAcks((together) => answers.push(together));
});

const FAILURE = { code: 'bad_frame', error: 'x' } as const;

test('what is completed in one turn is answered together and in order, before anything else happens', async () => {
  const [first, second, third, last] = [acks.begin(1), acks.begin(2), acks.begin(1), acks.begin(1)];
  acks.settle(second, 1, '2-1');
  acks.settle(third, 0, '3-0');
  acks.settle(first, 0, '1-0');
  acks.settle(second, 0, '2-0');
  expect(answers).toEqual([]);
  await Promise.resolve();
  expect(answers).toEqual([[['1-0'], ['2-0', '2-1'], ['3-0']]]);
  acks.settle(last, 0, '4-0');
  await Promise.resolve();
  expect(answers.slice(1)).toEqual([[['4-0']]]);
});

test('a message without entries, and one that is refused as a whole, are answered in their turn', async () => {
  const first = acks.begin(1);
  acks.begin(0);
  acks.refuse(2, FAILURE);
  await Promise.resolve();
  expect(answers).toEqual([]);
  acks.settle(first, 0, '1-0');
  await Promise.resolve();
  expect(answers).toEqual([[['1-0'], [], [FAILURE, FAILURE]]]);
});

test('what is complete is answered before the connection is closed, and nothing after', async () => {
  const [first, second] = [acks.begin(1), acks.begin(1)];
  acks.settle(first, 0, '1-0');
  acks.flush();
  expect(answers).toEqual([[['1-0']]]);
  acks.settle(second, 0, '2-0');
  acks.forget();
  await Promise.resolve();
  expect(answers).toHaveLength(1);
});
