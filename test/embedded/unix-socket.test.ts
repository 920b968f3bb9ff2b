import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask, isNobody, socketName } from '../../src/embedded/unix-socket.js';

test('a socket goes by its path, or by the one from here if that is too long', () => {
  const near = join(process.cwd(), 'x'.repeat(103));
  expect(socketName('/run/redis.sock')).toBe('/run/redis.sock');
  expect(socketName(`/${'x'.repeat(102)}`)).toBe(`/${'x'.repeat(102)}`);
  expect(socketName(near)).toBe('x'.repeat(103));
  // Bytes count, not characters.
  expect(() => socketName(`/${'é'.repeat(60)}`)).toThrow('STREAMGATE_DATA_DIR must be a shorter path');
  expect(() => socketName(`${near}x`)).toThrow('STREAMGATE_DATA_DIR must be a shorter path');
});

test('nobody answers where there is no socket', async () => {
  const cause = await ask('/nonexistent/socket', '', 1000).catch((thrown) => thrown);
  expect(isNobody(cause)).toBe(true);
});
