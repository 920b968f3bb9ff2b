/** Clients that send a byte now and then: the library cuts them after 10 s, and nobody else waits for them. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { RawClient } from '../support/raw-client.js';

const { redis, gateway } = await startForFile();

test('who sends slowly is cut off, and a normal client is served meanwhile', {
  timeout: 40_000,
}, async () => {
  const first = {
    nothing: '',
    'half of a first line': 'POST /da',
    'half of the headers': 'POST /data/slow HTTP/1.1\r\nHost: localhost\r\nX-A: ',
    'half of a body': 'POST /data/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx',
    'half of an upgrade': 'GET /data/slow/push HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n',
  };
  const begun = performance.now();
  const slow = await Promise.all(
    Object.entries(first).flatMap(([name, start]) =>
      [false, true].map(async (goesOn) => {
        const client = await RawClient.open(gateway.port);
        if (start !== '') client.send(start);
        const timer = goesOn && start !== '' ? setInterval(() => client.send('x'), 1500) : undefined;
        return { name: `${name}${goesOn ? ', then a byte now and then' : ''}`, client, timer };
      }),
    ),
  );
  const waits: number[] = [];
  const probe = setInterval(async () => {
    const start = performance.now();
    await fetch(`${gateway.http}/data/quick`, { method: 'POST', body: 'x' });
    waits.push(performance.now() - start);
  }, 500);
  await Promise.race([Promise.all(slow.map(({ client }) => client.closed)), delay(25_000)]);
  clearInterval(probe);
  for (const { timer } of slow) clearInterval(timer);
  expect(slow.filter(({ client }) => !client.hasEnded).map(({ name }) => name)).toEqual([]);
  expect(performance.now() - begun).toBeLessThan(20_000);
  expect(Math.max(...waits)).toBeLessThan(1000);
  expect(await redis.client.exists('default:slow')).toBe(0);
});
