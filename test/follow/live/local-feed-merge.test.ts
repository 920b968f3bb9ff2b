/**
 * What is stored here and what is read, joined: entries of ours and of others come in any order in which they can, and
 * the followers have each once, in order. All parts are real but Redis, the reader thread and their timing.
 */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { AppendStream } from '../../../src/append/command.js';
import { AppendQueue } from '../../../src/append/queue.js';
import { Hub } from '../../../src/follow/live/hub.js';
import type { HubListener } from '../../../src/follow/live/hub-stream.js';
import { EntryBatch } from '../../../src/protocol/batch.js';
import { compareEntryIds } from '../../../src/protocol/entry-id.js';
import { Failure } from '../../../src/protocol/errors.js';
import type { ReaderThread } from '../../../src/threads/reader-thread.js';
import { NotedFeed } from '../../support/noted-feed.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../../support/resp-commands.js';

const KEY = 'k';
const MAX_LENGTH = 1000;
/** So many batches of a turn that may not be together make one that is no transaction. */
const NOISE_STREAMS = 16;

interface Entry {
  readonly id: string;
  readonly payload: string;
}

/** What Redis does of streams, transactions and tracking. */
class ModelRedis {
  readonly #maxLength: number;
  readonly #streams = new Map<string, Entry[]>();
  readonly #lastIds = new Map<string, string>();
  /** Every entry of the followed stream that ever was. */
  readonly added: Entry[] = [];
  readonly #tracked = new Set<string>();
  #queued: string[][] | undefined;
  #ms = 0;
  /** What it has sent and the gateway has not received: replies, and keys that others changed. */
  readonly sent: ({ reply: string } | { changed: string })[] = [];
  readonly received: string[][] = [];

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  entries(key: string): Entry[] {
    return this.#streams.get(key) ?? [];
  }

  after(key: string, id: string): Entry[] {
    return this.entries(key).filter((entry) => compareEntryIds(entry.id, id) > 0);
  }

  /** Carries out the next command that it has received. */
  carryOut(): void {
    const command = this.received.shift();
    if (command === undefined) return;
    const [name] = command;
    if (name === 'MULTI') {
      this.#queued = [];
      this.sent.push({ reply: '+OK\r\n' });
    } else if (name === 'EXEC') {
      const replies = this.#queued!.map((one) => this.#do(one));
      this.#queued = undefined;
      this.sent.push({ reply: arrayOf(...replies) });
    } else if (this.#queued !== undefined) {
      this.#queued.push(command);
      this.sent.push({ reply: '+QUEUED\r\n' });
    } else this.sent.push({ reply: this.#do(command) });
  }

  addByOther(key: string, payload: string): void {
    this.#add(key, payload);
    if (this.#tracked.delete(key)) this.sent.push({ changed: key });
  }

  #do([name, ...words]: string[]): string {
    if (name === 'XADD') {
      const [key] = words;
      this.#tracked.delete(key!);
      return bulkOf(this.#add(key!, words.at(-1)!));
    }
    const key = name === 'XLEN' ? words[0]! : name === 'XINFO' ? words[1]! : words[3]!;
    this.#tracked.add(key);
    if (name === 'XLEN') return `:${this.entries(key).length}\r\n`;
    if (name === 'XINFO') {
      if (!this.#streams.has(key)) return '-ERR no such key\r\n';
      return `%1\r\n${bulkOf('last-generated-id')}${bulkOf(this.#lastIds.get(key)!)}`;
    }
    const [first] = this.after(key, words[4]!);
    if (first === undefined) return '_\r\n';
    return `%1\r\n${bulkOf(key)}${arrayOf(arrayOf(bulkOf(first.id), arrayOf(bulkOf('d'), bulkOf('x'))))}`;
  }

  #add(key: string, payload: string): string {
    const id = `${++this.#ms}-0`;
    const entries = this.entries(key);
    entries.push({ id, payload });
    while (entries.length > this.#maxLength) entries.shift();
    this.#streams.set(key, entries);
    this.#lastIds.set(key, id);
    if (key === KEY) this.added.push({ id, payload });
    return id;
  }
}

/** A reader thread that reads, and hands over what it read, when it is told to. */
class ModelReader {
  readonly #redis: ModelRedis;
  readonly #hub: Hub;
  #after: string | undefined;
  #generation = 0;
  readonly #read: { batch: EntryBatch; generation: number }[] = [];
  readonly streams = 0;

  constructor(redis: ModelRedis, hub: Hub) {
    this.#redis = redis;
    this.#hub = hub;
  }

  follow(key: string, after: string): void {
    if (key !== KEY) return;
    this.#after = after;
    this.#generation++;
  }

  unfollow(key: string): void {
    if (key === KEY) this.#after = undefined;
  }

  count(): void {}

  get isFollowing(): boolean {
    return this.#after !== undefined;
  }

  get hasRead(): boolean {
    return this.#read.length > 0;
  }

  read(count: number): void {
    const after = this.#after;
    const entries = after === undefined ? [] : this.#redis.after(KEY, after).slice(0, count);
    if (entries.length === 0) return;
    const buffer = new TextEncoder().encode(entries.map(({ payload }) => payload).join('')).buffer;
    let end = 0;
    const ends = Uint32Array.from(entries, ({ payload }) => {
      end += payload.length;
      return end;
    });
    const ids = entries.map(({ id }) => id).join(' ');
    const batch = new EntryBatch({ key: KEY, after: after!, ids, ends, buffer, offset: 0, trimmed: false });
    this.#after = batch.lastId;
    this.#read.push({ batch, generation: this.#generation });
  }

  handOver(): void {
    const next = this.#read.shift();
    if (next === undefined || this.#after === undefined || next.generation !== this.#generation) return;
    this.#hub.onEntries(next.batch, false);
  }
}

const STEPS = [
  'push',
  'push',
  'push',
  'push with a command',
  'push among many',
  'write',
  'write',
  'carry out',
  'carry out',
  'carry out',
  'carry out',
  'other',
  'read',
  'hand over',
  'receive',
  'receive',
  'receive',
  'receive',
  'wait',
] as const;

type Step = (typeof STEPS)[number];

class Run {
  readonly redis: ModelRedis;
  readonly #hub = new Hub();
  readonly #reader: ModelReader;
  readonly #queue = new AppendQueue(() => this.#write());
  readonly #streams = new Map<string, AppendStream>();
  readonly followed: Entry[] = [];
  #numbers = 0;

  constructor(maxLength: number, isCounted: boolean) {
    this.redis = new ModelRedis(maxLength);
    this.#reader = new ModelReader(this.redis, this.#hub);
    this.#hub.attach([this.#reader as unknown as ReaderThread], {
      feed: (key, feed) => {
        this.#stream(key).proof.feed = feed;
      },
    });
    const listener: HubListener = {
      countsLosses: isCounted,
      onEntries: () => {
        const { newest } = stream;
        newest!.ids.forEach((id, index) => {
          this.followed.push({ id, payload: Buffer.from(newest!.payload(index)).toString() });
        });
      },
      onReset: () => expect.unreachable(),
      onEvicted: () => expect.unreachable(),
    };
    const stream = this.#hub.follow(KEY, '0-0', listener);
  }

  do(step: Step, count: number): void {
    if (step === 'push') for (let more = count; more > 0; more--) this.#push(KEY);
    else if (step === 'push with a command') {
      this.#queue.addCommand(Buffer.from('*1\r\n$4\r\nWAIT\r\n'), { stored: () => {}, refused: () => {} }, 0);
      this.#push(KEY);
    } else if (step === 'push among many') this.#pushAmongMany();
    else if (step === 'write') this.#write();
    else if (step === 'carry out') for (let more = count; more > 0; more--) this.redis.carryOut();
    else if (step === 'other') this.redis.addByOther(KEY, `other ${this.#numbers++};`);
    else if (step === 'read') this.#reader.read(count);
    else if (step === 'hand over') this.#reader.handOver();
    else if (step === 'receive') for (let more = count; more > 0; more--) this.#receive();
    else vi.advanceTimersByTime(count > 3 ? 5001 : 200 * count);
  }

  /** Everything that is under way comes to its end. */
  end(): void {
    this.#write();
    while (this.redis.received.length > 0) this.redis.carryOut();
    while (this.redis.sent.length > 0) this.#receive();
    for (let round = 0; round < 3; round++) {
      while (this.#reader.hasRead) this.#reader.handOver();
      this.#reader.read(1000);
    }
    this.#hub.close();
  }

  #stream(key: string): AppendStream {
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = new AppendStream(key, MAX_LENGTH);
      this.#streams.set(key, stream);
    }
    return stream;
  }

  #push(key: string): void {
    const refused = (_: number, failure: Failure) => expect.unreachable(failure.message);
    const payload = Buffer.from(`own ${this.#numbers++};`);
    this.#queue.add(this.#stream(key), '*', payload, { stored: () => {}, refused }, 0);
  }

  #pushAmongMany(): void {
    this.#push(KEY);
    for (let more = NOISE_STREAMS; more > 0; more--) {
      const key = `noise ${this.#numbers++}`;
      this.#stream(key).proof.feed = new NotedFeed('0-0');
      this.#push(key);
    }
    this.#push(KEY);
  }

  #write(): void {
    this.redis.received.push(...readCommands(this.#queue.write(true)));
  }

  #receive(): void {
    const next = this.redis.sent.shift();
    if (next === undefined) return;
    if ('changed' in next) this.#stream(next.changed).proof.changedByOthers();
    else this.#queue.answered(replyOf(next.reply), (error) => new Failure('redis_error', error));
  }
}

const steps = (of: readonly Step[]) =>
  fc.array(fc.tuple(fc.constantFrom(...of), fc.integer({ min: 1, max: 6 })), {
    minLength: 1,
    maxLength: 120,
    size: 'max',
  });

function carryOut(maxLength: number, isCounted: boolean, given: readonly [Step, number][]): Run {
  vi.useFakeTimers();
  try {
    const run = new Run(maxLength, isCounted);
    for (const [step, count] of given) run.do(step, count);
    run.end();
    return run;
  } finally {
    vi.useRealTimers();
  }
}

test('each entry comes once, in order, whoever wrote it and however it came', () => {
  fc.assert(
    fc.property(steps(STEPS), fc.boolean(), (given, isCounted) => {
      const { followed, redis } = carryOut(Number.POSITIVE_INFINITY, isCounted, given);
      expect(followed).toEqual(redis.added);
    }),
    { numRuns: 400 },
  );
});

test('where Redis keeps a few entries only, these come, and none twice or too late', () => {
  fc.assert(
    fc.property(steps(STEPS), fc.integer({ min: 1, max: 8 }), (given, maxLength) => {
      const { followed, redis } = carryOut(maxLength, false, given);
      const ids = followed.map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].sort(compareEntryIds));
      expect(redis.added).toEqual(expect.arrayContaining(followed));
      expect(followed).toEqual(expect.arrayContaining(redis.entries(KEY)));
    }),
    { numRuns: 300 },
  );
});

test('where all come from here, they come though Redis keeps a single one', () => {
  const own = STEPS.filter((step) => !['other', 'push with a command', 'push among many'].includes(step));
  fc.assert(
    fc.property(steps(own), (given) => {
      const { followed, redis } = carryOut(1, false, given);
      expect(followed).toEqual(redis.added);
    }),
    { numRuns: 300 },
  );
});
