/**
 * A gateway with a small heap, a thousand followers that do not read and entries of 16 MB: it sheds what
 * it cannot carry, says so, and goes on serving the others.
 */
import { connect, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { StreamFollower } from '../support/stream-follower.js';
import { StreamWriter } from '../support/stream-writer.js';

const MIB = 1024 * 1024;
const SLOW = 1000;
const AT_ONCE = 100;
const FRAME_BYTES = 16 * MIB;
const FRAMES = 12;
const MAXLEN = 4;
/** The heap, what waits for clients, what waits for Redis, the hub's and readers' batches: bounds of their own. */
const MOST_MEMORY = 900 * MIB;

const { gateway } = await startForFile({
  REDIS_STREAM_MAXLEN: String(MAXLEN),
  MAX_UNREAD_BYTES: String(128 * MIB),
  MAX_BUFFERED_BYTES: String(128 * MIB),
  NODE_OPTIONS: '--max-old-space-size=256',
});

/** A follower that reads the answer to its upgrade, and nothing after. */
function openDeaf(): Promise<Socket> {
  const socket = connect(gateway.port, '127.0.0.1');
  socket.write(
    `GET /data/video/pull?header=0&block=0 HTTP/1.1\r\nHost: 127.0.0.1:${gateway.port}\r\nConnection: Upgrade\r\n` +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
      if (!answer.includes('\r\n\r\n')) return;
      socket.pause();
      socket.on('error', () => {}); // a connection that is shed
      if (answer.startsWith('HTTP/1.1 101')) resolve(socket);
      else reject(new Error(answer));
    });
  });
}

test('a thousand deaf followers of frames of 16 MB', { timeout: 90_000 }, async () => {
  const deaf: Socket[] = [];
  while (deaf.length < SLOW) deaf.push(...(await Promise.all(Array.from({ length: AT_ONCE }, openDeaf))));
  expect(await gateway.metric('followers')).toBe(SLOW);
  const reading = await StreamFollower.open(gateway, 'video', 'block=0', '0');
  const writer = await StreamWriter.open(gateway, 'video', 'w');
  let peak = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    const { outcome, stamp } = await writer.send(FRAME_BYTES);
    expect(outcome).toEqual(expect.any(String));
    await reading.until(() => reading.entries.at(-1)?.stamp === stamp);
    peak = Math.max(peak, await gateway.residentBytes());
  }
  expect(peak).toBeLessThan(MOST_MEMORY);
  expect(await gateway.metric('slow_closes_total{endpoint="pull"}')).toBeGreaterThan(0);
  // Who reads missed nothing, and others are served as ever.
  expect(reading.entries.map(({ stamp }) => stamp)).toEqual(writer.sent.map(({ stamp }) => stamp));
  expect((await fetch(`${gateway.http}/readyz`)).status).toBe(200);
  const small = await StreamFollower.open(gateway, 'small', 'block=0', '0');
  const other = await StreamWriter.open(gateway, 'small', 's');
  const { stamp } = await other.send(100);
  await small.until(() => small.entries.at(-1)?.stamp === stamp);
  expect(gateway.log.filter(({ level }) => Number(level) >= 50)).toEqual([]);

  // With the deaf gone nothing of them is left.
  for (const socket of deaf) socket.destroy();
  await vi.waitFor(async () => expect(await gateway.metric('connections{endpoint="pull"}')).toBe(2), {
    timeout: 20_000,
    interval: 100,
  });
  await Promise.all([reading, small, writer, other].map((client) => client.close()));
  expect(gateway.process.exitCode).toBeNull();
});
