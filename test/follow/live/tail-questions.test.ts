import type { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { TailQuestions } from '../../../src/follow/live/tail-questions.js';
import { ServerControl } from '../../../src/redis/control.js';

/** A Redis that answers when it is told to. */
class Answers {
  readonly asked: string[] = [];
  readonly #waiting: ((tail: string) => void)[] = [];

  readonly control = new ServerControl({
    streamTail: (key: string) => this.#ask(key).then((tail) => [tail, 0]),
    pipeline: () => {
      const answers: Promise<string>[] = [];
      const pipeline = {
        streamTail: (key: string) => {
          answers.push(this.#ask(key));
          return pipeline;
        },
        exec: async () => {
          const settled = await Promise.allSettled(answers);
          return settled.map((one) =>
            one.status === 'fulfilled' ? [null, [one.value, 0]] : [one.reason, undefined],
          );
        },
      };
      return pipeline;
    },
  } as unknown as Redis);

  /** Answers the oldest question, and lets who waits for it go on. */
  async answer(tail: string): Promise<void> {
    this.#waiting.shift()!(tail);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }

  #ask(key: string): Promise<string> {
    this.asked.push(key);
    return new Promise((resolve, reject) =>
      this.#waiting.push((tail) => (tail === 'error' ? reject(new Error(key)) : resolve(tail))),
    );
  }
}

const idsOf = (ends: readonly { readonly id: string }[]) => ends.map(({ id }) => id);

test('a hundred that ask at once cost two questions, and each is told what was so after it came', async () => {
  const answers = new Answers();
  const questions = TailQuestions.of(answers.control);
  const first = questions.ask(['a']);
  const others = Array.from({ length: 99 }, () => questions.ask(['a']));
  expect(answers.asked).toEqual(['a']);
  await answers.answer('1-0');
  expect(idsOf(await first)).toEqual(['1-0']);
  expect(answers.asked).toEqual(['a', 'a']);
  const late = questions.ask(['a']);
  await answers.answer('2-0');
  expect((await Promise.all(others)).map(idsOf)).toEqual(Array(99).fill(['2-0']));
  // Who came while the second was under way may not be told what that says.
  await answers.answer('3-0');
  expect(idsOf(await late)).toEqual(['3-0']);
  expect(answers.asked).toEqual(['a', 'a', 'a']);
});

test('several streams are asked for together, those under way excepted', async () => {
  const answers = new Answers();
  const questions = TailQuestions.of(answers.control);
  const one = questions.ask(['b']);
  const all = questions.ask(['a', 'b', 'c']);
  expect(answers.asked).toEqual(['b', 'a', 'c']);
  for (const tail of ['1-0', '2-0', '3-0', '4-0']) await answers.answer(tail);
  expect(idsOf(await one)).toEqual(['1-0']);
  expect(idsOf(await all)).toEqual(['2-0', '4-0', '3-0']);
});

test('a question that fails fails for those who share it, and not for those who come later', async () => {
  const answers = new Answers();
  const questions = TailQuestions.of(answers.control);
  const first = questions.ask(['a']);
  const second = questions.ask(['a']);
  first.catch(() => {});
  await answers.answer('error');
  await expect(first).rejects.toThrow('a');
  await answers.answer('2-0');
  expect(idsOf(await second)).toEqual(['2-0']);
  const third = questions.ask(['a']);
  await answers.answer('3-0');
  expect(idsOf(await third)).toEqual(['3-0']);
});

test('one bad key of several fails the others with it', async () => {
  const answers = new Answers();
  const asked = TailQuestions.of(answers.control).ask(['a', 'b']);
  asked.catch(() => {});
  await answers.answer('1-0');
  await answers.answer('error');
  await expect(asked).rejects.toThrow('b');
});
