import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { ListenError } from '../../src/config/start-error.js';
import { guardPort } from '../../src/supervisor/port-guard.js';

const HOST = '127.0.0.1';

async function guard(host: string, port: number) {
  const held = await guardPort(host, port);
  onTestFinished(() => held.release());
  return held;
}

test('a free port is found, guarded though nobody listens on it, and free again', async () => {
  const first = await guard(HOST, 0);
  expect(first.port).toBeGreaterThan(0);
  await expect(guardPort(HOST, first.port)).rejects.toThrow(ListenError);
  await first.release();
  const again = await guard(HOST, first.port);
  expect(again.port).toBe(first.port);
});

test('a port that another program listens on is refused, and left unguarded', async () => {
  const other = createServer().listen(0, HOST);
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(guardPort(HOST, port)).rejects.toThrow(
    `Cannot listen on ${HOST} port ${port}: the port is in use (set another as PORT), or HOST is not an address of this machine.`,
  );
  await expect(guardPort('0.0.0.0', port)).rejects.toThrow(ListenError);
  other.close();
  await once(other, 'close');
  expect((await guard(HOST, port)).port).toBe(port);
});

test('an address of another machine is refused', async () => {
  await expect(guardPort('192.0.2.1', 0)).rejects.toThrow(ListenError);
});
