/** An entry on which Redis closes the connection is refused, and holds up no other. */
import { expect, test } from 'vitest';
import { idsIn } from '../support/equal-writers.js';
import { startForFile } from '../support/gateway-fixture.js';

const MIB = 1024 * 1024;

const { redis, gateway } = await startForFile();

const post = async (sid: string, body: Uint8Array | string) => {
  const answer = await fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body });
  return { status: answer.status, body: (await answer.json()) as { code?: string; error?: string } };
};

test('an entry over client-query-buffer-limit is too large, and those around it are stored', async () => {
  await redis.client.config('SET', 'client-query-buffer-limit', String(MIB));
  const before = await gateway.metric('redis_disconnects_total{role="append"}');
  const [first, large, ...others] = await Promise.all([
    post('a', 'x'),
    post('a', new Uint8Array(2 * MIB)),
    ...Array.from({ length: 20 }, (_, index) => post(`b${index % 3}`, 'x'.repeat(index * 1000))),
  ]);
  expect([first!.status, ...others.map(({ status }) => status)]).toEqual(new Array(21).fill(200));
  expect(large).toEqual({
    status: 413,
    body: expect.objectContaining({
      code: 'payload_too_large',
      error: expect.stringMatching(/2097152 bytes.*client-query-buffer-limit/),
    }),
  });
  expect(await idsIn(redis.client, 'default:a')).toHaveLength(1);
  const stored = await Promise.all([0, 1, 2].map((index) => redis.client.xlen(`default:b${index}`)));
  expect(stored.reduce((sum, length) => sum + length)).toBe(20);

  // The next one of that size is refused at once.
  const lost = await gateway.metric('redis_disconnects_total{role="append"}');
  expect(lost - before).toBeLessThan(10);
  expect((await post('a', new Uint8Array(2 * MIB))).status).toBe(413);
  expect((await post('a', 'y')).status).toBe(200);
  expect(await gateway.metric('redis_disconnects_total{role="append"}')).toBe(lost);
});
