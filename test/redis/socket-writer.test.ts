import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SocketWriter } from '../../src/redis/socket-writer.js';

let folder: string;
let server: Server;
let sender: Socket;
let receiver: Socket;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sg-writer-'));
  server = createServer({ pauseOnConnect: true });
  server.listen(join(folder, 's'));
  await once(server, 'listening');
  sender = connect(join(folder, 's'));
  [[receiver]] = (await Promise.all([once(server, 'connection'), once(sender, 'connect')])) as [[Socket], []];
});

afterEach(async () => {
  sender.destroy();
  receiver.destroy();
  server.close();
  await rm(folder, { recursive: true });
});

/** Reads on the other side until so many bytes came. @returns their digest */
async function received(bytes: number): Promise<string> {
  const hash = createHash('sha256');
  let rest = bytes;
  for await (const chunk of receiver as AsyncIterable<Buffer>) {
    hash.update(chunk);
    rest -= chunk.length;
    if (rest <= 0) break;
  }
  expect(rest).toBe(0);
  return hash.digest('hex');
}

const digest = (parts: readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** Of all sizes: a byte, a slab, more than the kernel takes at once. */
const makeParts = (count: number) =>
  Array.from({ length: count }, (_, index) => randomBytes([1, 70, 65_536, 3, 700_000, 12][index % 6]!));

test.each([
  ['straight to the kernel', true],
  ['by way of libuv, as with TLS', false],
])('parts arrive whole and in order: %s', async (_, isPlain) => {
  const writer = new SocketWriter(sender, isPlain);
  const parts = makeParts(300);
  // Far more than the kernel takes, in writes of one part and of many, while nobody reads.
  for (let at = 0; at < parts.length; at += 7) writer.write(parts.slice(at, at + 7));
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  expect(await received(total)).toBe(digest(parts));
});

test('what is written while the rest waits for room follows it', async () => {
  const writer = new SocketWriter(sender, true);
  const parts = makeParts(60);
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = received(total);
  for (const part of parts) {
    writer.write([part]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await whole).toBe(digest(parts));
});

test('a reader that pauses again and again gets everything in order', async () => {
  const writer = new SocketWriter(sender, true);
  const parts = Array.from({ length: 400 }, () => randomBytes(20_000));
  const hash = createHash('sha256');
  let rest = parts.length * 20_000;
  const done = new Promise<void>((resolve) => {
    receiver.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      rest -= chunk.length;
      if (rest === 0) resolve();
      receiver.pause();
      setTimeout(() => receiver.resume(), 1);
    });
    receiver.resume();
  });
  // Turns with something new and turns without, so that the kernel and libuv take over from each other.
  for (let at = 0; at < parts.length; at += 2) {
    writer.write(parts.slice(at, at + 2));
    for (let turn = 0; turn < at % 7; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  expect(hash.digest('hex')).toBe(digest(parts));
});

test('a closed writer writes nothing more', async () => {
  const writer = new SocketWriter(sender, true);
  writer.write(makeParts(60));
  const { takenBytes } = writer;
  writer.close();
  let got = 0;
  receiver.on('data', (chunk: Buffer) => {
    got += chunk.length;
  });
  receiver.resume();
  await vi.waitFor(() => expect(got).toBe(takenBytes));
  // There is room now, and turns in which it would be used.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  sender.end();
  await once(receiver, 'end');
  expect([got, writer.takenBytes]).toEqual([takenBytes, takenBytes]);
});

test.each([
  ['straight to the kernel', true],
  ['by way of libuv', false],
])(
  'what was taken is at least what the other side has, and no more than was given: %s',
  async (_, isPlain) => {
    const writer = new SocketWriter(sender, isPlain);
    writer.write([Buffer.alloc(4 * 1024 * 1024)]);
    let got = 0;
    receiver.on('data', (chunk: Buffer) => {
      got += chunk.length;
      expect(writer.takenBytes).toBeGreaterThanOrEqual(got);
    });
    receiver.resume();
    await vi.waitFor(() => expect(got).toBe(4 * 1024 * 1024), { timeout: 10_000 });
    expect(writer.takenBytes).toBe(got);
  },
);

test('what is given after the other side went is not taken', async () => {
  const writer = new SocketWriter(sender, true);
  const failed = once(sender, 'error');
  receiver.destroy();
  await once(receiver, 'close');
  writer.write([Buffer.alloc(1000)]);
  expect(writer.takenBytes).toBe(0);
  expect((await failed)[0]).toMatchObject({ code: 'EPIPE' });
  writer.write([Buffer.alloc(1000)]);
  expect(writer.takenBytes).toBe(0);
});

test('what was sent rises while the other side makes room, also within one large part', async () => {
  const bytes = 8 * 1024 * 1024;
  const writer = new SocketWriter(sender, false);
  writer.write([Buffer.alloc(bytes)]);
  const before = writer.sentBytes;
  expect([writer.takenBytes, before]).toEqual([bytes, expect.any(Number)]);
  expect(before).toBeLessThan(bytes);
  let got = 0;
  receiver.on('data', (chunk: Buffer) => {
    got += chunk.length;
    if (got > bytes / 2) receiver.pause();
  });
  receiver.resume();
  await vi.waitFor(() => expect(writer.sentBytes).toBeGreaterThan(bytes / 2));
  expect(writer.sentBytes).toBeLessThan(bytes);
  receiver.removeAllListeners('data').on('data', (chunk: Buffer) => {
    got += chunk.length;
  });
  receiver.resume();
  await vi.waitFor(() => expect(writer.sentBytes).toBe(bytes), { timeout: 10_000 });
});
