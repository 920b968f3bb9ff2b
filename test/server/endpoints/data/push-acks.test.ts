/** `/data/{sid}/push` with `ack=1`: one text frame a message, in order, whatever becomes of the entries. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Ack,
  codesOf,
  idsIn,
  type PushFixture,
  startPushFixture,
} from '../../../support/push-fixture.js';

const WAIT = { timeout: 15_000, interval: 10 };

let fixture: PushFixture;
let freshSid: PushFixture['freshSid'];
let push: PushFixture['push'];

beforeAll(async () => {
  fixture = await startPushFixture();
  ({ freshSid, push } = fixture);
});

afterAll(() => fixture.stop());

test('acks come in the order of the messages, refused at once or by Redis, whole or in part', async () => {
  const [good, other, wrong] = [freshSid(), freshSid(), freshSid()];
  await fixture.redis.client.set(`default:${wrong}`, 'no stream');
  const socket = await push('*', 'ack=1');
  const id = expect.stringMatching(/^\d+-\d+$/);
  const kinds: readonly (readonly [header: unknown, payload: Buffer, codes: readonly unknown[]])[] = [
    [[[good, 1]], Buffer.from('a'), [id]],
    ['nonsense', Buffer.from('a'), ['bad_header']],
    [[[wrong, 1]], Buffer.from('a'), ['wrong_type']],
    [
      [
        [good, 1],
        [wrong, 2],
        [other, 3],
      ],
      Buffer.from('abc'),
      [id, 'wrong_type', id],
    ],
    [
      [
        [good, 1],
        [':x', 2],
      ],
      Buffer.from('ab'),
      [id, 'reserved_name'],
    ],
    [
      [
        [good, 1],
        [good, 2],
      ],
      Buffer.from('abc'),
      ['bad_header', 'bad_header'],
    ],
    [[[other, 100_000]], Buffer.alloc(100_000), [id]],
    [[[':x', 1]], Buffer.from('a'), ['reserved_name']],
    [
      [
        [good, '1-1', 1],
        [good, 2],
      ],
      Buffer.from('ab'),
      ['id_not_increasing', id],
    ],
    [
      Array.from({ length: 500 }, (_, index) => [index % 2 ? good : other, index + 1]),
      Buffer.alloc(500),
      new Array(500).fill(id),
    ],
  ];
  const sent = Array.from({ length: 300 }, (_, index) => kinds[(index * 7) % kinds.length]!);
  for (const [header, payload] of sent) socket.send(JSON.stringify(header), payload);
  const stored: string[] = [];
  for (const [, , codes] of sent) {
    const acks = await socket.receiveJson<Ack[]>();
    expect(codesOf(acks)).toEqual(codes);
    stored.push(...acks.filter((ack) => typeof ack === 'string'));
  }
  expect(socket.pending).toBe(0);
  // What is stored was told (the streams were trimmed meanwhile).
  const { client } = fixture.redis;
  const held = [...(await idsIn(client, `default:${good}`)), ...(await idsIn(client, `default:${other}`))];
  expect(held.filter((id) => !stored.includes(id))).toEqual([]);
  await socket.close();
});

test('a frame out of place is acked in its turn', async () => {
  const sid = freshSid();
  const socket = await push(sid, 'ack=1');
  const payload = Buffer.from('abc');
  socket.send('[3]', payload, payload, '[1,2,3]', '[3]', payload, 'x', payload, '[0]', payload);
  const acks: unknown[] = [];
  for (let message = 0; message < 6; message++) acks.push(codesOf(await socket.receiveJson<Ack[]>()));
  const id = expect.stringMatching(/^\d+-\d+$/);
  expect(acks).toEqual([
    [id],
    ['bad_frame'],
    ['bad_frame', 'bad_frame', 'bad_frame'],
    [id],
    ['bad_header'],
    [id],
  ]);
  expect(socket.pending).toBe(0);
  await socket.close();
});

test('what is refused before a frame that closes the connection is acked', async () => {
  const socket = await push(freshSid(), 'ack=1');
  await socket.push([], 'x');
  socket.send('nonsense', Buffer.from('x'), Buffer.alloc(64 * 1024 * 1024 + 1));
  expect(codesOf(await socket.receiveJson<Ack[]>())).toEqual(['bad_header']);
  expect(await socket.closed).toMatchObject({ code: 1009 });
});

test('producers of one stream do not wait for one another, and keep their own order', async () => {
  const sid = freshSid();
  const sockets = await Promise.all(Array.from({ length: 8 }, () => push(sid, 'ack=1&header=0')));
  const told = await Promise.all(
    sockets.map(async (socket, producer) => {
      for (let index = 0; index < 100; index++) socket.send(`${producer} ${index}`);
      const ids: string[] = [];
      for (let index = 0; index < 100; index++) ids.push(...(await socket.receiveJson<string[]>()));
      await socket.close();
      return ids;
    }),
  );
  const rows = await fixture.redis.client.xrange(`default:${sid}`, '-', '+');
  for (const [producer, ids] of told.entries()) {
    const mine = rows.filter(([, fields]) => fields[1]!.startsWith(`${producer} `));
    expect(mine.map(([id]) => id)).toEqual(ids);
    expect(mine.map(([, fields]) => fields[1])).toEqual(ids.map((_, index) => `${producer} ${index}`));
  }
});

describe('a producer that does not read its acks', () => {
  test('is closed, and told why; others are served meanwhile', async () => {
    const before = await fixture.gateway.metric('connections{endpoint="push"}');
    const socket = await push(freshSid(), 'ack=1');
    await socket.push([], 'x');
    socket.ws.pause();
    // Each message is refused whole: an ack of some 7 MB, more than the system's buffers take.
    const header = `[${'1,'.repeat(65_535)}1.5]`;
    for (let message = 0; message < 8; message++) socket.send(header, Buffer.from('x'));
    await vi.waitFor(async () => {
      expect(await fixture.gateway.metric('connections{endpoint="push"}')).toBe(before);
    }, WAIT);
    const other = await push(freshSid(), 'ack=1');
    expect(codesOf(await other.push([], 'x'))).toEqual([expect.stringMatching(/^\d+-/)]);
    await other.close();
    socket.ws.resume();
    expect(await socket.closed).toEqual({ code: 4429, reason: 'the acks of earlier messages are not read' });
  });

  test('for a while, but less than a MiB of them, gets them all', async () => {
    const sid = freshSid();
    const socket = await push(sid, 'ack=1&header=0');
    socket.ws.pause();
    for (let index = 0; index < 5000; index++) socket.send(String(index));
    const key = `default:${sid}`;
    await vi.waitFor(
      async () => expect((await idsIn(fixture.redis.client, key)).length).toBeGreaterThan(0),
      WAIT,
    );
    socket.ws.resume();
    for (let index = 0; index < 5000; index++) {
      expect(await socket.receiveJson()).toEqual([expect.stringMatching(/^\d+-/)]);
    }
    await socket.close();
  });
});
