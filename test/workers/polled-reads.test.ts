/** How streams of a cluster's node are read that does not tell of changes. */
import { beforeEach, expect, test } from 'vitest';
import { bulk } from '../../src/redis/resp.js';
import type { Followed } from '../../workers/followed.js';
import { PolledReads } from '../../workers/polled-reads.js';
import { ReadSize } from '../../workers/read-size.js';
import { readCommands } from '../support/resp-commands.js';

let followed: Map<string, Followed>;
let reads: PolledReads;
let size: ReadSize;

beforeEach(() => {
  followed = new Map();
  reads = new PolledReads(followed);
  size = new ReadSize();
});

function follow(...keys: string[]): void {
  for (const key of keys) {
    followed.set(key, { key, word: bulk(key), after: '1-0', isLost: false, asks: false } as Followed);
  }
}

const next = () => reads.next(size)?.keys() ?? [];

test('nothing is read where there is nothing to read', () => {
  expect(reads.next(size)).toBeUndefined();
  follow('a');
  followed.get('a')!.isLost = true;
  expect(reads.next(size)).toBeUndefined();
});

test('each stream by a command of its own, behind ASKING where its slot is on the way', () => {
  follow('a', 'b');
  followed.get('b')!.asks = true;
  const read = reads.next(size)!;
  const words = (key: string) => ['XREAD', 'COUNT', String(size.count), 'STREAMS', key, '1-0'];
  expect(readCommands(read.command)).toEqual([words('a'), ['ASKING'], words('b')]);
  expect(read.apart).toEqual([...followed.values()]);
});

test('all in turn, a part at a time, with a pause after each round', () => {
  const keys = Array.from({ length: 2 * size.streams + 1 }, (_, index) => `k${index}`);
  follow(...keys);
  const read: string[] = [];
  const pauses: number[] = [];
  while (read.length < 2 * keys.length) {
    read.push(...next());
    pauses.push(reads.answered());
  }
  expect(read).toEqual([...keys, ...keys]);
  expect(pauses).toEqual([0, 0, 20, 0, 0, 20]);
});

test('streams that come and go meanwhile', () => {
  follow('a', 'b');
  expect(next()).toEqual(['a', 'b']);
  reads.answered();
  followed.delete('a');
  follow('c');
  expect(next()).toEqual(['b', 'c']);
});
