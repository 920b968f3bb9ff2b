/** Bodies for which there is no memory: announced ones cost nothing, and one that does not fit is refused alone. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { startForFile } from '../support/gateway-fixture.js';
import { postEntries, refused } from '../support/http.js';
import { RawClient } from '../support/raw-client.js';

const MIB = 1024 * 1024;
const LARGEST = 64 * MIB;

const { redis, gateway } = await startForFile();

/** Bounds the gateway's address space to so much more than it has now; without a number not at all. */
async function leaveMemory(bytes?: number): Promise<void> {
  const { pid } = gateway.process;
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const size = Number(/VmSize:\s+(\d+)/.exec(status)![1]) * 1024;
  const limit = bytes === undefined ? 'unlimited' : size + bytes;
  execFileSync('prlimit', ['--pid', String(pid), `--as=${limit}:`]);
}

test('what bodies announce costs nothing before it comes', async () => {
  const CLIENTS = 200;
  await leaveMemory(512 * MIB);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => RawClient.open(gateway.port)));
  for (const client of clients) {
    await client.flush(`POST /data/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${LARGEST}\r\n\r\nab`);
  }
  await expect.poll(() => gateway.metric('requests'), { timeout: 10_000 }).toBe(CLIENTS + 1);
  await expect.poll(() => gateway.metric('receiving_bytes'), { timeout: 10_000 }).toBe(CLIENTS * 16 * 1024);
  expect(await postEntries(`${gateway.http}/data/x`, 'small')).toHaveLength(1);
  for (const client of clients) client.destroy();
  await expect.poll(() => gateway.metric('receiving_bytes'), { timeout: 10_000 }).toBe(0);
  await leaveMemory();
});

test('a body that finds no memory is refused, and the next one is not', { timeout: 60_000 }, async () => {
  const body = Buffer.alloc(LARGEST, 'x');
  const post = (bytes: Uint8Array<ArrayBuffer>, sid = 'y') =>
    fetch(`${gateway.http}/data/${sid}`, { method: 'POST', body: bytes });
  // What the engine takes for the first bodies it must not have to find later: without it, it ends the process.
  const usual = Buffer.alloc(MIB, 'x');
  for (let time = 0; time < 50; time++) expect((await post(usual, 'z')).status).toBe(200);
  await leaveMemory(48 * MIB);
  expect(await refused(await post(body))).toMatchObject({
    status: 503,
    code: 'overloaded',
    error: expect.stringContaining('memory'),
  });
  expect(await redis.client.exists('default:y')).toBe(0);
  expect((await post(Buffer.from('small'))).status).toBe(200);
  await leaveMemory();
  expect((await post(body)).status).toBe(200);
  expect(await redis.client.xlen('default:y')).toBe(2);
  expect(gateway.process.exitCode).toBeNull();
});
