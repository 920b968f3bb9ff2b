import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EntryBatch } from '../../src/protocol/batch.js';
import { encodeCommand, ReplyBuffer, ReplyCursor } from '../../src/redis/resp.js';
import {
  BlockingRead,
  packBatches,
  type ReadEntries,
  readEntries,
  xnewestAfter,
  xrangeAfter,
  xreadEach,
} from '../../src/redis/stream-reads.js';
import { array, bulk, encodeReply, type Reply } from '../support/replies.js';

const KIB = 1024;
const EMPTY: Reply = { type: 'array', value: null };

type Fields = readonly (string | Uint8Array)[];

const entry = (id: string, ...fields: Fields) =>
  array(bulk(id), array(...fields.map((field) => bulk(field))));

/** Reads the reply to an XRANGE and packs it, as the pool does. */
function readAndPack(...replies: Reply[]): { batches: EntryBatch[]; buffers: ArrayBuffer[] } {
  const bytes = Buffer.concat(replies.map(encodeReply));
  const received = new ReplyBuffer();
  const cursor = new ReplyCursor();
  const reads: ReadEntries[] = [];
  // All in one read of the socket, so that the views of every reply are valid until they are packed.
  received.append(bytes);
  while (received.next(cursor)) reads.push(readEntries(cursor, `k${reads.length}`, '0-0'));
  const { batches, buffers } = packBatches(reads);
  bytes.fill(0);
  received.room().fill(0);
  return { batches: batches.map((batch) => new EntryBatch(batch)), buffers };
}

const texts = (batch: EntryBatch) =>
  batch.ids.map((id, index) => [id, Buffer.from(batch.payload(index)).toString()]);

describe('commands', () => {
  test('an XREAD for each stream, behind ASKING where its slot is on the way', () => {
    const cursors = [
      { word: '$1\r\na\r\n', after: '0-0', asks: false },
      { word: '$5\r\né漢\r\n', after: '1700000000000-12', asks: true },
    ];
    const read = (key: string, id: string) => encodeCommand(['XREAD', 'COUNT', 10, 'STREAMS', key, id]);
    expect(xreadEach(cursors, 10).toString()).toBe(
      [read('a', '0-0'), encodeCommand(['ASKING']), read('é漢', '1700000000000-12')].join(''),
    );
  });

  test('XREAD of all streams, each from its own cursor', () => {
    const read = new BlockingRead();
    const cursors = new Map([
      ['a', { after: '0-0' }],
      ['é漢\r\n', { after: '1700000000000-12' }],
    ]);
    const expected = (count: number, block: number) =>
      encodeCommand([
        ...['XREAD', 'COUNT', count, 'BLOCK', block, 'STREAMS'],
        ...cursors.keys(),
        ...[...cursors.values()].map(({ after }) => after),
      ]);
    expect(Buffer.concat(read.encode(cursors, 10, 5000))).toEqual(expected(10, 5000));
    cursors.set('a', { after: '5-1' });
    expect(Buffer.concat(read.encode(cursors, 7, 0))).toEqual(expected(7, 0));
    cursors.set('b', { after: '0-0' });
    read.changed();
    expect(Buffer.concat(read.encode(cursors, 7, 0))).toEqual(expected(7, 0));
    cursors.delete('a');
    read.changed();
    expect(Buffer.concat(read.encode(cursors, 7, 0))).toEqual(expected(7, 0));
  });

  test('XRANGE and XREVRANGE leave the cursor itself out', () => {
    expect(xrangeAfter('k', '5-1', 10)).toEqual(encodeCommand(['XRANGE', 'k', '(5-1', '+', 'COUNT', 10]));
    expect(xnewestAfter('k', '5-1')).toEqual(encodeCommand(['XREVRANGE', 'k', '+', '(5-1', 'COUNT', 1]));
  });
});

describe('entries', () => {
  test.each([
    [array(), []],
    [EMPTY, []],
    [bulk(null), []],
    [array(entry('1-0', 'd', 'one')), [['1-0', 'one']]],
    [
      array(entry('1-0', 'd', 'one'), entry('1-1', 'd', ''), entry('2-0', 'd', '漢')),
      [
        ['1-0', 'one'],
        ['1-1', ''],
        ['2-0', '漢'],
      ],
    ],
    // The field may stand among others, which do not count then.
    [array(entry('1-0', 'a', '1', 'd', 'one', 'z', '2')), [['1-0', 'one']]],
    // The value of another field is not mistaken for it.
    [array(entry('1-0', 'name', 'd', 'd', 'one')), [['1-0', 'one']]],
  ])('of %j', (reply, expected) => {
    const [batch] = readAndPack(reply).batches;
    expect(texts(batch!)).toEqual(expected);
  });

  test.each([
    [['a', '1', 'b', 'two'], { a: '1', b: 'two' }],
    [['name', 'd'], { name: 'd' }],
    [['D', 'x'], { D: 'x' }],
    [['é', '漢"\\'], { é: '漢"\\' }],
    [['raw', Buffer.from([0xff, 0, 0xfe])], { raw: { base64: '/wD+' } }],
    [
      ['__proto__', 'x', 'constructor', 'y'],
      Object.fromEntries([
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ]),
    ],
    [['', ''], { '': '' }],
  ] as [Fields, unknown][])('without the field: %j as JSON', (fields, expected) => {
    const [batch] = readAndPack(array(entry('1-0', ...fields))).batches;
    expect(JSON.parse(Buffer.from(batch!.payload(0)).toString())).toEqual(expected);
  });

  test('any entries of any streams come out as they went in', () => {
    const size = fc.oneof({ weight: 5, arbitrary: fc.nat(50) }, { weight: 1, arbitrary: fc.nat(20 * KIB) });
    fc.assert(
      fc.property(fc.array(fc.array(size, { maxLength: 8 }), { maxLength: 5 }), (streams) => {
        const sent = streams.map((sizes, stream) =>
          sizes.map(
            (length, index) => [`${stream}-${index}`, Buffer.alloc(length, 65 + stream).toString()] as const,
          ),
        );
        const { batches, buffers } = readAndPack(
          ...sent.map((rows) => array(...rows.map(([id, payload]) => entry(id, 'd', payload)))),
        );
        expect(batches.map(texts)).toEqual(sent.map((rows) => rows.map((row) => [...row])));
        // Every buffer is listed once, and each batch lies in one of them.
        expect(new Set(buffers).size).toBe(buffers.length);
        for (const { bytes } of batches) expect(buffers).toContain(bytes.buffer);
      }),
    );
  });
});

describe('packed batches', () => {
  const payload = (size: number) => array(entry('1-0', 'd', Buffer.alloc(size, 'x')));

  test('small ones share a buffer, large ones have one of their own', () => {
    const { batches, buffers } = readAndPack(
      payload(10),
      payload(16 * KIB),
      payload(20),
      payload(16 * KIB - 1),
      payload(100 * KIB),
    );
    expect(buffers).toHaveLength(3);
    expect(batches.map(({ bytes }) => buffers.indexOf(bytes.buffer as ArrayBuffer))).toEqual([0, 1, 0, 0, 2]);
    expect(buffers.map(({ byteLength }) => byteLength)).toEqual([
      10 + 20 + 16 * KIB - 1,
      16 * KIB,
      100 * KIB,
    ]);
  });

  test('have no more than the entries in their buffers, so that they can be transferred', () => {
    const { batches, buffers } = readAndPack(payload(10), payload(100 * KIB));
    const before = batches.map(({ bytes }) => bytes.length);
    structuredClone(buffers, { transfer: buffers });
    expect(before).toEqual([10, 100 * KIB]);
    expect(batches.map(({ bytes }) => bytes.length)).toEqual([0, 0]);
  });

  test('say where they were read from and whether entries were lost before', () => {
    const reads: ReadEntries[] = [
      { key: 'a', after: '4-0', trimmed: true, ids: ['5-0'], payloads: [Buffer.from('x')], bytes: 1 },
      { key: 'b', after: '7-0', trimmed: false, ids: [], payloads: [], bytes: 0 },
    ];
    expect(packBatches(reads).batches).toMatchObject([
      { key: 'a', after: '4-0', trimmed: true, ids: '5-0' },
      { key: 'b', after: '7-0', trimmed: false, ids: '' },
    ]);
  });
});
