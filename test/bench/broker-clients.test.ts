/** That the loads understand what servers send them, however it is cut into pieces. */
import { describe, expect, test } from 'vitest';
import { ackCounter } from '../../bench/load/acks.js';
import { framePayloads } from '../../bench/load/frame-payloads.js';
import { checkNatsAck, natsLines } from '../../bench/load/nats.js';
import { PayloadStart } from '../../bench/load/payload-starts.js';
import type { TakeBytes } from '../../bench/load/received.js';

/** A server's frame, which is not masked. */
function serverFrame(payload: string, first = 0x82): Buffer {
  const { length } = payload;
  const size = length < 126 ? 0 : 2;
  const head = Buffer.alloc(2 + size);
  head[0] = first;
  head[1] = size === 0 ? length : 126;
  if (size === 2) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, Buffer.from(payload)]);
}

/** In pieces of so many bytes, each in a buffer that is overwritten afterwards. */
function feed(take: TakeBytes, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) {
    const piece = Buffer.from(bytes.subarray(at, at + size));
    take(piece, 0, piece.length);
    piece.fill(0);
  }
}

const SIZES = [1, 2, 3, 7, 64, 10_000];

describe.each(SIZES)('in pieces of %d bytes', (size) => {
  test('payloads of frames are one flow, and pings are answered', () => {
    let text = '';
    let answers = 0;
    const take = framePayloads(
      (bytes, from, to) => {
        text += Buffer.from(bytes.subarray(from, to)).toString();
      },
      () => answers++,
    );
    const long = 'x'.repeat(300);
    const frames = [serverFrame('one'), serverFrame('', 0x89), serverFrame(long), serverFrame('two')];
    feed(take, Buffer.concat(frames), size);
    expect(text).toBe(`one${long}two`);
    expect(answers).toBe(1);
  });

  test('messages of NATS are taken whole, with a reply subject and without', () => {
    const messages: string[] = [];
    let pongs = 0;
    let pings = 0;
    const take = natsLines(
      (bytes, at, length) => messages.push(Buffer.from(bytes.subarray(at, at + length)).toString()),
      { pong: () => pongs++, ping: () => pings++ },
    );
    const info = `INFO {"x":"${'y'.repeat(5000)}"}\r\n`;
    const lines =
      'MSG a 1 5\r\nhello\r\nPING\r\nMSG a 1 $JS.1 12\r\nMSG a 1 3\r\nx\r\nMSG a 1 0\r\n\r\nPONG\r\n';
    feed(take, Buffer.from(info + lines), size);
    expect(messages).toEqual(['hello', 'MSG a 1 3\r\nx', '']);
    expect([pongs, pings]).toEqual([1, 1]);
  });

  test('acks are counted by message, with one id or many', () => {
    const many = JSON.stringify(Array.from({ length: 64 }, (_, index) => `1795336103800-${index}`));
    const frames = [serverFrame('["1-0"]', 0x81), serverFrame(many, 0x81), serverFrame('["2-0"]', 0x81)];
    const counted = ackCounter();
    let acks = 0;
    const take: TakeBytes = (bytes, from, to) => {
      acks += counted(Buffer.from(bytes.subarray(from, to)));
    };
    feed(take, Buffer.concat(frames), size);
    expect(acks).toBe(3);
  });
});

test('a long message is reported with its length and its beginning', () => {
  const got: [string, number][] = [];
  const start = new PayloadStart((bytes, at, length) =>
    got.push([Buffer.from(bytes.subarray(at, at + 4)).toString(), length]),
  );
  start.begin(200_000);
  const bytes = Buffer.from(`abcd${'x'.repeat(199_996)}`);
  for (let at = 0; at < bytes.length; at += 65_536) {
    const end = start.feed(bytes, at, Math.min(bytes.length, at + 65_536));
    expect(end).toBe(Math.min(bytes.length, at + 65_536));
  }
  expect(got).toEqual([['abcd', 200_000]]);
  expect(start.isUnderway).toBe(false);
});

test('refusals are errors', () => {
  const frame = serverFrame('["1-0",{"error":"full","code":"busy"}]', 0x81);
  expect(() => ackCounter()(frame)).toThrow('full');
  const ack = Buffer.from('{"stream":"BENCH", "seq":1}');
  expect(() => checkNatsAck(ack, 0, ack.length)).not.toThrow();
  const refusal = Buffer.from('{"error":{"code":503,"description":"no space"}}');
  expect(() => checkNatsAck(refusal, 0, refusal.length)).toThrow('no space');
  const lines = natsLines(() => {}, { pong: () => {}, ping: () => {} });
  const error = Buffer.from("-ERR 'Permissions Violation'\r\n");
  expect(() => lines(error, 0, error.length)).toThrow('Permissions Violation');
});
