/** Whose turn it is among streams that only count what is left of them. */
import { expect, test } from 'vitest';
import type { FollowedStream } from '../../src/follow/followed-stream.js';
import type { Run } from '../../src/follow/run.js';
import { Turns } from '../../src/follow/turns.js';

class Stream {
  hasTurn = false;
  left: number;
  asked = 0;
  /** Called whenever it is asked, as where that gives another stream leave to read. */
  onAsked = () => {};
  readonly #index: number;

  constructor(index: number, left: number) {
    this.#index = index;
    this.left = left;
  }

  next(): Run | undefined {
    this.asked++;
    this.onAsked();
    return this.left-- > 0 ? ({ index: this.#index } as Run) : undefined;
  }
}

function newTurns(...lefts: number[]) {
  const streams = lefts.map((left, index) => new Stream(index, left));
  const turns = new Turns();
  const add = (stream: Stream) => turns.add(stream as unknown as FollowedStream);
  for (const stream of streams) add(stream);
  /** Whose turns come next, until none has anything. */
  const rest = () => {
    const indexes: number[] = [];
    for (let run = turns.next(1); run !== undefined; run = turns.next(1)) indexes.push(run.index);
    return indexes;
  };
  return { streams, turns, add, rest };
}

test('each has one in turn, however often it was added', () => {
  const { streams, add, rest } = newTurns(3, 1, 2);
  add(streams[0]!);
  add(streams[1]!);
  expect(rest()).toEqual([0, 1, 2, 0, 2, 0]);
  // Each message, and once more to see that there is none.
  expect(streams.map(({ asked }) => asked)).toEqual([4, 2, 3]);
  expect(streams.every(({ hasTurn }) => !hasTurn)).toBe(true);
});

test('one that had nothing has a turn again once it is added', () => {
  const { streams, add, rest } = newTurns(0, 1);
  expect(rest()).toEqual([1]);
  streams[0]!.left = 2;
  expect(rest()).toEqual([]);
  add(streams[0]!);
  expect(rest()).toEqual([0, 0]);
  expect(streams[0]!.asked).toBe(4);
});

test('the only one has all turns, and lets those that come meanwhile have theirs', () => {
  const { streams, turns, add, rest } = newTurns(3, 0);
  expect([turns.next(1)?.index, turns.next(1)?.index]).toEqual([0, 0]);
  add(streams[0]!);
  streams[1]!.left = 1;
  add(streams[1]!);
  expect(rest()).toEqual([0, 1]);
  expect(streams.map(({ asked }) => asked)).toEqual([4, 3]);
});

test('one that is added while it is asked has its turn behind the others', () => {
  const { streams, add, rest } = newTurns(2, 1);
  streams[0]!.onAsked = () => {
    streams[0]!.onAsked = () => {};
    add(streams[0]!);
  };
  expect(rest()).toEqual([0, 1, 0]);
});

test('of thousands none is left out, nor has two', () => {
  const many = Array.from({ length: 5000 }, () => 2);
  const { rest } = newTurns(...many);
  const once = many.map((_, index) => index);
  expect(rest()).toEqual([...once, ...once]);
});
