/** Redis going away and coming back: what requests are told meanwhile, and that all is well again after. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startForFile } from '../../../support/gateway-fixture.js';
import { startGatewayProcess } from '../../../support/gateway-process.js';
import { postEntries, readEntries, refused } from '../../../support/http.js';

const WAIT = { timeout: 15_000 };

const { redis, gateway } = await startForFile({}, ['--appendonly', 'yes', '--appendfsync', 'always']);

const address = (path: string) => `${gateway.http}/data/${path}`;
const readiness = async () => (await fetch(`${gateway.http}/readyz`)).status;

async function killRedis(): Promise<void> {
  const exit = once(redis.process, 'exit');
  redis.process.kill('SIGKILL');
  await exit;
  await expect.poll(readiness, WAIT).toBe(503);
}

async function restartRedis(): Promise<void> {
  await redis.restart();
  await expect.poll(readiness, WAIT).toBe(200);
}

test('while Redis is away requests are told so, and to come back', async () => {
  const [id] = await postEntries(address('kept'), 'before');
  await killRedis();

  expect((await fetch(`${gateway.http}/healthz`)).status).toBe(200);
  const ready = await fetch(`${gateway.http}/readyz`);
  expect(await ready.json()).toMatchObject({ status: 'not ready', checks: { redis: false, pool: true } });
  const requests: [path: string, method: string][] = [
    ['kept', 'GET'],
    ['kept?last_entry_id=0', 'GET'],
    ['kept?last_entry_id=0&latest=1', 'GET'],
    ['kept?block=-1', 'GET'],
    ['kept+other', 'GET'],
    ['kept', 'POST'],
  ];
  await Promise.all(
    requests.map(async ([path, method]) => {
      const response = await fetch(address(path), { method, ...(method === 'POST' ? { body: 'x' } : {}) });
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await refused(response)).toMatchObject({ status: 503, code: 'redis_unavailable' });
    }),
  );
  const head = await fetch(address('kept'), { method: 'HEAD' });
  expect([head.status, head.headers.get('retry-after')]).toEqual([503, '1']);
  expect((await fetch(address('kept?count=0'))).status).toBe(400);
  expect((await fetch(address('a+b'), { method: 'POST', body: 'x' })).status).toBe(400);
  expect(await gateway.metric('redis_disconnects_total')).toBeGreaterThan(0);

  await restartRedis();
  const [after] = await postEntries(address('kept'), 'after');
  expect((await readEntries(address('kept?last_entry_id=0&count=9'))).entries).toEqual([
    ['kept', id, 'before'],
    ['kept', after, 'after'],
  ]);
});

test('an entry posted during a short outage is stored when Redis is back, once', async () => {
  await killRedis();
  const posting = postEntries(address('patient'), 'x');
  await expect.poll(() => gateway.metric('append_queue_bytes')).toBeGreaterThan(0);
  await restartRedis();
  const [id] = await posting;
  expect((await readEntries(address('patient?last_entry_id=0&count=9'))).entries).toEqual([
    ['patient', id, 'x'],
  ]);
});

test('a read that waits goes on through a short outage', async () => {
  const waiting = readEntries(address('waiting?last_entry_id=0&block=0'));
  await expect.poll(() => gateway.metric('waiting_reads')).toBe(1);
  await killRedis();
  await restartRedis();
  const [id] = await postEntries(address('waiting'), 'came');
  expect((await waiting).entries).toEqual([['waiting', id, 'came']]);
});

test('a gateway started before its Redis serves once that is there', async () => {
  await killRedis();
  const early = await startGatewayProcess({ REDIS_URL: redis.url });
  try {
    const ready = () => fetch(`${early.http}/readyz`).then(({ status }) => status);
    expect(await ready()).toBe(503);
    await restartRedis();
    await expect.poll(ready, WAIT).toBe(200);
    expect(await postEntries(`${early.http}/data/early`, 'x')).toHaveLength(1);
  } finally {
    await early.stop();
  }
});
