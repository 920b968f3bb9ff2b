/** What a client that closes a WebSocket is answered. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startForFile } from '../../support/gateway-fixture.js';
import { TestSocket } from '../../support/socket.js';

const { gateway } = await startForFile();

const NO_CODE = 1005;

/** @returns the code and reason of the gateway's close frame */
async function closeWith(path: string, code: number): Promise<readonly [number, string]> {
  const { ws } = await TestSocket.open(`${gateway.ws}${path}`);
  const closed = once(ws, 'close');
  ws.close(code, 'bye');
  const [answered, reason] = await closed;
  return [answered, String(reason)];
}

const PATHS = ['/data/x/pull', '/data/x/push', '/overview'];

test.for(PATHS)('%s: the code and reason are sent back', async (path) => {
  for (const code of [1000, 1001, 1003, 1011, 4000, 4999]) {
    expect(await closeWith(path, code)).toEqual([code, 'bye']);
  }
});

test.for(PATHS)(
  '%s: codes that the library does not know end it in order, if without a code',
  async (path) => {
    for (const code of [1012, 1013, 1014, 3000, 3999]) {
      const [answered] = await closeWith(path, code);
      expect([code, NO_CODE]).toContain(answered);
    }
  },
);
