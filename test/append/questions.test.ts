import { expect, test } from 'vitest';
import { Questions } from '../../src/append/questions.js';
import { encodeCommand, type ReplyCursor as Reply, ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';

const COMMAND = encodeCommand(['PING']);

/** Hands each reply in `text` to the questions. */
function answer(questions: Questions, text: string): void {
  const replies = new ReplyBuffer();
  const cursor = new ReplyCursor();
  replies.append(Buffer.from(text));
  while (replies.next(cursor)) questions.take(cursor);
}

const readText = (reply: Reply) => reply.text();

test('each is written at once, and answered in its turn', async () => {
  const written: Uint8Array[] = [];
  const questions = new Questions((parts) => written.push(...parts));
  const answers = Promise.all([questions.ask(COMMAND, readText), questions.ask(COMMAND, readText)]);
  expect(written).toEqual([COMMAND, COMMAND]);
  answer(questions, '+one\r\n+two\r\n');
  expect(await answers).toEqual(['one', 'two']);
});

test('a reply that makes no sense harms no other', async () => {
  const questions = new Questions(() => {});
  const fault = new Error('no sense');
  const first = questions.ask(COMMAND, () => {
    throw fault;
  });
  const second = questions.ask(COMMAND, readText);
  answer(questions, '+one\r\n+two\r\n');
  await expect(first).rejects.toBe(fault);
  expect(await second).toBe('two');
});

test('a reply to no question is a fault', () => {
  const questions = new Questions(() => {});
  expect(() => answer(questions, '+one\r\n')).toThrow('Redis answered more than it was asked');
});

test('those without an answer are rejected with the loss, and those asked later, which are not written', async () => {
  const written: Uint8Array[] = [];
  const questions = new Questions((parts) => written.push(...parts));
  const early = questions.ask(COMMAND, readText);
  const cause = new Error('lost');
  expect(questions.loss).toBeUndefined();
  questions.lost(cause);
  expect(questions.loss).toBeInstanceOf(Error);
  await expect(early).rejects.toBe(cause);
  await expect(questions.ask(COMMAND, readText)).rejects.toBe(cause);
  expect(written).toEqual([COMMAND]);
});
