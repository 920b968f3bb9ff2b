/** What is done about a read that Redis refuses. */
import { beforeEach, describe, expect, test } from 'vitest';
import { RefusedReads } from '../../workers/refused-reads.js';
import { readCommands, replyOf } from '../support/resp-commands.js';

const NOTHING = '_\r\n';

let done: string[];
/** Answers to the questions that were asked, by key. */
let questions: { readonly key: string; answer(reply: string): void }[];
let reads: RefusedReads;

beforeEach(() => {
  [done, questions] = [[], []];
  reads = new RefusedReads({
    ask: (command, take) => {
      const [words] = readCommands([command]);
      questions.push({ key: words![2]!, answer: (reply) => take(replyOf(reply)) });
    },
    renew: ({ message }) => done.push(`renew: ${message}`),
    evict: (key, { code }) => done.push(`evict ${key}: ${code}`),
    readApart: () => done.push('read apart'),
    refused: (error) => done.push(`refused: ${error}`),
    readAgain: (ms) => done.push(`again in ${ms}`),
  });
});

/** Answers all questions: those about these keys by their errors. */
function answer(errors: Readonly<Record<string, string>> = {}): void {
  for (const question of questions.splice(0)) {
    const error = errors[question.key];
    question.answer(error === undefined ? NOTHING : `-${error}\r\n`);
  }
}

test.each(['UNBLOCKED force unblock', 'NOAUTH Authentication required.'])(
  'the connection is of no use any more: %s',
  (error) => {
    reads.refused(error, ['a']);
    expect([done, questions, reads.isSearching]).toEqual([[`renew: ${error}`], [], false]);
  },
);

test('the server refuses for now: it is asked again less and less often, and that is said once', () => {
  const error = 'LOADING Redis is loading the dataset in memory';
  for (let time = 0; time < 5; time++) reads.refused(error, ['a', 'b']);
  const again = (...times: number[]) => times.map((ms) => `again in ${ms}`);
  expect(done.splice(0)).toEqual([`refused: ${error}`, ...again(100, 200, 400, 500, 500)]);
  expect([questions, reads.isSearching]).toEqual([[], false]);
  reads.proven();
  reads.refused(error, ['a', 'b']);
  expect(done).toEqual([`refused: ${error}`, 'again in 100']);
});

describe('a key may be at fault', () => {
  test('and is: it is read no more, and the others are at once', () => {
    reads.refused('WRONGTYPE not a stream', ['a', 'b', 'c']);
    expect([done, reads.isSearching]).toEqual([[], true]);
    answer({ b: 'WRONGTYPE not a stream' });
    expect([done, reads.isSearching]).toEqual([['evict b: wrong_type', 'again in 0'], false]);
  });

  test('and is not: it is the server', () => {
    reads.refused('ERR no', ['a', 'b']);
    answer();
    expect(done).toEqual(['refused: ERR no', 'again in 100']);
  });

  test('and is not, but they are not read together', () => {
    reads.refused('CROSSSLOT Keys in request', ['a', 'b']);
    answer();
    expect(done).toEqual(['read apart', 'refused: CROSSSLOT Keys in request', 'again in 100']);
  });

  test('which is not asked any more once the connection is lost', () => {
    reads.refused('WRONGTYPE not a stream', ['a']);
    reads.lost();
    expect(reads.isSearching).toBe(false);
  });
});
