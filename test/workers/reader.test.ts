/** A reader thread by itself, at a Redis that answers as a test likes. */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { ENDS_SCRIPT } from '../../src/redis/scripts.js';
import type { ThreadData } from '../../workers/messages.js';
import { type Answer, type FakeClient, politely, startFakeRedis } from '../support/fake-redis.js';
import { array, bulk, entryOf, NOTHING, NOTICED, ReaderWorker } from '../support/reader-worker.js';

const WAIT = { timeout: 5000, interval: 5 };

let cleanup: (() => unknown)[];

beforeEach(() => {
  cleanup = [];
});

afterEach(async () => {
  for (const clean of cleanup.reverse()) await clean();
});

/** What a blocking read asks for: its connection, and the cursor of each key. */
interface Read {
  readonly client: FakeClient;
  readonly cursors: Readonly<Record<string, string>>;
}

/** A server of which the reads are given out one by one; all else it answers. */
class ReadServer {
  readonly reads: Read[] = [];
  readonly commands: string[][] = [];
  #clients = new Map<number, FakeClient>();
  target!: ThreadData['target'];
  /** What is answered instead of the usual; undefined: nothing special. */
  special: Answer = () => undefined;

  static async start(): Promise<ReadServer> {
    const server = new ReadServer();
    const fake = await startFakeRedis(async (command, client) => {
      server.commands.push([...command]);
      const special = await server.special(command, client);
      if (special !== undefined) return special === '' ? undefined : (special as string);
      return server.#answer([...command], client);
    });
    cleanup.push(() => fake.close());
    server.target = fake.target;
    return server;
  }

  #answer(command: readonly string[], client: FakeClient): string | undefined {
    const [name, word] = command;
    if (name === 'CLIENT' && word === 'ID') {
      this.#clients.set(client.index, client);
      return `:${client.index}\r\n`;
    }
    if (name === 'CLIENT' && word === 'UNBLOCK') {
      const blocked = this.#clients.get(Number(command[2]));
      const isBlocked = this.reads.at(-1)?.client === blocked && !this.#isAnswered;
      if (isBlocked) this.answer(NOTHING);
      return isBlocked ? ':1\r\n' : ':0\r\n';
    }
    // So it tracks nothing, and reads of many streams block, too.
    if (name === 'INFO') return bulk('redis_version:8.0.0\r\n');
    if (name === 'HELLO') return '-NOPROTO unsupported protocol version\r\n';
    if (name === 'XINFO') return '-ERR no such key\r\n';
    if (name === 'EVAL' && command[1] === ENDS_SCRIPT) {
      // Each stream reaches up to its cursor.
      return array(...Array.from({ length: Number(command[2]) }, () => array(':1\r\n', bulk(''))));
    }
    if (name === 'XREAD' && (word === 'STREAMS' || !command.includes('BLOCK'))) return NOTHING;
    if (name !== 'XREAD') return politely(command, client) as string;
    const from = command.indexOf('STREAMS') + 1;
    const count = (command.length - from) / 2;
    const cursors = Object.fromEntries(
      command.slice(from, from + count).map((key, index) => [key, command[from + count + index]!]),
    );
    this.reads.push({ client, cursors });
    this.#isAnswered = false;
    return undefined;
  }

  #isAnswered = true;

  /** Answers the last read. */
  answer(reply: string): void {
    this.#isAnswered = true;
    this.reads.at(-1)!.client.socket.write(reply);
  }

  /** The next read, after as many as there were. */
  async read(number: number): Promise<Read> {
    await vi.waitFor(() => expect(this.reads.length).toBeGreaterThanOrEqual(number), NOTICED);
    return this.reads[number - 1]!;
  }
}

function startReader(server: ReadServer): ReaderWorker {
  const reader = new ReaderWorker(server.target);
  cleanup.push(() => reader.close());
  return reader;
}

async function start(): Promise<{ server: ReadServer; reader: ReaderWorker }> {
  const server = await ReadServer.start();
  const reader = startReader(server);
  await reader.said('connected');
  return { server, reader };
}

describe('what it tells', () => {
  test('has the number that the stream was followed under', async () => {
    const { server, reader } = await start();
    const first = reader.follow('a', '1-0');
    await server.read(1);
    server.answer(entryOf('a', '2-0'));
    expect((await reader.said('entries')).reply.generations).toEqual([first]);
    expect((await server.read(2)).cursors).toEqual({ a: '2-0' });
    const second = reader.follow('a', '1-0');
    expect((await server.read(3)).cursors).toEqual({ a: '1-0' });
    server.answer(entryOf('a', '2-0'));
    expect((await reader.said('entries', 2)).reply.generations).toEqual([second]);
  });

  test('is a beat whenever it is asked for one, with the memory that it takes', async () => {
    const { reader } = await start();
    reader.send({ type: 'beat' });
    expect((await reader.said('beat')).bytes).toBeGreaterThan(0);
    reader.send({ type: 'beat' });
    await reader.said('beat', 2);
    expect(reader.of('beat')).toHaveLength(2);
  });

  test('is at once that an id is none, which is not asked for', async () => {
    const { server, reader } = await start();
    reader.follow('good', '1-0');
    const generation = reader.follow('bad', '$');
    expect(await reader.said('evicted')).toMatchObject({
      key: 'bad',
      generation,
      failure: { code: 'bad_parameter' },
    });
    await server.read(1);
    server.answer(entryOf('good', '2-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['good 2-0']), WAIT);
    expect(server.reads.every(({ cursors }) => !('bad' in cursors))).toBe(true);
  });
});

describe('a blocking read that does not end, as on a server whose clock went back,', () => {
  test('is ended for a new stream', async () => {
    const { server, reader } = await start();
    reader.follow('a', '1-0');
    await server.read(1);
    const begun = performance.now();
    reader.follow('b', '5-0');
    await vi.waitFor(() => expect(server.reads.at(-1)!.cursors).toEqual({ a: '1-0', b: '5-0' }), WAIT);
    expect(performance.now() - begun).toBeLessThan(1000);
    server.answer(entryOf('b', '6-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['b 6-0']), WAIT);
    expect(reader.of('disconnected')).toEqual([]);
  });

  test('is given up with its connection, and goes on from its cursor', async () => {
    const { server, reader } = await start();
    reader.follow('a', '1-0');
    await server.read(1);
    server.answer(entryOf('a', '2-0'));
    const { client } = await server.read(2);
    expect((await reader.said('disconnected')).reason).toMatch(/has said nothing/);
    const again = await server.read(3);
    expect(again.client).not.toBe(client);
    expect(again.cursors).toEqual({ a: '2-0' });
    server.answer(entryOf('a', '3-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['a 2-0', 'a 3-0']), WAIT);
  });
});

test('a server that falls silent right after the login is left too', async () => {
  const server = await ReadServer.start();
  let asked = 0;
  server.special = ([name, word]) => (name === 'CLIENT' && word === 'ID' && asked++ === 0 ? '' : undefined);
  const reader = startReader(server);
  reader.follow('a', '1-0');
  await reader.said('connected');
  expect(asked).toBe(2);
  expect((await server.read(1)).cursors).toEqual({ a: '1-0' });
});

describe('a read that is refused', () => {
  test.each([
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'NOAUTH Authentication required.',
  ])('with %s is asked anew on another connection', async (error) => {
    const { server, reader } = await start();
    reader.follow('a', '1-0');
    const { client } = await server.read(1);
    server.answer(`-${error}\r\n`);
    expect((await reader.said('disconnected')).reason).toBe(error);
    const again = await server.read(2);
    expect(again.client).not.toBe(client);
    expect(again.cursors).toEqual({ a: '1-0' });
    expect(reader.of('evicted')).toEqual([]);
  });

  test.each([
    'LOADING Redis is loading',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'ERR for no key in particular',
  ])('with %s, for no key in particular, is told once and asked again until it passes', async (error) => {
    const server = await ReadServer.start();
    const reader = startReader(server);
    // Both in the first read.
    reader.follow('a', '1-0');
    reader.follow('b', '1-0');
    await reader.said('connected');
    for (let read = 1; read <= 4; read++) {
      await server.read(read);
      server.answer(`-${error}\r\n`);
    }
    await server.read(5);
    expect(reader.of('refused').map(({ reason }) => reason)).toEqual([error]);
    expect(reader.of('evicted')).toEqual([]);
    expect(reader.of('disconnected')).toEqual([]);
    server.answer(entryOf('a', '2-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['a 2-0']), WAIT);
  });

  test('is searched for its culprit with few questions', async () => {
    const { server, reader } = await start();
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    const isBad = (key: string) => key === 'k123' || key === 'k789';
    server.special = (command) => {
      if (command[0] !== 'XREAD' || !command.some(isBad)) return undefined;
      return '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
    };
    for (const key of keys) reader.follow(key, '1-0');
    await reader.said('evicted', 2);
    expect(reader.of('evicted').map(({ key }) => key)).toEqual(['k123', 'k789']);
    await vi.waitFor(() => expect(Object.keys(server.reads.at(-1)!.cursors)).toHaveLength(998), WAIT);
    const probes = server.commands.filter(([name, word]) => name === 'XREAD' && word === 'STREAMS');
    // 32 groups, the 32 keys of two of them in groups of 6, the keys of two of those.
    expect(probes.length).toBeLessThan(100);
  });
});

describe('streams on a node of a cluster', () => {
  const moved = '-MOVED 3999 127.0.0.1:6381\r\n';

  test('one that is on another node is evicted alone, on the same connection', async () => {
    const { server, reader } = await start();
    server.special = (command) => (command[0] === 'XREAD' && command.includes('other') ? moved : undefined);
    reader.follow('own', '1-0');
    const generation = reader.follow('other', '1-0');
    expect(await reader.said('evicted')).toMatchObject({ key: 'other', generation });
    await vi.waitFor(() => expect(server.reads.at(-1)?.cursors).toEqual({ own: '1-0' }), WAIT);
    server.answer(entryOf('own', '2-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['own 2-0']), WAIT);
    expect(reader.of('disconnected')).toEqual([]);
  });

  test('those in different slots are read one by one', async () => {
    const { server, reader } = await start();
    const ids = new Map([
      ['a', '1-0'],
      ['b', '1-0'],
    ]);
    server.special = (command) => {
      if (command[0] !== 'XREAD') return undefined;
      const keys = command.filter((word) => ids.has(word));
      if (keys.length > 1) return "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
      const next = command.at(-1) === '1-0' && !command.includes('BLOCK') && command[1] === 'COUNT';
      return next ? entryOf(keys[0]!, '2-0') : NOTHING;
    };
    for (const key of ids.keys()) reader.follow(key, '1-0');
    await vi.waitFor(() => expect([...reader.entries].sort()).toEqual(['a 2-0', 'b 2-0']), WAIT);
    expect([reader.of('evicted'), reader.of('disconnected')]).toEqual([[], []]);
  });
});

describe('a server that closes the connection over a stream', () => {
  test('ends that stream, and the others are read on', async () => {
    const { server, reader } = await start();
    let connections = 0;
    server.special = (command, client) => {
      if (command[0] === 'CLIENT' && command[1] === 'ID') connections++;
      if (command[0] !== 'XREAD' || !command.includes('bad')) return undefined;
      client.socket.destroy();
      return '';
    };
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
    for (const key of keys.slice(0, 20)) reader.follow(key, '1-0');
    const generation = reader.follow('bad', '1-0');
    for (const key of keys.slice(20)) reader.follow(key, '1-0');
    expect(await reader.said('evicted')).toMatchObject({ key: 'bad', generation });
    await vi.waitFor(() => expect(Object.keys(server.reads.at(-1)?.cursors ?? {})).toEqual(keys), WAIT);
    server.answer(entryOf('k7', '2-0'));
    await vi.waitFor(() => expect(reader.entries).toEqual(['k7 2-0']), WAIT);
    expect(reader.of('evicted')).toHaveLength(1);
    // Two that were lost over all, one over its group, two over the stream itself.
    expect(connections).toBeLessThanOrEqual(8);
  });

  test('over all of them is asked less and less often', async () => {
    const { server, reader } = await start();
    reader.follow('a', '1-0');
    const at: number[] = [];
    server.special = (command, client) => {
      if (command[0] === 'CLIENT' && command[1] === 'ID') at.push(performance.now());
      if (command[0] !== 'CLIENT' || command[1] !== 'ID') return undefined;
      client.socket.destroy();
      return '';
    };
    const { client } = await server.read(1);
    client.socket.destroy();
    await vi.waitFor(() => expect(at.length).toBeGreaterThanOrEqual(7), NOTICED);
    expect(at[6]! - at[0]!).toBeGreaterThan(1000);
  });
});

test('a stream that may be back in an older state is told with its newest entry, whatever comes between', async () => {
  const { server, reader } = await start();
  const generation = reader.follow('a', '5-0');
  const { client } = await server.read(1);
  let asked = 0;
  server.special = (command, asking) => {
    if (command[1] === ENDS_SCRIPT) return array(array(':1\r\n', bulk('3-0')));
    if (command[0] !== 'XREVRANGE') return undefined;
    // What is asked of a client that is blocked waits for the end of that.
    server.answer(NOTHING);
    if (asked++ > 0) return array(array(bulk('3-0'), array(bulk('d'), bulk('newest'))));
    asking.socket.destroy();
    return '';
  };
  client.socket.destroy();
  const { end } = await reader.said('lost');
  expect(end).toMatchObject({ key: 'a', generation, last: '3-0' });
  const newest = new EntryBatch(end.newest!);
  expect([newest.ids, Buffer.from(newest.bytes).toString()]).toEqual([['3-0'], 'newest']);
  expect(asked).toBe(2);
  // Nothing more is told of it, and nothing read, before it is followed anew.
  server.special = () => undefined;
  reader.send({ type: 'check', key: 'a' });
  await reader.said('checked');
  expect(reader.of('lost')).toHaveLength(1);
});

test('it ends when it is told to', async () => {
  const { server, reader } = await start();
  reader.follow('a', '1-0');
  await server.read(1);
  reader.send({ type: 'stop' });
  expect(await once(reader.worker, 'exit')).toEqual([0]);
});
