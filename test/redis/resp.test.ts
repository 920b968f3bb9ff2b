import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeCommand, ProtocolError, ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';
import { anyReply, array, bulk, encodeReply, type Reply, readReply, text } from '../support/replies.js';

const KIB = 1024;

/** Feeds pieces as a socket would and calls `onReply` for each whole reply. */
function feed(pieces: Iterable<Uint8Array>, onReply: (cursor: ReplyCursor) => void, onRead = () => {}): void {
  const replies = new ReplyBuffer();
  const cursor = new ReplyCursor();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const room = replies.room();
      const part = piece.subarray(at, at + room.length);
      room.set(part);
      replies.received(part.length);
      at += part.length;
      while (replies.next(cursor)) onReply(cursor);
      onRead();
    }
  }
}

/** What comes of `expected` when it is sent as these pieces. */
function exchange(expected: readonly Reply[], pieces: Iterable<Uint8Array>): Reply[] {
  const read: Reply[] = [];
  let copied = 0;
  feed(
    pieces,
    (cursor) => read.push(readReply(cursor, expected[read.length] ?? text(''))),
    // The views of all replies of one read are valid until the next: only now are they copied.
    () => {
      for (; copied < read.length; copied++) read[copied] = copyOf(read[copied]!);
    },
  );
  return read;
}

function copyOf(reply: Reply): Reply {
  if (reply.type === 'bulk') return { ...reply, value: reply.value && Buffer.from(reply.value) };
  if (reply.type === 'array') return { ...reply, value: reply.value?.map(copyOf) ?? null };
  return reply;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length]!;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

describe('replies', () => {
  const replies = fc.array(anyReply, { minLength: 1, maxLength: 8 });
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 });

  test('come out the same, however they are cut and joined', () => {
    fc.assert(
      fc.property(replies, sizes, (sent, random) => {
        const bytes = Buffer.concat(sent.map(encodeReply));
        expect(exchange(sent, [bytes])).toEqual(sent);
        expect(exchange(sent, cut(bytes, [1]))).toEqual(sent);
        expect(exchange(sent, cut(bytes, random))).toEqual(sent);
      }),
    );
  });

  test('come out the same, cut in two at any byte', () => {
    const sent = [
      array(array(bulk('stream'), array(array(bulk('1-0'), array(bulk('d'), bulk('\r\n$3\r\n')))))),
      { type: 'array', value: null } as const,
      bulk(null),
      text('OK'),
      { type: 'error', value: 'WRONGTYPE Operation' } as const,
      { type: 'number', value: -12 } as const,
      bulk(''),
      array(),
    ];
    const bytes = Buffer.concat(sent.map(encodeReply));
    for (let at = 1; at < bytes.length; at++) {
      expect(exchange(sent, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(sent);
    }
  });

  test('can be skipped, whatever they are', () => {
    fc.assert(
      fc.property(replies, anyReply, sizes, (skipped, last, random) => {
        const bytes = Buffer.concat([...skipped, last].map(encodeReply));
        let seen = 0;
        let read: Reply | undefined;
        feed(cut(bytes, random), (cursor) => {
          if (seen++ < skipped.length) cursor.skip();
          else read = copyOf(readReply(cursor, last));
        });
        expect(seen).toBe(skipped.length + 1);
        expect(read).toEqual(last);
      }),
    );
  });

  test('need not be read to their end, or at all', () => {
    fc.assert(
      fc.property(replies, anyReply, sizes, (unread, last, random) => {
        const bytes = Buffer.concat([...unread, last].map(encodeReply));
        let seen = 0;
        let read: Reply | undefined;
        feed(cut(bytes, random), (cursor) => {
          if (seen === unread.length) read = copyOf(readReply(cursor, last));
          else if (unread[seen]!.type === 'array') cursor.array();
          seen++;
        });
        expect(seen).toBe(unread.length + 1);
        expect(read).toEqual(last);
      }),
    );
  });

  test('an element can be skipped within its array', () => {
    fc.assert(
      fc.property(anyReply, (skipped) => {
        const read: string[] = [];
        feed([encodeReply(array(bulk('before'), skipped, bulk('after')))], (cursor) => {
          expect(cursor.array()).toBe(3);
          read.push(cursor.text());
          cursor.skip();
          read.push(cursor.text());
        });
        expect(read).toEqual(['before', 'after']);
      }),
    );
  });
});

describe('text', () => {
  test.each([
    [bulk('1700000000000-0'), '1700000000000-0'],
    [bulk('é漢😀'), 'é漢😀'],
    [bulk('x'.repeat(41)), 'x'.repeat(41)],
    [bulk('漢'.repeat(50)), '漢'.repeat(50)],
    [bulk(''), ''],
    [bulk(null), ''],
    [text('OK'), 'OK'],
    [text('é'), 'é'],
    [{ type: 'error', value: 'ERR no' } as const, 'ERR no'],
    [{ type: 'number', value: 42 } as const, '42'],
  ])('of %j', (reply, expected) => {
    const read: string[] = [];
    feed([encodeReply(reply)], (cursor) => read.push(cursor.text()));
    expect(read).toEqual([expected]);
  });

  test('an element is passed over only where it is exactly the one expected', () => {
    const name = Buffer.from('$1\r\nd\r\n');
    const read: unknown[] = [];
    feed([Buffer.concat([name, name, Buffer.from('$2\r\ndd\r\n')])], (cursor) => {
      read.push(cursor.skipIf(Buffer.from('$1\r\ne\r\n')), cursor.skipIf(name) || cursor.text());
    });
    expect(read).toEqual([false, true, false, true, false, 'dd']);
  });

  test('an error is told from a text that looks like one', () => {
    const errors: boolean[] = [];
    feed([Buffer.from('-ERR\r\n$4\r\n-ERR\r\n+-ERR\r\n')], (cursor) => {
      errors.push(cursor.isError);
      cursor.skip();
    });
    expect(errors).toEqual([true, false, false]);
  });
});

describe('large replies', () => {
  const LARGE = randomBytes(3 * KIB * KIB);

  test.each([1460, 64 * KIB, 65_537, 1024 * KIB])('in pieces of %i bytes', (size) => {
    const sent = [bulk('before'), array(bulk(LARGE), bulk(LARGE.subarray(0, 200 * KIB))), bulk('after')];
    const bytes = Buffer.concat(sent.map(encodeReply));
    const received = Buffer.concat(exchange(sent, cut(bytes, [size])).map(encodeReply));
    expect(received.equals(bytes)).toBe(true);
  });

  test('the buffer grows once, to fit what was announced, and goes when it is done', () => {
    const replies = new ReplyBuffer();
    const cursor = new ReplyCursor();
    const give = (bytes: Uint8Array) => {
      const room = replies.room();
      room.set(bytes);
      replies.received(bytes.length);
      return replies.next(cursor);
    };
    expect(replies.room().length).toBe(64 * KIB);
    expect(give(Buffer.from(`$${LARGE.length}\r\n`))).toBe(false);
    const grown = replies.room();
    // The first room may still be used up; after it all that is missing fits.
    expect(give(LARGE.subarray(0, grown.length))).toBe(false);
    const rest = replies.room();
    expect(rest.length).toBeGreaterThanOrEqual(LARGE.length - grown.length + 2);
    expect(give(Buffer.concat([LARGE.subarray(grown.length), Buffer.from('\r\n')]))).toBe(true);
    expect(LARGE.equals(cursor.bytes()!)).toBe(true);
    expect(replies.room().length).toBe(64 * KIB);
  });

  test('many small replies are read without growing', () => {
    const bytes = Buffer.concat(new Array(20_000).fill(encodeReply(bulk('1700000000000-0'))));
    const buffers = new Set<ArrayBufferLike>();
    let seen = 0;
    const replies = new ReplyBuffer();
    const cursor = new ReplyCursor();
    for (const piece of cut(bytes, [1000, 3, 64 * KIB])) {
      for (let at = 0; at < piece.length; ) {
        const room = replies.room();
        buffers.add(room.buffer);
        const part = piece.subarray(at, at + room.length);
        room.set(part);
        replies.received(part.length);
        at += part.length;
        for (; replies.next(cursor); seen++) cursor.skip();
      }
    }
    expect(seen).toBe(20_000);
    expect(Math.max(...[...buffers].map((buffer) => buffer.byteLength))).toBeLessThanOrEqual(256 * KIB);
  });
});

describe('RESP3', () => {
  const replies = [
    '_\r\n',
    '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n',
    '%0\r\n',
    '=7\r\ntxt:a\r\n\r\n',
    '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n',
    '*2\r\n%1\r\n+a\r\n=5\r\ntxt:b\r\n_\r\n',
  ];

  test('replies end where the next begins, however they are cut', () => {
    for (const sizes of [[1], [2, 3], [1000]]) {
      let seen = 0;
      feed(cut(Buffer.from([...replies, '+OK\r\n'].join('')), sizes), (cursor) => {
        if (seen === replies.length) expect(cursor.text()).toBe('OK');
        else cursor.skip();
        seen++;
      });
      expect(seen).toBe(replies.length + 1);
    }
  });

  test.each([
    ['_\r\n', true],
    ['$-1\r\n', true],
    ['*-1\r\n', true],
    ['$0\r\n\r\n', false],
    ['*0\r\n', false],
    [':0\r\n', false],
  ])('whether %j is a null: %s', (sent, isNull) => {
    feed([Buffer.from(sent)], (cursor) => {
      expect(cursor.isNull).toBe(isNull);
      cursor.skip();
    });
  });

  test('a push and a map are read by their elements', () => {
    feed([Buffer.from('>2\r\n+invalidate\r\n_\r\n%1\r\n+a\r\n:2\r\n')], (cursor) => {
      const { isPush } = cursor;
      const elements = Array.from({ length: cursor.array() }, () => cursor.text());
      expect(elements).toEqual(isPush ? ['invalidate', ''] : ['a', '2']);
    });
  });
});

describe('what is no reply', () => {
  test.each([
    'hello\r\n',
    ',1.5\r\n',
    '%x\r\n',
    '>x\r\n',
    '=x\r\n',
    '\r\n',
    '\0\0\0\0\r\n',
    '$x\r\n',
    '$5x\r\nhello\r\n',
    '$ 5\r\nhello\r\n',
    '$5\nhello\r\n',
    '$1.5\r\n',
    '$99999999999\r\n',
    '*x\r\n',
    '*1x\r\n',
    '*1\n+a\r\n',
    '*2\r\n+a\r\nx\r\n',
    'HTTP/1.1 400 Bad Request\r\n',
  ])('%j is a protocol error', (sent) => {
    expect(() => feed([Buffer.from(sent)], (cursor) => cursor.skip())).toThrow(ProtocolError);
    expect(() => feed(cut(Buffer.from(sent), [1]), (cursor) => cursor.skip())).toThrow(ProtocolError);
  });

  test.each([
    [text('OK'), (cursor: ReplyCursor) => cursor.bytes()],
    [text('OK'), (cursor: ReplyCursor) => cursor.array()],
    [array(), (cursor: ReplyCursor) => cursor.bytes()],
    [{ type: 'error', value: 'ERR' } as const, (cursor: ReplyCursor) => cursor.array()],
  ])('%j is not what is read', (sent, read) => {
    expect(() => feed([encodeReply(sent)], read)).toThrow(ProtocolError);
  });

  test.each(['', '$', '$5', '$5\r', '$5\r\nhel', '$5\r\nhello\r', '*2\r\n+a\r\n', '+OK', '+OK\r', ':1'])(
    '%j is not whole yet',
    (sent) => {
      feed([Buffer.from(sent)], () => expect.unreachable());
    },
  );
});

describe('encodeCommand', () => {
  test('is an array of bulk strings, their lengths in bytes', () => {
    const command = encodeCommand(['SET', 'é漢😀', 5, Buffer.from([0, 13, 10])]);
    expect(command.toString()).toBe('*4\r\n$3\r\nSET\r\n$9\r\né漢😀\r\n$1\r\n5\r\n$3\r\n\0\r\n\r\n');
  });

  test('reads back as what was given', () => {
    const words = fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: 'grapheme' })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(words, (args) => {
        const sent = args.map((arg) => bulk(arg));
        expect(exchange([array(...sent)], [encodeCommand(args)])).toEqual([array(...sent)]);
      }),
    );
  });
});
