/** Which WAIT stands for which entries, on a pipe that only notes what it is given. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import type { Receipt } from '../../src/append/batch.js';
import { NotReplicated } from '../../src/append/not-replicated.js';
import type { AppendPipe } from '../../src/append/pipe.js';
import { ReplicatedPipe } from '../../src/append/replicated.js';
import { AppendStreams } from '../../src/append/streams.js';
import { Failure } from '../../src/protocol/errors.js';
import { bulkReply, ReplyCursor } from '../../src/redis/resp.js';

const FAILURE = new Failure('redis_error', 'refused');
const WANTED = 2;

/** What was written, in order, each with a way to answer it. */
let written: { readonly what: string; stored(reply: ReplyCursor): void; refused(): void }[];
let disconnects: number;
let outcomes: string[];
let replicated: ReplicatedPipe;

function note(what: string, receipt: Receipt, token: number): void {
  written.push({
    what,
    stored: (reply) => receipt.stored(token, reply),
    refused: () => receipt.refused(token, FAILURE),
  });
}

const pipe = {
  streams: new AppendStreams(1000),
  get disconnects() {
    return disconnects;
  },
  append: (_stream, id, payload, receipt, token) => note(`${id} ${payload}`, receipt, token),
  command: (command, receipt, token) => note(String(command).split('\r\n')[2]!, receipt, token),
} as Pick<AppendPipe, 'streams' | 'disconnects' | 'append' | 'command'> as AppendPipe;

const receipt: Receipt = {
  stored: (token, reply, shortage) =>
    outcomes.push(`${token} ${reply.text()}${shortage === undefined ? '' : ` on ${shortage.replicas}`}`),
  refused: (token, { code }) => outcomes.push(`${token} ${code}`),
};

beforeEach(() => {
  written = [];
  outcomes = [];
  disconnects = 0;
  replicated = new ReplicatedPipe(pipe, WANTED);
});

function append(...tokens: number[]): void {
  const stream = replicated.streams.get('k');
  for (const token of tokens) replicated.append(stream, '*', Buffer.from(`e${token}`), receipt, token);
}

const commands = () => written.map(({ what }) => what);

/** Answers the oldest commands: with ids, and a WAIT with a number of replicas. */
function answer(...replies: (string | number)[]): void {
  for (const reply of replies) {
    const oldest = written.shift()!;
    const cursor = new ReplyCursor();
    if (typeof reply === 'number') cursor.place(Buffer.from(`:${reply}\r\n`), 0);
    oldest.stored(typeof reply === 'number' ? cursor : bulkReply(reply));
  }
}

test('entries of one turn share a WAIT, and are acknowledged by it', async () => {
  append(7, 8);
  expect(commands()).toEqual(['* e7', '* e8']);
  await nextTurn();
  expect(commands()).toEqual(['* e7', '* e8', 'WAIT']);
  answer('1-1', '1-2');
  expect(outcomes).toEqual([]);
  answer(WANTED);
  expect(outcomes).toEqual(['7 1-1', '8 1-2']);
});

test.each([
  [0, ' on 0'],
  [WANTED - 1, ' on 1'],
  [WANTED, ''],
  [WANTED + 1, ''],
])('%i replicas have them', async (replicas, shortage) => {
  append(7);
  await nextTurn();
  answer('1-1', replicas);
  expect(outcomes).toEqual([`7 1-1${shortage}`]);
});

test('entries that come during a WAIT are for the next one', async () => {
  append(0, 1);
  await nextTurn();
  append(2);
  await nextTurn();
  append(3);
  await nextTurn();
  expect(commands()).toEqual(['* e0', '* e1', 'WAIT', '* e2', '* e3']);
  answer('1-0', '1-1', WANTED);
  expect(outcomes).toEqual(['0 1-0', '1 1-1']);
  expect(commands()).toEqual(['* e2', '* e3', 'WAIT']);
  answer('1-2', '1-3', 0);
  expect(outcomes.slice(2)).toEqual(['2 1-2 on 0', '3 1-3 on 0']);
  // Nothing is left to wait for, until another comes.
  expect(commands()).toEqual([]);
  append(4);
  await nextTurn();
  expect(commands()).toEqual(['* e4', 'WAIT']);
});

test('an entry that Redis refuses is reported at once, and its neighbours by the WAIT', async () => {
  append(1, 2);
  await nextTurn();
  written.shift()!.refused();
  expect(outcomes).toEqual(['1 redis_error']);
  answer('1-2', WANTED);
  expect(outcomes).toEqual(['1 redis_error', '2 1-2']);
});

test('a WAIT that is refused stands for no replica', async () => {
  append(1);
  await nextTurn();
  answer('1-1');
  written.shift()!.refused();
  expect(outcomes).toEqual(['1 1-1 on 0']);
});

test('a WAIT on the next connection says nothing of entries on the last', async () => {
  append(1);
  await nextTurn();
  disconnects++;
  answer('1-1', WANTED);
  expect(outcomes).toEqual(['1 1-1 on 0']);
  append(2);
  await nextTurn();
  answer('1-2', WANTED);
  expect(outcomes).toEqual(['1 1-1 on 0', '2 1-2']);
});

test('an entry whose answer comes after that to the WAIT is acknowledged then', async () => {
  append(1, 2);
  await nextTurn();
  // As after a lost connection, when what became of it is found out.
  const [late] = written.splice(0, 1);
  answer('1-2', WANTED);
  expect(outcomes).toEqual([]);
  late!.stored(bulkReply('1-1'));
  expect(outcomes).toEqual(['1 1-1', '2 1-2']);
});

test('an entry that is refused after that does not hold up the others', async () => {
  append(1, 2);
  await nextTurn();
  const [late] = written.splice(0, 1);
  answer('1-2', WANTED);
  late!.refused();
  expect(outcomes).toEqual(['1 redis_error', '2 1-2']);
});

test('the producer of an entry on too few replicas is sent its id, and how many have it', () => {
  expect(new NotReplicated(WANTED, 1).bodyOf('1-1')).toEqual({
    error: 'the entry is stored; 1 of 2 replicas have it so far',
    code: 'not_replicated',
    id: '1-1',
    replicas: 1,
  });
});
