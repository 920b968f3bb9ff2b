/** `/data/{sid}/push`: the size of a frame. */
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PushFixture, startPushFixture, textsIn } from '../../../support/push-fixture.js';

const LIMIT = 10_000;
const TOO_LARGE = {
  code: 1009,
  reason: `a frame of ${LIMIT + 1} bytes is too large (MAX_PAYLOAD_BYTES=${LIMIT})`,
};

let fixture: PushFixture;

beforeAll(async () => {
  fixture = await startPushFixture({ MAX_PAYLOAD_BYTES: String(LIMIT) });
});

afterAll(() => fixture.stop());

const padded = (length: number) => '[]'.padEnd(length);

/** An MessagePack message of `length` bytes. */
const packed = (length: number) => pack(Buffer.alloc(length - 3));

describe.each([
  ['a payload', 'header=1', (length: number) => ['[]', Buffer.alloc(length)]],
  ['a header', 'header=1', (length: number) => [padded(length), Buffer.from('x')]],
  ['a binary frame', 'header=0', (length: number) => [Buffer.alloc(length)]],
  [
    'a text frame',
    'header=0',
    (length: number) => ['漢'.repeat(length / 3).padEnd(length - 2 * Math.floor(length / 3))],
  ],
  ['a packed message', 'header=msgpack', (length: number) => [packed(length)]],
] as const)('%s', (_, query, frames) => {
  test.each(['0', '1'])(
    'of MAX_PAYLOAD_BYTES is taken, of one byte more closes with 1009 (ack=%s)',
    async (ack) => {
      const sid = `s${Math.random()}`;
      const socket = await fixture.push(sid, `${query}&ack=${ack}`);
      socket.send(...frames(LIMIT));
      if (ack === '1') expect(await socket.receiveJson()).toEqual([expect.stringMatching(/^\d+-/)]);
      socket.send(...frames(LIMIT + 1));
      expect(await socket.closed).toEqual(TOO_LARGE);
      const after = await fixture.push('after', 'ack=1');
      await after.push([], 'x');
      expect(await textsIn(fixture.redis.client, `default:${sid}`)).toHaveLength(1);
      await after.close();
    },
  );
});

test('a message that comes in fragments counts as a whole', async () => {
  const socket = await fixture.push('fragments', 'ack=1');
  socket.send('[]');
  socket.ws.send(Buffer.alloc(LIMIT), { binary: true, fin: false });
  socket.ws.send(Buffer.alloc(1), { binary: true, fin: true });
  expect(await socket.closed).toEqual(TOO_LARGE);
});

test('far more than that is cut by the library, which says nothing', async () => {
  const socket = await fixture.push('far-more', 'ack=1');
  socket.ws.on('error', () => {});
  socket.send('[]', Buffer.alloc(LIMIT + 2 * 1024 * 1024));
  expect((await socket.closed).code).toBe(1006);
  expect(await textsIn(fixture.redis.client, 'default:far-more')).toEqual([]);
});
