/** `/data/{sid}/push`: what producers send lands in Redis, byte for byte, under the keys and ids they asked for. */
import { randomBytes } from 'node:crypto';
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  entriesIn,
  idsIn,
  type PushFixture,
  startPushFixture,
  textsIn,
} from '../../../support/push-fixture.js';
import type { TestSocket } from '../../../support/socket.js';

let fixture: PushFixture;
let freshSid: PushFixture['freshSid'];

beforeAll(async () => {
  fixture = await startPushFixture();
  ({ freshSid } = fixture);
});

afterAll(() => fixture.stop());

const push = (sids: string, query = 'ack=1') => fixture.push(sids, query);
const texts = (sid: string) => textsIn(fixture.redis.client, `default:${sid}`);
const ids = (sid: string) => idsIn(fixture.redis.client, `default:${sid}`);

/** Waits until all that was sent before is stored, by an entry of its own. */
async function settle(socket: TestSocket): Promise<void> {
  socket.ws.close();
  await socket.closed;
  const last = await push('settle');
  await last.push([], 'x');
  await last.close();
}

describe('a header of', () => {
  test.each([
    ['ends', [1, 3, 6], ['a', 'bb', 'ccc']],
    ['starts', [0, 1, 3], ['a', 'bb', 'ccc']],
    ['one end', [6], ['abbccc']],
    ['one start', [0], ['abbccc']],
    ['nothing', [], ['abbccc']],
    ['empty entries', [1, 1, 6, 6], ['a', '', 'bbccc', '']],
    ['null for the stream', [[null, 6]], ['abbccc']],
  ])('%s', async (_, header, expected) => {
    const sid = freshSid();
    const socket = await push(sid);
    const acks = await socket.push(header, 'abbccc');
    expect(await texts(sid)).toEqual(expected);
    expect(acks).toEqual(await ids(sid));
    await socket.close();
  });

  test.each([
    [
      '[sid, end]',
      (a: string, b: string) => [
        [a, 1],
        [b, 3],
        [a, 6],
      ],
    ],
    [
      '[sid, start]',
      (a: string, b: string) => [
        [a, 0],
        [b, 1],
        [a, 3],
      ],
    ],
    [
      '[sid, time, end]',
      (a: string, b: string) => [
        [a, null, 1],
        [b, null, 3],
        [a, null, 6],
      ],
    ],
    [
      'both',
      (a: string, b: string) => [
        [a, 1],
        [b, null, 3],
        [a, 6],
      ],
    ],
  ])('%s, on any path', async (_, header) => {
    for (const path of ['*', freshSid(), `${freshSid()}+${freshSid()}`]) {
      const [a, b] = [freshSid(), freshSid()];
      const socket = await push(path);
      const acks = await socket.push(header(a, b), 'abbccc');
      expect([await texts(a), await texts(b)]).toEqual([['a', 'ccc'], ['bb']]);
      const [first, second] = await ids(a);
      expect(acks).toEqual([first, ...(await ids(b)), second]);
      await socket.close();
    }
  });

  test.each([
    [
      [2, 6],
      ['ab', 'bccc'],
    ],
    [
      [0, 2],
      ['ab', 'bccc'],
    ],
    [
      [0, 6],
      ['abbccc', ''],
    ],
  ])('%j, an entry for each stream of a+b', async (header, [forA, forB]) => {
    const [a, b] = [freshSid(), freshSid()];
    const socket = await push(`${a}+${b}`);
    const acks = await socket.push(header, 'abbccc');
    expect([await texts(a), await texts(b)]).toEqual([[forA], [forB]]);
    expect(acks).toEqual([...(await ids(a)), ...(await ids(b))]);
    await socket.close();
  });

  test('16 384 entries', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    const acks = await socket.push(
      Array.from({ length: 16_384 }, (_, index) => index + 1),
      Buffer.alloc(16_384, 'x'),
    );
    expect(acks).toHaveLength(16_384);
    expect(acks.at(-1)).toBe((await ids(sid)).at(-1));
    expect(new Set(acks).size).toBe(16_384);
    await socket.close();
  });
});

test('an empty payload is an entry too', async () => {
  const sid = freshSid();
  const socket = await push(sid);
  await socket.push([], '');
  await socket.push([0], '');
  await socket.push([0, 0], '');
  expect(await texts(sid)).toEqual(['', '', '', '']);
  await socket.close();
});

test('without acks nothing is answered, and all is stored in the order sent', async () => {
  const sid = freshSid();
  const socket = await push(sid, '');
  const sent = Array.from({ length: 500 }, (_, index) => `entry ${index}`);
  for (const text of sent) socket.send('[]', Buffer.from(text));
  await settle(socket);
  expect(await texts(sid)).toEqual(sent);
  expect(socket.pending).toBe(0);
});

describe('the key', () => {
  test('is made of the device, the prefix and the stream', async () => {
    const sid = freshSid();
    for (const [query, key] of [
      ['', `default:${sid}`],
      ['&device_id=cam%201', `cam 1:${sid}`],
      ['&device_id=cam&prefix=p:', `cam:p:${sid}`],
      ['&prefix=p:', `default:p:${sid}`],
    ] as const) {
      const socket = await push(sid, `ack=1${query}`);
      const named = await push('*', `ack=1${query}`);
      await socket.push([], key);
      await named.push([[sid, Buffer.byteLength(key)]], key);
      expect(await textsIn(fixture.redis.client, key)).toEqual([key, key]);
      await Promise.all([socket.close(), named.close()]);
    }
  });

  test.each([
    'é漢😀',
    'a/b',
    'a b',
    'a:b',
    'x"\\',
    "'",
    '{tag}',
    '[*]?',
    '__proto__',
    'constructor',
    'x'.repeat(512),
  ])('of a stream called %.20s', async (sid) => {
    const socket = await push(encodeURIComponent(sid));
    await socket.push([], 'by the path');
    await socket.push([[sid, 13]], 'by the header');
    expect(await texts(sid)).toEqual(['by the path', 'by the header']);
    await socket.close();
  });
});

describe('times', () => {
  test('the server’s clock, milliseconds, and whole ids', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    const header = [
      [sid, 5, 1],
      [sid, '6', 2],
      [sid, '6', 3],
      [sid, '7-3', 4],
      [sid, 1_700_000_000_000, 5],
      [sid, '1700000000000-9', 6],
      [sid, null, 7],
    ];
    const acks = await socket.push(header, 'abcdefg');
    expect(acks.slice(0, 6)).toEqual(['5-0', '6-0', '6-1', '7-3', '1700000000000-0', '1700000000000-9']);
    expect(acks).toEqual(await ids(sid));
    const [seconds] = await fixture.redis.client.time();
    expect(Number.parseInt(acks[6] as string, 10) / 1000).toBeCloseTo(Number(seconds), -1);
    await socket.close();
  });

  test('backwards is told in its ack, and the rest is stored', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    const header = ['10-5', '10-5', 9, '10-4', '0-0', null].map((time, index) => [sid, time, index + 1]);
    const acks = await socket.push(header, 'abcdef');
    const refused = { code: 'id_not_increasing', error: expect.stringContaining('not after the newest') };
    expect(acks).toEqual(['10-5', refused, refused, refused, refused, expect.stringMatching(/^\d{13}-0$/)]);
    expect(await texts(sid)).toEqual(['a', 'f']);
    await socket.close();
  });

  test('backwards without acks closes with 4409', async () => {
    const sid = freshSid();
    const socket = await push(sid, '');
    socket.send(
      JSON.stringify([
        [sid, 10, 1],
        [sid, 9, 2],
      ]),
      Buffer.from('ab'),
    );
    expect(await socket.closed).toEqual({
      code: 4409,
      reason: "the entry's time is not after the newest entry of its stream",
    });
    expect(await texts(sid)).toEqual(['a']);
  });

  test('an hour ahead is the limit: beyond it nothing of the message is stored', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    const soon = Date.now() + 3_500_000;
    expect(await socket.push([[sid, soon, 1]], 'a')).toEqual([`${soon}-0`]);
    const far = Date.now() + 3_700_000;
    for (const time of [far, String(far), `${far}-0`, '18446744073709551615-18446744073709551615']) {
      const refused = { code: 'time_in_future', error: expect.stringContaining(String(time)) };
      expect(
        await socket.push(
          [
            [sid, null, 1],
            [sid, time, 2],
          ],
          'ab',
        ),
      ).toEqual([refused, refused]);
    }
    expect(await texts(sid)).toEqual(['a']);
    await socket.close();
    const silent = await push(sid, '');
    silent.send(JSON.stringify([[sid, far, 1]]), Buffer.from('a'));
    expect(await silent.closed).toEqual({
      code: 4400,
      reason: expect.stringContaining(`the time ${far} is more than MAX_FUTURE_MS ahead`),
    });
  });
});

describe('header=0', () => {
  test('every frame is an entry, binary and text alike', async () => {
    const sid = freshSid();
    const socket = await push(sid, 'header=0&ack=1');
    for (const frame of ['text', Buffer.from('binary'), '', Buffer.alloc(0), '[]', '漢']) {
      socket.send(frame);
      expect(await socket.receiveJson()).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    }
    expect(await texts(sid)).toEqual(['text', 'binary', '', '', '[]', '漢']);
    await socket.close();
  });

  test('without acks', async () => {
    const sid = freshSid();
    const socket = await push(sid, 'header=0');
    socket.send('a', Buffer.from('b'), 'c');
    await settle(socket);
    expect(await texts(sid)).toEqual(['a', 'b', 'c']);
  });
});

describe('header=msgpack', () => {
  test('an array of entries, or a single bin', async () => {
    const [a, b] = [freshSid(), freshSid()];
    const socket = await push(a, 'header=msgpack&ack=1');
    socket.send(
      pack([
        [null, null, Buffer.from('one')],
        [a, null, Buffer.from('')],
        [b, 5, Buffer.from('two')],
        [b, '5-7', Buffer.from('three')],
      ]),
    );
    const acks = await socket.receiveJson<string[]>();
    socket.send(pack(Buffer.from('alone')));
    acks.push(...(await socket.receiveJson<string[]>()));
    socket.send(pack([]));
    expect(await socket.receiveJson()).toEqual([]);
    expect([await texts(a), await texts(b)]).toEqual([
      ['one', '', 'alone'],
      ['two', 'three'],
    ]);
    const [first, second, third] = await ids(a);
    expect(acks).toEqual([first, second, '5-0', '5-7', third]);
    await socket.close();
  });

  test('of several streams, and of streams that entries name', async () => {
    for (const path of ['*', `${freshSid()}+${freshSid()}`]) {
      const sid = freshSid();
      const socket = await push(path, 'header=msgpack&ack=1');
      socket.send(pack([[sid, null, Buffer.from('x')]]));
      expect(await socket.receiveJson()).toEqual(await ids(sid));
      await socket.close();
    }
  });
});

describe('payloads are stored byte for byte', () => {
  /** Of every size up to 100 kB, those around what the gateway treats differently among them. */
  const sizes = [
    0, 1, 2, 100, 999, 1000, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 99_999, 100_000,
  ];
  const payloads = [...sizes, ...sizes.toReversed()].map((size) => randomBytes(size));

  const expectStored = async (sid: string, acks: readonly unknown[]) => {
    const entries = await entriesIn(fixture.redis.client, `default:${sid}`);
    expect(entries.map(([, payload]) => payload.length)).toEqual(payloads.map(({ length }) => length));
    expect(entries.filter(([, payload], index) => !payload.equals(payloads[index]!))).toEqual([]);
    expect(acks).toEqual(entries.map(([id]) => id));
  };

  test('a message each', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    for (const payload of payloads) socket.send('[]', payload);
    const acks: unknown[] = [];
    for (const _ of payloads) acks.push(...(await socket.receiveJson<unknown[]>()));
    await expectStored(sid, acks);
    await socket.close();
  });

  test('all in one message', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    let end = 0;
    const ends = payloads.map(({ length }) => {
      end += length;
      return [sid, end];
    });
    // The first entry is empty, so its end would make the others' ends starts: it goes without.
    const starts = ends.map((_, index) => [sid, index === 0 ? 0 : ends[index - 1]![1]]);
    await expectStored(sid, await socket.push(starts, Buffer.concat(payloads)));
    await socket.close();
  });

  test('as bare frames', async () => {
    const sid = freshSid();
    const socket = await push(sid, 'header=0&ack=1');
    socket.send(...payloads);
    const acks: unknown[] = [];
    for (const _ of payloads) acks.push(...(await socket.receiveJson<unknown[]>()));
    await expectStored(sid, acks);
    await socket.close();
  });

  test('in MessagePack', async () => {
    const sid = freshSid();
    const socket = await push(sid, 'header=msgpack&ack=1');
    socket.send(pack(payloads.map((payload) => [null, null, payload])));
    await expectStored(sid, await socket.receiveJson<unknown[]>());
    await socket.close();
  });

  test('in frames that come in fragments', async () => {
    const sid = freshSid();
    const socket = await push(sid);
    const payload = randomBytes(300_000);
    socket.ws.send('[100000,', { fin: false });
    socket.ws.send('300000]', { fin: true });
    socket.ws.send(payload.subarray(0, 1), { binary: true, fin: false });
    socket.ws.send(payload.subarray(1, 200_000), { binary: true, fin: false });
    socket.ws.send(payload.subarray(200_000), { binary: true, fin: true });
    const acks = await socket.receiveJson();
    const entries = await entriesIn(fixture.redis.client, `default:${sid}`);
    expect(acks).toEqual(entries.map(([id]) => id));
    expect(entries.map(([, bytes]) => bytes.equals(payload.subarray(0, 100_000)))).toEqual([true, false]);
    expect(entries[1]![1].equals(payload.subarray(100_000))).toBe(true);
    await socket.close();
  });
});

test('streams are trimmed to about REDIS_STREAM_MAXLEN, each by itself', async () => {
  const own = await startPushFixture({ REDIS_STREAM_MAXLEN: '10' });
  try {
    const few = await own.push('few', 'ack=1');
    for (const text of ['a', 'b', 'c']) await few.push([], text);
    const many = await own.push('many', 'header=0&ack=1');
    for (let index = 0; index < 1000; index++) many.send(`entry ${index}`);
    let last: string | undefined;
    for (let index = 0; index < 1000; index++) [last] = await many.receiveJson<string[]>();
    const left = await entriesIn(own.redis.client, 'default:many');
    // Redis drops whole nodes of 100 entries.
    expect(left.length).toBeGreaterThanOrEqual(10);
    expect(left.length).toBeLessThanOrEqual(110);
    expect(left.at(-1)).toEqual([last, Buffer.from('entry 999')]);
    expect(await textsIn(own.redis.client, 'default:few')).toEqual(['a', 'b', 'c']);
  } finally {
    await own.stop();
  }
});
