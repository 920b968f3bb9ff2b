import { beforeEach, describe, expect, test, vi } from 'vitest';
import { type Receipt, SLAB_BYTES } from '../../src/append/batch.js';
import { AppendStream } from '../../src/append/command.js';
import { AppendQueue } from '../../src/append/queue.js';
import { Failure } from '../../src/protocol/errors.js';
import { bulkReply, encodeCommand, ReplyCursor } from '../../src/redis/resp.js';
import { NotedFeed } from '../support/noted-feed.js';
import { arrayOf, bulkOf, readCommands, replyOf } from '../support/resp-commands.js';

const FAILURE = new Failure('unknown_outcome', 'lost');
/** So small that they lie in the slab. */
const SMALL = 1000;
const LARGE_BYTES = 16 * 1024;

function errorReply(text: string): ReplyCursor {
  const cursor = new ReplyCursor();
  cursor.place(Buffer.from(`-${text}\r\n`), 0);
  return cursor;
}

const stream = new AppendStream('k', 1000);
const ping = encodeCommand(['PING']);
const goOn = vi.fn();
let queue: AppendQueue;
let outcomes: string[];

const receipt: Receipt = {
  stored: (token, reply) => outcomes.push(`${token} ${reply.text()}`),
  refused: (token, { code }) => outcomes.push(`${token} ${code}`),
};

beforeEach(() => {
  goOn.mockClear();
  queue = new AppendQueue(goOn);
  outcomes = [];
});

const stored = (id: string) => queue.answered(bulkReply(id), () => FAILURE);
const refused = () => queue.answered(errorReply('ERR no'), () => FAILURE);
const add = (token: number, bytes = 1) => queue.add(stream, '*', Buffer.alloc(bytes), receipt, token);
/** The commands that are written now, as the sizes of their payloads in order. */
const written = () =>
  [...String(Buffer.concat(queue.write(false))).matchAll(/\$1\r\nd\r\n\$(\d+)/g)].map(([, size]) =>
    Number(size),
  );
const bytesOf = (parts: readonly Uint8Array[]) => Buffer.concat(parts).length;

/** Adds entries until another batch was begun. @returns how many there are */
function fillBatch(): number {
  const most = Math.ceil(SLAB_BYTES / SMALL);
  for (let token = 0; token < most; token++) add(token, SMALL);
  return most;
}

describe('what is written', () => {
  test('is all that came since the last time, in order', () => {
    const bytes = [add(0, 1), add(1, 2)];
    const parts = queue.write(false);
    expect(bytesOf(parts)).toBe(bytes[0]! + bytes[1]!);
    expect(queue.write(false)).toEqual([]);
    add(2, 3);
    add(3, 4);
    expect(written()).toEqual([3, 4]);
  });

  test('goes on in another batch where one is full', () => {
    const count = fillBatch();
    expect(written()).toEqual(new Array(count).fill(SMALL));
    for (let token = 0; token < count; token++) stored('1-1');
    expect(outcomes).toHaveLength(count);
    expect(queue.isWritten).toBe(false);
  });

  test('may be other commands, in a batch of their own where one is full', () => {
    let bytes = 0;
    const count = Math.ceil(SLAB_BYTES / ping.length) + 1;
    for (let token = 0; token < count; token++) {
      expect(queue.addCommand(ping, receipt, token)).toBe(ping.length);
      bytes += ping.length;
    }
    expect(bytesOf(queue.write(false))).toBe(bytes);
  });
});

describe('an answer', () => {
  test('goes to the oldest, and says how many bytes are no longer in flight', () => {
    const bytes = [add(0), add(1, 20)];
    queue.write(false);
    expect([stored('1-1'), refused()]).toEqual(bytes);
    expect(outcomes).toEqual(['0 1-1', '1 unknown_outcome']);
  });

  test('may refuse one and store the next', () => {
    add(0);
    add(1);
    queue.write(false);
    refused();
    stored('1-1');
    expect(outcomes).toEqual(['0 unknown_outcome', '1 1-1']);
  });

  test.each([
    ['nothing is there', () => {}],
    ['nothing is written', () => void add(0)],
    [
      'all is answered',
      () => {
        add(0);
        queue.write(false);
        stored('1-1');
      },
    ],
  ])('that is one too many is an error: %s', (_, given) => {
    given();
    expect(() => stored('1-1')).toThrow('Redis answered more than it was asked');
    expect(() => refused()).toThrow('Redis answered more than it was asked');
  });

  test('leaves Redis owing answers until the last', () => {
    add(0);
    add(1);
    expect(queue.isWritten).toBe(false);
    queue.write(false);
    stored('1-1');
    expect(queue.isWritten).toBe(true);
    refused();
    expect(queue.isWritten).toBe(false);
  });

  test('to a whole batch is a sample of the latency, in seconds', () => {
    vi.useFakeTimers();
    try {
      vi.advanceTimersByTime(60_000);
      add(0);
      add(1);
      expect(queue.oldestAt).toBe(performance.now());
      queue.write(false);
      vi.advanceTimersByTime(2000);
      stored('1-1');
      expect(queue.oldestAt).toBe(performance.now() - 2000);
      stored('1-2');
      expect(queue.latency.sum).toBe(2);
      expect(queue.latency.counts.filter((count) => count > 0)).toEqual([1]);
      expect(queue.oldestAt).toBe(performance.now());
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('memory is used again', () => {
  /** Writes one entry and has it answered. @returns the buffers that it was in */
  function roundTrip(bytes: number): ArrayBufferLike[] {
    add(0, bytes);
    const buffers = queue.write(false).map(({ buffer }) => buffer);
    stored('1-1');
    return buffers;
  }

  test('a slab, and the buffer of a large payload', () => {
    const [slab, payload] = roundTrip(LARGE_BYTES);
    const again = roundTrip(LARGE_BYTES);
    expect([again[0] === slab, again[1] === payload]).toEqual([true, true]);
  });

  test('64 slabs and no more', () => {
    /** Has so many batches written and answered. @returns their slabs */
    const fillMany = (batches: number) => {
      const slabs = new Set<ArrayBufferLike>();
      let count = 0;
      while (slabs.size < batches) {
        add(0, SMALL);
        count++;
        for (const { buffer } of queue.write(false)) slabs.add(buffer);
      }
      for (; count > 0; count--) stored('1-1');
      return slabs;
    };
    const first = fillMany(70);
    const again = fillMany(70);
    expect([...again].filter((slab) => first.has(slab))).toHaveLength(64);
  });
});

describe('after a lost connection', () => {
  test('what Redis may have read is kept apart from what it has not', () => {
    const bytes = [add(0), add(1), add(2)];
    queue.write(false);
    add(3);
    stored('1-1');
    const { uncertain, unsent, refusedBytes } = queue.takeWritten(
      bytes[0]! + bytes[1]! + bytes[2]! - 1,
      FAILURE,
    );
    expect([uncertain, unsent].map((entries) => entries.map(({ token }) => token))).toEqual([[1], [2]]);
    expect(refusedBytes).toBe(0);
    expect(queue.isWritten).toBe(false);
    // What was not written stays.
    expect(written()).toEqual([1]);
    stored('1-2');
    expect(outcomes).toEqual(['0 1-1', '3 1-2']);
  });

  test('the bytes that Redis may have read reach over batches', () => {
    const count = fillBatch();
    const bytes = bytesOf(queue.write(false));
    const each = Math.floor(bytes / count);
    const { uncertain, unsent } = queue.takeWritten(bytes - each, FAILURE);
    expect([uncertain.length, unsent.length]).toEqual([count - 1, 1]);
    expect(unsent[0]!.token).toBe(count - 1);
  });

  test('other commands are refused, and their bytes named', () => {
    add(0);
    queue.addCommand(ping, receipt, 1);
    queue.write(false);
    const { uncertain, unsent, refusedBytes } = queue.takeWritten(0, FAILURE);
    expect([uncertain, unsent.map(({ token }) => token), refusedBytes]).toEqual([[], [0], ping.length]);
    expect(outcomes).toEqual(['1 unknown_outcome']);
  });

  /** Has entries written and lost, and puts them back. */
  function putBack(...tokens: number[]): void {
    for (const token of tokens) add(token, token);
    queue.write(false);
    queue.putBack(queue.takeWritten(Number.POSITIVE_INFINITY, FAILURE).uncertain);
  }

  const answer = (times: number) => {
    for (let time = 0; time < times; time++) stored('1-1');
  };

  test('what is put back goes first, alone, and then twice as many each time', () => {
    putBack(1, 2, 3, 4, 5, 6, 7, 8, 9);
    add(10, 10);
    for (const tokens of [[1], [2, 3], [4, 5, 6, 7], [8, 9]]) {
      expect(written()).toEqual(tokens);
      expect(written()).toEqual([]);
      expect(goOn).not.toHaveBeenCalled();
      answer(tokens.length);
      expect(goOn).toHaveBeenCalledOnce();
      goOn.mockClear();
    }
    expect(written()).toEqual([10]);
    answer(1);
    // Nothing was held back for it.
    expect(goOn).not.toHaveBeenCalled();
    expect(outcomes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((token) => `${token} 1-1`));
  });

  test('also after others were answered', () => {
    add(0);
    queue.write(false);
    answer(1);
    putBack(1, 2, 3);
    add(4, 4);
    for (const tokens of [[1], [2, 3], [4]]) {
      expect(written()).toEqual(tokens);
      answer(tokens.length);
    }
  });

  test('large payloads are put back without another copy', () => {
    for (const token of [1, 2, 3]) add(token, LARGE_BYTES);
    queue.write(false);
    const { uncertain } = queue.takeWritten(Number.POSITIVE_INFINITY, FAILURE);
    queue.putBack(uncertain);
    const parts = queue.write(false);
    answer(1);
    parts.push(...queue.write(false));
    const large = parts.filter(({ length }) => length === LARGE_BYTES);
    expect(large.map((part, index) => part === uncertain[index]!.payload)).toEqual([true, true, true]);
  });

  test('what comes meanwhile does not join what is put back', () => {
    putBack(1);
    add(2, 2);
    expect(written()).toEqual([1]);
    add(3, 3);
    answer(1);
    expect(written()).toEqual([2, 3]);
  });

  test('what was put back may be lost again', () => {
    putBack(1, 2, 3);
    expect(written()).toEqual([1]);
    const { uncertain } = queue.takeWritten(Number.POSITIVE_INFINITY, FAILURE);
    expect(uncertain.map(({ token }) => token)).toEqual([1]);
    // The others are still sent with care.
    add(4, 4);
    expect(written()).toEqual([2, 3]);
    answer(2);
    expect(written()).toEqual([4]);
  });

  test('all that is left may be given up, and others come', () => {
    putBack(1, 2);
    add(3, 3);
    queue.write(false);
    queue.giveUp(FAILURE);
    expect(outcomes).toEqual([1, 2, 3].map((token) => `${token} unknown_outcome`));
    expect(queue.isWritten).toBe(false);
    // Without care, however many batches they are.
    const count = fillBatch();
    expect(written()).toHaveLength(count);
  });
});

describe('entries that followers here are to have', () => {
  const followed = (key: string) => {
    const made = new AppendStream(key, 1000);
    made.proof.feed = new NotedFeed('0-0');
    return made;
  };
  const addTo = (to: AppendStream) => queue.add(to, '*', Buffer.from('x'), receipt, 0);
  /** The names of the commands that are written now. */
  const names = () => readCommands(queue.write(true)).map(([name]) => name);

  test('are transactions, apart from other commands and from streams that Redis may refuse', () => {
    const [first, second] = [followed('a'), followed('b')];
    queue.addCommand(ping, receipt, 0);
    addTo(first);
    addTo(first);
    addTo(second);
    queue.addCommand(ping, receipt, 0);
    const one = ['MULTI', 'XREAD', 'XADD', 'XLEN', 'EXEC'];
    expect(names()).toEqual(['PING', 'MULTI', 'XREAD', 'XADD', 'XADD', 'XLEN', 'EXEC', ...one, 'PING']);
  });

  test('are written without where too many would be apart: a batch takes memory', () => {
    const streams = Array.from({ length: 20 }, (_, index) => followed(String(index)));
    for (const one of streams) addTo(one);
    const written = names();
    const count = (name: string) => written.filter((one) => one === name).length;
    expect([count('MULTI'), count('EXEC'), count('XADD')]).toEqual([15, 15, 20]);
    expect(written.slice(-5)).toEqual(new Array(5).fill('XADD'));
    addTo(streams[0]!);
    expect(names()[0]).toBe('MULTI');
  });

  test('leave nothing in flight once all is answered', () => {
    const one = followed('a');
    const bytes = addTo(one);
    const written = bytesOf(queue.write(true));
    expect(written).toBeGreaterThan(bytes);
    const QUEUED = '+QUEUED\r\n';
    const replies = ['+OK\r\n', QUEUED, QUEUED, QUEUED, arrayOf('_\r\n', bulkOf('7-0'), ':1\r\n')];
    expect(replies.map((reply) => queue.answered(replyOf(reply), () => FAILURE))).toEqual([
      0,
      0,
      0,
      0,
      bytes,
    ]);
    expect(queue.isWritten).toBe(false);
    // What is known to be taken of the next is counted from there.
    const next = addTo(one);
    const more = bytesOf(queue.write(true));
    expect(queue.takeWritten(written + more - 1, FAILURE).uncertain).toHaveLength(1);
    expect(next).toBe(bytes);
  });

  test('are uncertain once Redis may have read them, were it not to the end of the transaction', () => {
    const one = followed('a');
    addTo(one);
    const bytes = addTo(one);
    const written = readCommands(queue.write(true));
    const head = Buffer.concat(written.slice(0, 2).map((words) => encodeCommand(words))).length;
    const { uncertain, unsent, refusedBytes } = queue.takeWritten(head + bytes, FAILURE);
    expect([uncertain.length, unsent.length, one.proof.underway]).toEqual([1, 1, 0]);
    // Nothing of what was added to the queue is released with the transaction's own commands.
    expect(refusedBytes).toBe(0);
  });

  test('release what was stored of a transaction that Redis did not take, and was cut off', () => {
    const one = followed('a');
    const bytes = addTo(one);
    addTo(one);
    queue.write(true);
    const replies = ['-NOPERM no\r\n', '_\r\n', bulkOf('7-0')];
    expect(replies.map((reply) => queue.answered(replyOf(reply), () => FAILURE))).toEqual([0, 0, 0]);
    const { uncertain, unsent, refusedBytes } = queue.takeWritten(Number.POSITIVE_INFINITY, FAILURE);
    expect([uncertain.length, unsent.length, refusedBytes]).toEqual([1, 0, bytes]);
  });
});
