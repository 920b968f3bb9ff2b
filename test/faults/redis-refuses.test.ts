/** Redis is there and refuses a command: clients get a code and a status that say whether to try again. */
import { expect, test, vi } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { TestSocket } from '../support/socket.js';

const { redis, gateway } = await startForFile();

const post = async (path: string, body: string) => {
  const answer = await fetch(`${gateway.http}/data/${path}`, { method: 'POST', body });
  const { code } = (await answer.json()) as { code?: string };
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), code };
};

/** Sends one entry without acks, and resolves to how the socket closes. */
async function pushAndClose(path: string, ...frames: (string | Uint8Array)[]) {
  const socket = await TestSocket.open(`${gateway.ws}/data/${path}`);
  socket.send(...frames);
  return socket.closed;
}

test('while a script runs, writes and reads are refused for now, and succeed after it', async () => {
  const acked = await TestSocket.open(`${gateway.ws}/data/a/push?header=0&ack=1`);
  await redis.client.config('SET', 'busy-reply-threshold', '50');
  const running = redis.client.duplicate();
  const script = running.eval('while true do end', 0).catch((error: Error) => error.message);
  await vi.waitFor(() => expect(redis.client.ping()).rejects.toThrow(/^BUSY/), { timeout: 10_000 });

  const later = { status: 503, retryAfter: '1', code: 'redis_unavailable' };
  expect(await post('a', 'x')).toEqual(later);
  const get = await fetch(`${gateway.http}/data/a?last_entry_id=0`);
  expect([get.status, get.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await pushAndClose('a/push?header=0', Buffer.from('x'))).toEqual({
    code: 1013,
    reason: expect.stringMatching(/busy/),
  });
  acked.send(Buffer.from('x'));
  expect(JSON.parse(String(await acked.receive()))).toMatchObject([{ code: 'redis_unavailable' }]);

  await redis.client.script('KILL');
  expect(await script).toMatch(/killed/i);
  running.disconnect();
  expect((await post('a', 'x')).status).toBe(200);
});

test('an entry in a millisecond without a free sequence number is not after the newest', async () => {
  await redis.client.xadd('default:full', '5-18446744073709551615', 'd', 'x');
  const socket = await TestSocket.open(`${gateway.ws}/data/full/push?ack=1`);
  socket.send('[["full", 5, 1]]', Buffer.from('y'));
  expect(JSON.parse(String(await socket.receive()))).toMatchObject([{ code: 'id_not_increasing' }]);
  expect(await pushAndClose('full/push', '[["full", 5, 1]]', Buffer.from('y'))).toMatchObject({ code: 4409 });
});

test('an entry after the largest possible id is not after the newest', async () => {
  await redis.client.xadd('default:end', '18446744073709551615-18446744073709551615', 'd', 'x');
  expect(await post('end', 'x')).toEqual({ status: 409, retryAfter: null, code: 'id_not_increasing' });
});

test('an entry larger than Redis takes is too large, and later ones are stored', async () => {
  await redis.client.config('SET', 'proto-max-bulk-len', String(1024 * 1024));
  expect(await post('large', 'x'.repeat(1024 * 1024 + 1))).toEqual({
    status: 413,
    retryAfter: null,
    code: 'payload_too_large',
  });
  expect((await post('large', 'x')).status).toBe(200);
});
