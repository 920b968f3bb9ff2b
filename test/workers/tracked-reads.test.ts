/** A reader thread with many streams, at a server whose notices and refusals come when a test likes. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ENDS_SCRIPT } from '../../src/redis/scripts.js';
import { type FakeClient, type FakeRedis, politely, startFakeRedis } from '../support/fake-redis.js';
import { array, bulk, NOTICED, ReaderWorker } from '../support/reader-worker.js';

const NOTHING = '_\r\n';
const STREAMS = 120;
const WAIT = { timeout: 5000, interval: 5 };

interface Read {
  readonly client: FakeClient;
  readonly count: number;
  readonly cursors: Readonly<Record<string, string>>;
  isAnswered: boolean;
  answer(text: string): void;
}

let fake: FakeRedis;
let reader: ReaderWorker;
let reads: Read[];
/** Replies to the reads, but for those that a test answers itself. */
let reply: (read: Read) => string | undefined;
/** For each connection, the answer to its last command: the next waits for it. */
let last: Map<FakeClient, Promise<string>>;

beforeEach(async () => {
  reads = [];
  reply = () => NOTHING;
  last = new Map();
  fake = await startFakeRedis((command, client) => {
    const before = last.get(client);
    const own = answerTo(command, client);
    const next = Promise.all([before, own]).then(([, text]) => text);
    last.set(client, next);
    return next;
  });
  reader = new ReaderWorker(fake.target);
});

afterEach(async () => {
  await reader.close();
  await fake.close();
});

function answerTo(command: readonly string[], client: FakeClient): string | Promise<string> {
  const [name, word] = command;
  if (name === 'CLIENT' && word === 'ID') return `:${client.index}\r\n`;
  if (name === 'CLIENT' && word === 'UNBLOCK') {
    reads.find(({ isAnswered }) => !isAnswered)?.answer('*-1\r\n');
    return ':1\r\n';
  }
  if (name === 'INFO') return bulk('redis_version:8.0.0\r\n');
  if (name === 'XINFO') return '-ERR no such key\r\n';
  if (name === 'EVAL' && word === ENDS_SCRIPT) {
    return array(...Array.from({ length: Number(command[2]) }, () => array(':1\r\n', bulk(''))));
  }
  if (name !== 'XREAD') return politely(command, client) as string;
  return new Promise((resolve) => {
    const keys = keysOf(command);
    const cursors = Object.fromEntries(keys.map((key, index) => [key, command.at(index - keys.length)!]));
    const read: Read = {
      client,
      count: Number(command[2]),
      cursors,
      isAnswered: false,
      answer: (text) => {
        read.isAnswered = true;
        resolve(text);
      },
    };
    reads.push(read);
    const text = command.includes('BLOCK') ? undefined : reply(read);
    if (text !== undefined) read.answer(text);
  });
}

function keysOf(command: readonly string[]): string[] {
  const from = command.indexOf('STREAMS') + 1;
  return command.slice(from, from + (command.length - from) / 2);
}

const notice = (key?: string) =>
  `>2\r\n${bulk('invalidate')}${key === undefined ? NOTHING : array(bulk(key))}`;

/** Entries of some streams, as RESP3 has them. */
function entries(of: Readonly<Record<string, readonly string[]>>): string {
  const streams = Object.entries(of).map(([key, ids]) => {
    const all = ids.map((id) => array(bulk(id), array(bulk('d'), bulk(id))));
    return bulk(key) + array(...all);
  });
  return `%${streams.length}\r\n${streams.join('')}`;
}

/** Follows many streams. @returns the connection, on which all of them are tracked */
async function startTracked(): Promise<FakeClient> {
  await reader.said('connected');
  for (let index = 0; index < STREAMS; index++) reader.follow(`k${index}`, '1-0');
  await vi.waitFor(() => {
    const from = fake.commands.findLastIndex(([, word]) => word === 'TRACKING');
    const tracked = fake.commands.slice(from).filter(([name]) => name === 'XREAD');
    expect(from).toBeGreaterThan(0);
    expect(new Set(tracked.flatMap(keysOf)).size).toBe(STREAMS);
  }, WAIT);
  return reads.at(-1)!.client;
}

/** The next read of that stream alone, or with others. */
async function nextRead(of: string, after: number): Promise<Read> {
  const find = () => reads.slice(after).find(({ cursors }) => of in cursors);
  await vi.waitFor(() => expect(find()).toBeDefined(), WAIT);
  return find()!;
}

test('many streams are all read once, then those that Redis tells of', async () => {
  const client = await startTracked();
  reply = ({ cursors }) => (cursors.k7 === '1-0' ? entries({ k7: ['2-0', '3-0'] }) : NOTHING);
  client.socket.write(notice('k7'));
  await vi.waitFor(() => expect(reader.entries).toEqual(['k7 2-0', 'k7 3-0']), WAIT);
  const before = reads.length;
  client.socket.write(notice('k7'));
  expect((await nextRead('k7', before)).cursors.k7).toBe('3-0');
});

test('a notice before the reply is of what was read, one behind it is not', async () => {
  const client = await startTracked();
  // The sweep reads it now and then: only what is sent at once is looked at.
  let before = reads.length;
  reply = ({ cursors }) => (cursors.k7 === '1-0' ? undefined : NOTHING);
  client.socket.write(notice('k7'));
  const read = await nextRead('k7', before);
  before = reads.length;
  read.answer(notice('k7') + entries({ k7: ['2-0'] }) + notice('k8'));
  await nextRead('k8', before);
  expect(reads.slice(before).find(({ cursors }) => 'k8' in cursors)!.cursors).not.toHaveProperty('k7');
  const next = reads.length;
  reply = ({ cursors }) => (cursors.k9 === undefined ? NOTHING : undefined);
  client.socket.write(notice('k9'));
  const second = await nextRead('k9', next);
  second.answer(NOTHING + notice('k9'));
  await nextRead('k9', reads.indexOf(second) + 1);
});

test('a stream that has more is read again without a notice', async () => {
  const client = await startTracked();
  let from = 2;
  reply = ({ cursors, count }) => {
    if (!('k7' in cursors) || from > 50) return NOTHING;
    const ids = Array.from({ length: count }, () => `${from++}-0`);
    return entries({ k7: ids });
  };
  client.socket.write(notice('k7'));
  await vi.waitFor(() => expect(reader.entries.length).toBeGreaterThanOrEqual(49), WAIT);
  expect(reader.entries).toEqual(reader.entries.map((_, index) => `k7 ${index + 2}-0`));
});

test('a stream that is followed anew while it is read is read again from there', async () => {
  const client = await startTracked();
  reply = ({ cursors }) => (cursors.k7 === '1-0' ? undefined : NOTHING);
  client.socket.write(notice('k7'));
  const read = await nextRead('k7', reads.length);
  const generation = reader.follow('k7', '5-0');
  reader.send({ type: 'check', key: 'k7' });
  read.answer(entries({ k7: ['2-0'] }));
  await reader.said('checked');
  reply = ({ cursors }) => (cursors.k7 === '5-0' ? entries({ k7: ['6-0'] }) : NOTHING);
  client.socket.write(notice('k7'));
  await vi.waitFor(() => expect(reader.entries).toEqual(['k7 6-0']), WAIT);
  expect(reader.of('entries')[0]!.reply.generations).toEqual([generation]);
});

describe('what Redis does not tell of', () => {
  test('is read after a refusal, until it is not refused', async () => {
    const client = await startTracked();
    let refusals = 0;
    reply = ({ cursors }) => {
      if (!('k7' in cursors)) return NOTHING;
      return refusals++ < 3
        ? '-LOADING Redis is loading the dataset in memory\r\n'
        : entries({ k7: ['2-0'] });
    };
    // Nothing is said at the end of the load.
    client.socket.write(notice('k7'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['k7 2-0']), WAIT);
    expect(reader.of('refused')).toHaveLength(1);
    expect([reader.of('evicted'), reader.of('disconnected')]).toEqual([[], []]);
  });

  test('is read after a flush of all', async () => {
    const client = await startTracked();
    const before = reads.length;
    client.socket.write(notice());
    const seen = () => new Set(reads.slice(before).flatMap(({ cursors }) => Object.keys(cursors)));
    await vi.waitFor(() => expect(seen().size).toBe(STREAMS), { ...WAIT, timeout: 3000 });
  });

  test('is read on another connection', async () => {
    const client = await startTracked();
    const before = reads.length;
    client.socket.destroy();
    const seen = () =>
      new Set(
        reads
          .slice(before)
          .filter((read) => read.client !== client)
          .flatMap(({ cursors }) => Object.keys(cursors)),
      );
    await vi.waitFor(() => expect(seen().size).toBe(STREAMS), { ...WAIT, timeout: 3000 });
    expect(reader.of('disconnected')).toHaveLength(1);
  });

  test('is read now and then', async () => {
    await startTracked();
    const before = reads.length;
    const seen = () => new Set(reads.slice(before).flatMap(({ cursors }) => Object.keys(cursors)));
    await vi.waitFor(() => expect(seen().size).toBe(STREAMS), { timeout: 15_000, interval: 50 });
    // In parts, not all at once.
    const largest = Math.max(...reads.slice(before).map(({ cursors }) => Object.keys(cursors).length));
    expect(largest).toBeLessThan(STREAMS / 2);
  });
});

test('an idle connection that says nothing any more is left', async () => {
  const client = await startTracked();
  reply = (read) => (read.client === client ? undefined : NOTHING);
  expect((await reader.said('disconnected')).reason).toMatch(/has said nothing/);
  await vi.waitFor(() => expect(reads.at(-1)!.client).not.toBe(client), NOTICED);
});

test('few streams are read by a blocking read again', async () => {
  await startTracked();
  for (let index = 0; index < STREAMS - 49; index++) reader.send({ type: 'unfollow', key: `k${index}` });
  await vi.waitFor(() => expect(reads.at(-1)!.isAnswered).toBe(false), WAIT);
  expect(Object.keys(reads.at(-1)!.cursors)).toHaveLength(49);
  expect(fake.commands.filter(([, word]) => word === 'TRACKING').map((words) => words.join(' '))).toEqual([
    'CLIENT TRACKING ON',
    'CLIENT TRACKING OFF',
  ]);
  reads.at(-1)!.answer(entries({ k100: ['2-0'] }));
  await vi.waitFor(() => expect(reader.entries).toEqual(['k100 2-0']), WAIT);
});
