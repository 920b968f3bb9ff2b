/**
 * Frames near the limit of 64 MiB. Before a pull a script reads where its stream ends, for which Redis copies the first
 * and the last entry: 0.8 s with 60 MB, on two busy cores. A Redis that does not answer for 3 s is taken for gone.
 */
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { TestSocket } from '../support/socket.js';
import { stampedFrame, stampOf } from '../support/stamped-frames.js';
import { unpackMessage } from '../support/stream-follower.js';

const BYTES = 60 * 1024 * 1024;

const { redis, gateway } = await startForFile();

describe('frames of 60 MB go through whole', () => {
  test.each(['1', '0', 'msgpack'] as const)('header=%s', async (framing) => {
    const sid = `huge-${framing}`;
    const live = await TestSocket.open(`${gateway.ws}/data/${sid}/pull?header=${framing}&block=0`);
    const producer = await TestSocket.open(`${gateway.ws}/data/${sid}/push?header=${framing}&ack=1`);
    const payload = stampedFrame(`huge-${framing}`, 0, BYTES);
    if (framing === '1') producer.send(JSON.stringify([payload.length]), payload);
    else if (framing === '0') producer.send(payload);
    else producer.send(new Packr().pack([[sid, null, payload]]));
    const [id] = await producer.receiveJson<string[]>();
    expect(id).toMatch(/^\d+-\d+$/);
    const late = await TestSocket.open(
      `${gateway.ws}/data/${sid}/pull?header=${framing}&block=0&last_entry_id=0`,
    );
    for (const socket of [live, late]) {
      if (framing === '1') expect(await socket.receiveJson()).toEqual([[sid, id, 0]]);
      let received = (await socket.receive()) as Buffer;
      if (framing === 'msgpack') {
        const message = unpackMessage(received);
        expect(message.map(([sid, id]) => [sid, id])).toEqual([[sid, id]]);
        received = message[0]![2];
      }
      expect(stampOf(received)).toBe(`huge-${framing}#0`);
      expect(received.length).toBe(payload.length);
    }
    await Promise.all([live, late, producer].map((socket) => socket.close()));
    await redis.client.del(`default:${sid}`);
  });
});
