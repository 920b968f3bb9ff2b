import { describe, expect, test } from 'vitest';
import { AnswerBudget } from '../../src/protocol/answer-budget.js';

const MIB = 1024 * 1024;
const LIMIT = 64 * MIB;
const TOO_MUCH = expect.objectContaining({
  code: 'payload_too_large',
  message: 'the answer would have more than 64 MiB of entries, metadata and ids: ask for fewer at once',
});

/** Expects that after `spend` exactly so many bytes are left, besides one entry of any size. */
function expectLeft(bytes: number, spend: (budget: AnswerBudget) => void): void {
  for (const [more, fits] of [
    [bytes, true],
    [bytes + 1, false],
  ] as const) {
    const budget = new AnswerBudget();
    budget.spend(LIMIT + 1);
    spend(budget);
    const last = () => budget.spend(more);
    if (fits) expect(last).not.toThrow();
    else expect(last).toThrow(TOO_MUCH);
  }
}

describe('entries', () => {
  test('have 64 MiB together, besides the largest', () => {
    expectLeft(LIMIT, () => {});
    expectLeft(LIMIT - 30 * MIB, (budget) => {
      budget.spend(10 * MIB);
      budget.spend(20 * MIB);
    });
  });

  test('may be the largest in any order', () => {
    const budget = new AnswerBudget();
    budget.spend(LIMIT);
    expect(() => budget.spend(100 * MIB)).not.toThrow();
    expect(() => budget.spend(1)).toThrow(TOO_MUCH);
  });

  test('count as often as the answer has them', () => {
    expectLeft(LIMIT - 30 * MIB, (budget) => budget.spend(10 * MIB, 3));
  });
});

describe('a list', () => {
  const ids = ['a', 'bc', 'def'];

  test('of ids counts each id and 50 bytes besides', () => {
    expectLeft(LIMIT - 6 - 3 * 50, (budget) => budget.spendList(ids));
  });

  test('of objects counts 100 bytes for each and 50 for each field', () => {
    expectLeft(LIMIT - 6 - 3 * (100 + 2 * 50), (budget) => budget.spendList(ids, 2));
  });

  test('counts the ids as often as the objects have them', () => {
    expectLeft(LIMIT - 2 * 6 - 3 * (100 + 50), (budget) => budget.spendList(ids, 1, 2));
  });

  test('is refused before any of it is made', () => {
    const most = ['x'.repeat(LIMIT - 50)];
    expect(() => new AnswerBudget().spendList(most)).not.toThrow();
    expect(() => new AnswerBudget().spendList([`${most[0]}x`])).toThrow(TOO_MUCH);
  });

  test('may come beside an entry of any size', () => {
    const budget = new AnswerBudget();
    budget.spend(100 * MIB);
    expect(() => budget.spendList(ids)).not.toThrow();
  });
});
