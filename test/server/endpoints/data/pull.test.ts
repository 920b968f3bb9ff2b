/** `/data/{sid}/pull`: how entries are framed, and what is sent while there are none. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { TestSocket } from '../../../support/socket.js';
import { stampedFrame, stampOf } from '../../../support/stamped-frames.js';
import { splitMessage, unpackMessage } from '../../../support/stream-follower.js';

/** Timers may be this much early, since the clocks of two processes are compared in whole ms. */
const CLOCK_MS = 2;

const { redis, gateway } = await startForFile();
let streams = 0;

const freshSid = () => `stream-${streams++}`;

const pull = (sids: string, query = '') => TestSocket.open(`${gateway.ws}/data/${sids}/pull?${query}`);

/** Stores stamped frames; @returns their ids and stamps, as followers should be told them */
async function fill(sid: string, sizes: number[], writer = sid): Promise<[id: string, stamp: string][]> {
  const rows: [string, string][] = [];
  for (const [seq, bytes] of sizes.entries()) {
    const frame = stampedFrame(writer, seq, bytes);
    rows.push([(await redis.client.xadd(`default:${sid}`, '*', 'd', frame))!, stampOf(frame)]);
  }
  return rows;
}

/** The next message in header mode 1. */
async function receiveMessage(socket: TestSocket): Promise<[sid: string, id: string, bytes: Buffer][]> {
  const header = await socket.receive();
  const payload = await socket.receive();
  expect([typeof header, typeof payload]).toEqual(['string', 'object']);
  return splitMessage(header as string, payload as Buffer);
}

/** Waits until a follower of its own has had so many heartbeats 20 ms apart: time that passed for all. */
async function heartbeatsPass(count: number): Promise<void> {
  const clock = await pull(freshSid(), 'block=20');
  for (let beat = 0; beat < count; beat++) expect(await receiveMessage(clock)).toEqual([]);
  await clock.close();
}

test('header=1: a text frame that names the entry, then a binary frame with its bytes', async () => {
  const sid = freshSid();
  const rows = await fill(sid, [0, 1000, 70_000, 3_000_000]);
  for (const query of ['', '&header=1', '&header=json', '&header=True']) {
    const socket = await pull(sid, `last_entry_id=0${query}`);
    for (const [id, stamp] of rows) {
      expect(await socket.receiveJson()).toEqual([[sid, id, 0]]);
      expect(stampOf((await socket.receive()) as Buffer)).toBe(stamp);
    }
    expect((await socket.close()).code).toBe(1005);
  }
});

test('an entry without bytes is an entry', async () => {
  const sid = freshSid();
  const id = await redis.client.xadd(`default:${sid}`, '*', 'd', '');
  const json = await pull(sid, 'last_entry_id=0');
  expect(await json.receiveJson()).toEqual([[sid, id, 0]]);
  expect(await json.receive()).toEqual(Buffer.alloc(0));
  const raw = await pull(sid, 'last_entry_id=0&header=0');
  expect(await raw.receive()).toEqual(Buffer.alloc(0));
  const packed = await pull(sid, 'last_entry_id=0&header=msgpack');
  expect(unpackMessage((await packed.receive()) as Buffer)).toEqual([[sid, id, Buffer.alloc(0)]]);
  await Promise.all([json.close(), raw.close(), packed.close()]);
});

test('header=1: a heartbeat for each `block` ms without data, an empty list and an empty frame', async () => {
  const sid = freshSid();
  const block = 60;
  const begun = performance.now();
  const socket = await pull(sid, `block=${block}`);
  for (let beat = 1; beat <= 3; beat++) {
    expect(await socket.receive()).toBe('[]');
    expect(await socket.receive()).toEqual(Buffer.alloc(0));
    expect(performance.now() - begun).toBeGreaterThanOrEqual(beat * (block - CLOCK_MS));
  }
  await socket.close();
});

test('data puts the heartbeat off', async () => {
  const sid = freshSid();
  const block = 100;
  const socket = await pull(sid, `block=${block}`);
  await receiveMessage(socket);
  for (let round = 0; round < 3; round++) {
    await heartbeatsPass(2);
    const stored = performance.now();
    const [[id]] = (await fill(sid, [10], `round-${round}`)) as [[string, string]];
    let message = await receiveMessage(socket);
    while (message.length === 0) message = await receiveMessage(socket);
    expect(message.map(([, id]) => id)).toEqual([id]);
    expect(await receiveMessage(socket)).toEqual([]);
    expect(performance.now() - stored).toBeGreaterThanOrEqual(block - CLOCK_MS);
  }
  await socket.close();
});

test('header=0: each entry is a binary frame, and there is never a heartbeat', async () => {
  const sid = freshSid();
  for (const query of ['header=0', 'header=raw']) {
    const socket = await pull(sid, `${query}&block=20`);
    await heartbeatsPass(6);
    const rows = await fill(sid, [0, 1000, 70_000, 3_000_000], query);
    for (const [, stamp] of rows) expect(stampOf((await socket.receive()) as Buffer)).toBe(stamp);
    await heartbeatsPass(3);
    expect(socket.pending).toBe(0);
    await socket.close();
  }
});

test('header=0 needs one stream and count 1', async () => {
  await expect(pull('a+b', 'header=0')).rejects.toThrow(/^400 .*header=0 needs exactly one stream/);
  await expect(pull('a', 'header=0&count=2')).rejects.toThrow(/^400 .*count must be 1/);
  await (await pull('a', 'header=0&count=1')).close();
});

test('header=msgpack: one frame, an array of [sid, id, bin]; the heartbeat is an empty one', async () => {
  // Lengths on both sides of every size of MessagePack's heads; 200 KB goes out in fragments.
  for (const sid of [
    freshSid(),
    `${freshSid()}-é漢😀-${'x'.repeat(40)}`,
    `${freshSid()}-${'y'.repeat(300)}`,
  ]) {
    const name = encodeURIComponent(sid);
    const rows = await fill(sid, [0, 255, 256, 65_535, 65_536, 200_000], 'w');
    const socket = await pull(name, 'last_entry_id=0&header=msgpack&count=4&block=30');
    const got: unknown[] = [];
    while (got.length < rows.length) {
      const message = unpackMessage((await socket.receive()) as Buffer);
      expect(message.length).toBeLessThanOrEqual(4);
      got.push(...message.map(([sid, id, bytes]) => [sid, id, stampOf(bytes)]));
    }
    expect(got).toEqual(rows.map(([id, stamp]) => [sid, id, stamp]));
    expect(await socket.receive()).toEqual(Buffer.of(0x90));
    await socket.close();
  }
});

test('offsets: where each entry begins, or where it ends', async () => {
  const sid = freshSid();
  const rows = await fill(sid, [100, 0, 3000, 200_000]);
  for (const [offsets, query] of [
    ['start', ''],
    ['start', '&offsets=start'],
    ['end', '&offsets=end'],
  ] as const) {
    const socket = await pull(sid, `last_entry_id=0&count=100${query}`);
    const got: [string, string][] = [];
    while (got.length < rows.length) {
      const header = await socket.receiveJson<[string, string, number][]>();
      const payload = (await socket.receive()) as Buffer;
      header.forEach(([name, id, offset], index) => {
        const begin = offsets === 'start' ? offset : (header[index - 1]?.[2] ?? 0);
        const end = offsets === 'end' ? offset : (header[index + 1]?.[2] ?? payload.length);
        expect(name).toBe(sid);
        got.push([id, stampOf(payload.subarray(begin, end))]);
      });
      if (offsets === 'start') expect(header[0]![2]).toBe(0);
      else expect(header.at(-1)![2]).toBe(payload.length);
    }
    expect(got).toEqual(rows);
    await socket.close();
  }
});

test('count: at most so many entries in a message', async () => {
  const sid = freshSid();
  const rows = await fill(
    sid,
    Array.from({ length: 250 }, () => 10),
  );
  for (const count of [1, 7, 100, 1_000_000]) {
    const socket = await pull(sid, `last_entry_id=0&count=${count}`);
    const got: [string, string][] = [];
    const sizes: number[] = [];
    while (got.length < rows.length) {
      const message = await receiveMessage(socket);
      sizes.push(message.length);
      got.push(...message.map(([, id, bytes]): [string, string] => [id, stampOf(bytes)]));
    }
    expect(got).toEqual(rows);
    expect(Math.max(...sizes)).toBe(Math.min(count, rows.length));
    await socket.close();
  }
});

test('several streams over one socket, with one cursor for all or one each', async () => {
  const sids = [freshSid(), freshSid(), freshSid()];
  const rows = await Promise.all(sids.map((sid) => fill(sid, [10, 20_000, 30])));
  const path = sids.join('+');
  const receive = async (query: string, expected: number) => {
    const socket = await pull(path, query);
    const got = new Map<string, [string, string][]>(sids.map((sid) => [sid, []]));
    for (let left = expected; left > 0; ) {
      const message = await receiveMessage(socket);
      for (const [sid, id, bytes] of message) got.get(sid)!.push([id, stampOf(bytes)]);
      left -= message.length;
    }
    await socket.close();
    return sids.map((sid) => got.get(sid));
  };
  expect(await receive('last_entry_id=0', 9)).toEqual(rows);
  expect(await receive('last_entry_id=0&count=100', 9)).toEqual(rows);
  const expected = [rows[0], rows[1]!.slice(2), []];
  // '+' means a space in a query, but none can be in a cursor: clients may send it either way.
  for (const plus of ['+', '%2B', '%20']) {
    const cursors = ['-', rows[1]![1]![0], '$'].join(plus);
    expect(await receive(`last_entry_id=${cursors}`, 4)).toEqual(expected);
  }
});

test('several streams in header=msgpack name themselves', async () => {
  const sids = [freshSid(), freshSid()];
  const rows = await Promise.all(sids.map((sid) => fill(sid, [10, 20])));
  const socket = await pull(sids.join('+'), 'last_entry_id=0&header=msgpack');
  const got: string[] = [];
  while (got.length < 4) {
    for (const [sid, id, bytes] of unpackMessage((await socket.receive()) as Buffer)) {
      got.push(`${sid} ${id} ${stampOf(bytes)}`);
    }
  }
  const expected = sids.flatMap((sid, index) => rows[index]!.map(([id, stamp]) => `${sid} ${id} ${stamp}`));
  expect(got.sort()).toEqual(expected.sort());
  await socket.close();
});

test('block=0: no heartbeat', async () => {
  const sid = freshSid();
  const socket = await pull(sid, 'block=0');
  await heartbeatsPass(8);
  expect(socket.pending).toBe(0);
  const [[id]] = (await fill(sid, [10])) as [[string, string]];
  expect((await receiveMessage(socket)).map(([, id]) => id)).toEqual([id]);
  await socket.close();
});

test('block=-1: whenever there is nothing, a heartbeat at once', async () => {
  const sid = freshSid();
  const empty = await pull(sid, 'block=-1');
  expect(await receiveMessage(empty)).toEqual([]);
  const rows = await fill(sid, [10, 20]);
  const socket = await pull(sid, 'block=-1&last_entry_id=0');
  for (const [id] of rows) expect((await receiveMessage(socket)).map(([, id]) => id)).toEqual([id]);
  expect(await receiveMessage(socket)).toEqual([]);
  // And once only: what comes next is the next entry.
  await heartbeatsPass(3);
  const [[id]] = (await fill(sid, [30], 'later')) as [[string, string]];
  expect((await receiveMessage(socket)).map(([, id]) => id)).toEqual([id]);
  expect(await receiveMessage(socket)).toEqual([]);
  await Promise.all([empty.close(), socket.close()]);
});

test('every follower of a new stream stays connected, however many come', async () => {
  // The library closes upgraded sockets by what it finds in freed memory, unless it is kept from looking.
  const join = async () => {
    const socket = await pull(freshSid(), 'block=-1');
    expect(await receiveMessage(socket)).toEqual([]);
    expect((await socket.close()).code).toBe(1005);
  };
  for (let round = 0; round < 15; round++) await Promise.all(Array.from({ length: 20 }, join));
});

test('an upgrade that says `Connection: close` is refused', async () => {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.write(
    'GET /data/x/pull HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`,
  );
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 426 .*upgrade_required/s);
  expect(await gateway.metric('connections{endpoint="pull"}')).toBe(0);
});

test('a trailing slash is tolerated', async () => {
  const sid = freshSid();
  const [[id]] = (await fill(sid, [10])) as [[string, string]];
  const socket = await TestSocket.open(`${gateway.ws}/data/${sid}/pull/?last_entry_id=0`);
  expect((await receiveMessage(socket)).map(([, id]) => id)).toEqual([id]);
  await socket.close();
});
