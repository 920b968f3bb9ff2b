/** `/data/{sid}/push`: what is not taken, and how producers are told, with acks and without. */
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { closeReason } from '../../../../src/protocol/close-reason.js';
import { FAILURES, type FailureCode } from '../../../../src/protocol/errors.js';
import {
  type Ack,
  codesOf,
  type PushFixture,
  startPushFixture,
  textsIn,
} from '../../../support/push-fixture.js';
import type { TestSocket } from '../../../support/socket.js';

let fixture: PushFixture;
let freshSid: PushFixture['freshSid'];
let push: PushFixture['push'];

beforeAll(async () => {
  fixture = await startPushFixture();
  ({ freshSid, push } = fixture);
});

afterAll(() => fixture.stop());

const texts = (sid: string) => textsIn(fixture.redis.client, `default:${sid}`);

type Frame = string | Uint8Array;

interface Refusal {
  /** What is wrong, as the test's name. */
  readonly fault: string;
  readonly frames: readonly Frame[];
  readonly code: FailureCode;
  /** How many entries the ack of the message speaks of. */
  readonly owed?: number;
  /** Words of the sentence that tells the fault. */
  readonly told: string;
  /** The path and the query, for a stream `sid`. */
  readonly path?: (sid: string) => string;
  readonly query?: string;
}

const json = (fault: string, header: unknown, told: string, more: Partial<Refusal> = {}): Refusal => ({
  fault,
  frames: [typeof header === 'string' ? header : JSON.stringify(header), Buffer.from('abc')],
  code: 'bad_header',
  told,
  ...more,
});

const msgpack = (fault: string, message: Frame, told: string, more: Partial<Refusal> = {}): Refusal => ({
  fault,
  frames: [message],
  code: 'bad_body',
  told,
  query: 'header=msgpack',
  ...more,
});

const both = (sid: string) => `${sid}+${sid}-b`;
const named = () => '*';
const BIN = Buffer.from('abc');
const FUTURE = Date.now() + 86_400_000;

const REFUSALS: readonly Refusal[] = [
  json('a header that is not JSON', '[3', 'does not parse as JSON'),
  json('an empty header', '', 'does not parse as JSON'),
  json('a header that is an object', {}, 'must be a JSON array'),
  json('a header that is a number', 3, 'must be a JSON array'),
  json('a header of nonsense', [{}], 'a header element must be'),
  json('a header of strings', ['3'], 'a header element must be'),
  json('a nested header', [[[3]]], 'a header element must be'),
  json('a fraction', [1.5], 'a whole number'),
  json('a negative offset', [-1], 'a whole number'),
  json('an offset beyond all bounds', '[1e300]', 'a whole number'),
  json('bytes over', [2], "the payload's length, 3 bytes, not 2"),
  json('bytes over, for several entries', [1, 2], "the payload's length, 3 bytes, not 2", { owed: 2 }),
  json('an end past the end', [4], "the payload's length, 3 bytes, not 4"),
  json('a start past the end', [0, 4], "at most the payload's length, 3 bytes, not 4", { owed: 2 }),
  json('backwards', [2, 1, 3], 'must not go backwards', { owed: 3 }),
  json('a stream id that is a number', [[5, 3]], 'a stream id must be'),
  json('an object for a time', [['x', {}, 3]], "an entry's time must be"),
  json('a sequence number beyond 64 bits', [['x', '5-18446744073709551616', 3]], "an entry's time must be"),
  json('a date for a time', [['x', '2026-01-01', 3]], "an entry's time must be"),
  json(
    'a time far ahead',
    [
      ['x', null, 1],
      ['x', FUTURE, 3],
    ],
    `the time ${FUTURE}`,
    { code: 'time_in_future', owed: 2 },
  ),
  json('too few offsets for the streams', [3], 'one offset for each of 2 streams, not 1', { path: both }),
  json('too many offsets for the streams', [1, 2, 3], 'one offset for each of 2 streams, not 3', {
    path: both,
    owed: 3,
  }),
  json('nothing for several streams', [], 'must name its stream', { path: both }),
  json('an entry without a stream', [3], 'must name its stream', { path: named }),
  json('null for a stream that the path does not name', [[null, 3]], 'must name its stream', { path: named }),
  json('a header of more than 16 384 entries', `[${'1,'.repeat(16_384)}1]`, 'at most 16384', {
    owed: 16_384,
  }),
  json('a header of more than a MiB', '[3]'.padEnd(1024 * 1024 + 1), 'at most 1048576 bytes'),
  json('one that would be shorter in letters', `[["漢漢漢",3]]${' '.repeat(1024 * 1024)}`, 'at most 1048576'),
  {
    fault: 'a payload without a header',
    frames: [Buffer.from('abc')],
    code: 'bad_frame',
    told: 'the header must come first, as a text frame, not a binary frame',
  },
  {
    fault: 'text where the payload belongs',
    frames: ['[1,2,3]', 'abc'],
    code: 'bad_frame',
    owed: 3,
    told: 'after a header the payload must come, as a binary frame, not a text frame',
  },
  msgpack('no MessagePack', Buffer.from('c1', 'hex'), 'must be'),
  msgpack(
    'MessagePack cut short',
    pack([[null, null, BIN]]).subarray(0, -1),
    'does not parse as MessagePack',
  ),
  msgpack(
    'MessagePack with a byte too many',
    Buffer.concat([pack(BIN), BIN]),
    'does not parse as MessagePack',
  ),
  msgpack('an empty message', Buffer.alloc(0), 'does not parse as MessagePack'),
  msgpack('a map', pack({ a: BIN }), 'must be a MessagePack bin or an array'),
  msgpack('an array of bins', pack([BIN]), 'an entry must be'),
  msgpack('text for a payload', pack([[null, null, 'abc']]), 'an entry must be'),
  msgpack(
    'a text frame for MessagePack',
    'abc',
    'a message must be a binary frame of MessagePack, not a text frame',
    {
      code: 'bad_frame',
    },
  ),
  msgpack('a number for a stream', pack([[5, null, BIN]]), 'a stream id must be', { code: 'bad_header' }),
  msgpack('a time far ahead in MessagePack', pack([['x', FUTURE, BIN]]), `the time ${FUTURE}`, {
    code: 'time_in_future',
  }),
  msgpack('a packed entry without a stream', pack([[null, null, BIN]]), 'must name its stream', {
    code: 'bad_header',
    path: named,
  }),
  msgpack('a bin without a stream', pack(BIN), 'must name its stream', { code: 'bad_header', path: both }),
];

/** A message that is fine, as frames, for a connection of this query. */
const fine = (sid: string, query = ''): Frame[] =>
  query === 'header=msgpack' ? [pack([[sid, null, BIN]])] : [JSON.stringify([[sid, 3]]), BIN];

describe.each(REFUSALS)('$fault', ({ frames, code, owed = 1, told, path, query }) => {
  test('with acks is told, and the connection goes on', async () => {
    const sid = freshSid();
    const socket = await push(path?.(sid) ?? sid, `ack=1&${query}`);
    socket.send(...frames);
    if (code === 'bad_frame' && typeof frames.at(-1) === 'string' && query === undefined) {
      // What came instead of the payload is taken for the next header.
      socket.send(BIN);
    }
    const acks = await socket.receiveJson<Ack[]>();
    expect(acks).toHaveLength(owed);
    expect(acks[0]).toEqual({ code, error: expect.stringContaining(told) });
    expect(new Set(acks.map((ack) => JSON.stringify(ack))).size).toBe(1);
    if (code === 'bad_frame' && typeof frames.at(-1) === 'string' && query === undefined) {
      expect(codesOf(await socket.receiveJson())).toEqual(['bad_header']);
    }
    socket.send(...fine(sid, query));
    expect(await socket.receiveJson()).toEqual([expect.stringMatching(/^\d+-\d+$/)]);
    expect(await texts(sid)).toEqual(['abc']);
    await socket.close();
  });

  test('without acks closes the connection and names the fault', async () => {
    const sid = freshSid();
    const socket = await push(path?.(sid) ?? sid, query);
    socket.send(...frames, ...fine(sid, query));
    const { code: closeCode, reason } = await socket.closed;
    expect(closeCode).toBe(FAILURES[code].close);
    expect(reason).toContain(closeReason(told).slice(0, 100));
    expect(socket.pending).toBe(0);
    expect(await texts(sid)).toEqual([]);
  });
});

describe('a stream id in a header that may not be one', () => {
  const BAD: readonly (readonly [sid: string, code: FailureCode])[] = [
    ['', 'bad_name'],
    ['a+b', 'bad_name'],
    ['a\u0000b', 'bad_name'],
    ['a\r\nb', 'bad_name'],
    ['\u0085', 'bad_name'],
    ['\ud800', 'bad_name'],
    ['x'.repeat(513), 'bad_name'],
    ['漢'.repeat(171), 'bad_name'],
    [':event:device.meta', 'reserved_name'],
    [':', 'reserved_name'],
  ];

  test.each(BAD)('%j is refused, and only its own entry', async (bad, code) => {
    const sid = freshSid();
    const socket = await push('*', 'ack=1');
    const acks = await socket.push(
      [
        [sid, 1],
        [bad, 2],
        [sid, 3],
      ],
      'abc',
    );
    expect(codesOf(acks)).toEqual([expect.stringMatching(/^\d+-/), code, expect.stringMatching(/^\d+-/)]);
    expect(await texts(sid)).toEqual(['a', 'c']);
    expect(await fixture.redis.client.exists(bad, `default:${bad}`)).toBe(0);
    await socket.close();
  });

  test.each(BAD.filter(([bad]) => bad !== '\ud800'))('%j is refused in MessagePack', async (bad, code) => {
    const socket = await push('*', 'header=msgpack&ack=1');
    socket.send(pack([[bad, null, BIN]]));
    expect(codesOf(await socket.receiveJson())).toEqual([code]);
    await socket.close();
  });

  test.each(BAD)('%j without acks closes after what came before it is stored', async (bad, code) => {
    const sid = freshSid();
    const socket = await push('*');
    socket.send(
      JSON.stringify([
        [sid, 1],
        [bad, 2],
        [sid, 3],
      ]),
      BIN,
    );
    expect((await socket.closed).code).toBe(FAILURES[code].close);
    const after = await push(freshSid(), 'ack=1');
    await after.push([], 'x');
    expect(await texts(sid)).toEqual(['a']);
    await after.close();
  });
});

describe('an address that is refused before the connection opens', () => {
  test.each([
    ['%3Aevent%3Adevice.meta', '', 403, 'reserved_name', 'system stream'],
    ['a+%3Ax', '', 403, 'reserved_name', 'system stream'],
    ['a%00', '', 400, 'bad_name', 'stream id'],
    ['a%2Bb', '', 400, 'bad_name', 'stream id'],
    ['a+a', '', 400, 'bad_name', 'more than once'],
    ['a+', '', 400, 'bad_name', 'empty'],
    ['%FF', '', 400, 'bad_parameter', 'stream id'],
    ['x'.repeat(513), '', 400, 'bad_name', '513 bytes'],
    ['s', 'device_id=a:b', 400, 'bad_name', 'device id'],
    ['s', 'prefix=%0a', 400, 'bad_name', 'prefix'],
    ['s', 'header=2', 400, 'bad_parameter', 'header'],
    ['s', 'ack=maybe', 400, 'bad_parameter', 'ack'],
    ['s', 'ack=1&ack=1', 400, 'bad_parameter', 'ack'],
    ['a+b', 'header=0', 400, 'bad_parameter', 'header=0'],
    ['*', 'header=0', 400, 'bad_parameter', 'header=0'],
  ])('%s ? %s', async (sids, query, status, code, told) => {
    const refusal = await push(sids, query).then(
      () => expect.unreachable(),
      (error: Error) => error.message,
    );
    expect(refusal.slice(0, 4)).toBe(`${status} `);
    expect(JSON.parse(refusal.slice(4))).toEqual({ code, error: expect.stringContaining(told) });
  });

  test('a request that is no WebSocket', async () => {
    const response = await fetch(`${fixture.gateway.http}/data/s/push`);
    expect(response.status).toBe(426);
    expect(response.headers.get('upgrade')).toBe('websocket');
    expect(await response.json()).toMatchObject({ code: 'upgrade_required' });
  });
});

describe('a producer that leaves', () => {
  const connections = () => fixture.gateway.metric('connections{endpoint="push"}');
  const gone = (before: number) =>
    vi.waitFor(async () => expect(await connections()).toBe(before), { timeout: 15_000, interval: 10 });

  const ways: [string, (socket: TestSocket) => void][] = [
    ['in order', (socket) => socket.ws.close()],
    ['without a word', (socket) => socket.ws.terminate()],
  ];

  test.each(ways)('between header and payload, %s, stores nothing', async (_, leave) => {
    const before = await connections();
    const sid = freshSid();
    const socket = await push(sid, 'ack=1');
    await socket.push([], 'before');
    socket.send('[3]');
    leave(socket);
    await socket.closed;
    await gone(before);
    expect(await texts(sid)).toEqual(['before']);
  });

  test('amid its payload stores nothing', async () => {
    const before = await connections();
    const sid = freshSid();
    const socket = await push(sid, 'ack=1');
    await socket.push([], 'before');
    socket.send('[]');
    await new Promise((resolve) =>
      socket.ws.send(Buffer.alloc(100_000), { binary: true, fin: false }, resolve),
    );
    socket.ws.terminate();
    await gone(before);
    expect(await texts(sid)).toEqual(['before']);
  });

  test('with acks under way harms nobody, and what was sent is stored', async () => {
    const before = await connections();
    const sid = freshSid();
    const socket = await push(sid, 'ack=1&header=0');
    for (let index = 0; index < 900; index++) socket.send(String(index));
    await socket.receive();
    socket.ws.terminate();
    await gone(before);
    const other = await push(freshSid(), 'ack=1');
    await other.push([], 'x');
    const stored = await texts(sid);
    expect(stored).toEqual(Array.from({ length: stored.length }, (_, index) => String(index)));
    await other.close();
  });
});

test('text that is not UTF-8 is no frame of a WebSocket', async () => {
  const sid = freshSid();
  const socket = await push(sid, 'ack=1&header=0');
  socket.ws.send(Buffer.from([0x61, 0xff]), { binary: false });
  expect((await socket.closed).code).toBeOneOf([1006, 1007]);
  expect(await texts(sid)).toEqual([]);
});
